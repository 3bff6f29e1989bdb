package argocd_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/diff"
	"github.com/argoproj/argo-cd/v3/util/lua"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// controller is the name under which Argo CD applies.
const controller = "argocd-controller"

// dryRun answers Argo CD's dry runs of a server-side apply.
type dryRun struct {
	server *server
	live   *unstructured.Unstructured
}

func (d dryRun) Run(_ context.Context, object *unstructured.Unstructured, manager string) (string, error) {
	predicted, err := d.server.apply(d.live, object, manager)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(predicted)
	return string(text), err
}

// way is one in which Argo CD applies and compares.
type way struct {
	name       string
	serverSide bool // applies
	options    func(s *server, live *unstructured.Unstructured) []diff.Option
}

var ways = []way{
	{"client-side apply, diff of three", false, func(*server, *unstructured.Unstructured) []diff.Option { return nil }},
	{"server-side apply, structured merge diff", true, func(s *server, _ *unstructured.Unstructured) []diff.Option {
		return []diff.Option{diff.WithStructuredMergeDiff(true), diff.WithGVKParser(s.parser), diff.WithManager(controller)}
	}},
	{"server-side apply, server-side diff", true, func(s *server, live *unstructured.Unstructured) []diff.Option {
		return []diff.Option{
			diff.WithServerSideDiff(true), diff.WithServerSideDryRunner(dryRun{s, live}), diff.WithGVKParser(s.parser),
			diff.WithManager(controller),
		}
	}},
}

// sample returns a stack as a user writes it, with the annotation by which Argo CD tracks it.
func sample(t *testing.T, file string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	NewWithT(t).Expect(yaml.Unmarshal([]byte(read(t, file)), &u.Object)).To(Succeed())
	u.SetNamespace("im")
	u.SetAnnotations(map[string]string{"argocd.argoproj.io/tracking-id": "chat:openimstack.dev/OpenIMStack:im/" + u.GetName()})
	return asUnstructured(t, u)
}

// sync applies what Git has, as Argo CD does.
func (w way) sync(t *testing.T, s *server, live, git *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	g := NewWithT(t)
	if w.serverSide {
		applied, err := s.apply(live, git, controller)
		g.Expect(err).NotTo(HaveOccurred())
		return asUnstructured(t, applied)
	}
	text, err := json.Marshal(git)
	g.Expect(err).NotTo(HaveOccurred())
	annotated := git.DeepCopy()
	annotations := annotated.GetAnnotations()
	annotations["kubectl.kubernetes.io/last-applied-configuration"] = string(text)
	annotated.SetAnnotations(annotations)
	return s.write(t, live, annotated, controller)
}

// run lets the API server, the operator and users write what they write during the life of a stack.
func run(t *testing.T, s *server, live *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	g := NewWithT(t)
	live = live.DeepCopy()
	live.SetUID("0001")
	live.SetResourceVersion("42")
	live.SetGeneration(present)
	g.Expect(unstructured.SetNestedField(live.Object, "2026-01-01T00:00:00Z", "metadata", "creationTimestamp")).To(Succeed())

	status, _, err := unstructured.NestedMap(stackWith(t, healthy+" UpdateAvailable=True/OperatorUpdated").Object, "status")
	g.Expect(err).NotTo(HaveOccurred())
	reported := live.DeepCopy()
	g.Expect(unstructured.SetNestedMap(reported.Object, status, "status")).To(Succeed())
	live = s.write(t, live, reported, "openim-operator")

	annotated := live.DeepCopy()
	annotations := annotated.GetAnnotations()
	for _, request := range []string{
		"probe-requested-at", "retry-rollout-at", "update-at", "rotate-share-secret-at", "regenerate-login-at", "regenerate-custody-at",
	} {
		annotations["openimstack.dev/"+request] = "2026-01-01T00:00:00Z"
	}
	annotated.SetAnnotations(annotations)
	return s.write(t, live, annotated, "kubectl-annotate")
}

// differs reports whether Argo CD calls the stack OutOfSync.
func (w way) differs(t *testing.T, s *server, git, live *unstructured.Unstructured) bool {
	t.Helper()
	result, err := diff.Diff(git.DeepCopy(), live.DeepCopy(), w.options(s, live)...)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return result.Modified
}

// set returns a copy of an object with another value of a field; nil removes the field.
func set(t *testing.T, object *unstructured.Unstructured, value any, path ...string) *unstructured.Unstructured {
	t.Helper()
	object = object.DeepCopy()
	if value == nil {
		unstructured.RemoveNestedField(object.Object, path...)
		return object
	}
	NewWithT(t).Expect(unstructured.SetNestedField(object.Object, value, path...)).To(Succeed())
	return object
}

func samples(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(root + "/config/samples/[do]*.yaml")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(files).To(HaveLen(4))
	return files
}

// The API server stores what a user wrote: nothing is pruned, nothing is defaulted.
func TestNothingIsDefaultedIntoTheSpec(t *testing.T) {
	s := newServer(t)
	for _, file := range samples(t) {
		git := sample(t, file)
		NewWithT(t).Expect(s.admit(git)).To(Equal(git), file)
	}
}

func TestARunningStackIsInSync(t *testing.T) {
	s := newServer(t)
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			for _, file := range samples(t) {
				g := NewWithT(t)
				git := sample(t, file)
				live := run(t, s, w.sync(t, s, nil, git))
				g.Expect(live.Object).To(HaveKey("status"))
				g.Expect(w.differs(t, s, git, live)).To(BeFalse(), file)
				live = w.sync(t, s, live, git) // a second sync changes nothing either
				g.Expect(w.differs(t, s, git, live)).To(BeFalse(), file)
			}
		})
	}
}

func TestAChangeIsOutOfSync(t *testing.T) {
	s := newServer(t)
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			git := sample(t, root+"/config/samples/openimstack_v1alpha1_production.yaml")
			live := run(t, s, w.sync(t, s, nil, git))
			for name, changed := range map[string]*unstructured.Unstructured{
				"Git has another release":   set(t, git, "v3.8.3", "spec", "version"),
				"Git adds a field":          set(t, git, int64(60), "spec", "network", "probe", "intervalSeconds"),
				"Git removes a field":       set(t, git, nil, "spec", "wrapper", "limits"),
				"Git names another replica": set(t, git, int64(4), "spec", "processes", "msgGateway", "replicas"),
			} {
				t.Run(name, func(t *testing.T) { NewWithT(t).Expect(w.differs(t, s, changed, live)).To(BeTrue()) })
			}
			t.Run("a user edits the live object", func(t *testing.T) {
				edited := s.write(t, live, set(t, live, "v3.8.3", "spec", "version"), "kubectl-edit")
				NewWithT(t).Expect(w.differs(t, s, git, edited)).To(BeTrue())
			})
		})
	}
}

// An action leaves the application in sync, unless Git itself says otherwise about spec.suspend.
func TestActionsAndSync(t *testing.T) {
	s := newServer(t)
	vm := lua.VM{ResourceOverrides: customization(t)}
	act := func(t *testing.T, live *unstructured.Unstructured, names ...string) *unstructured.Unstructured {
		t.Helper()
		for _, name := range names {
			live = s.write(t, live, patched(t, vm, live, name), "argocd-server")
		}
		return live
	}
	for _, w := range ways {
		for _, c := range []struct {
			name    string
			git     any // spec.suspend
			actions []string
			differs bool
		}{
			{"Git says nothing, probe", nil, []string{"probe"}, false},
			{"Git says nothing, retry", nil, []string{"retry-rollout"}, false},
			{"Git says nothing, suspend", nil, []string{"suspend"}, false},
			{"Git says nothing, suspend and resume", nil, []string{"suspend", "resume"}, false},
			{"Git says false, suspend", false, []string{"suspend"}, true},
			{"Git says false, suspend and resume", false, []string{"suspend", "resume"}, false},
			{"Git says true, resume", true, []string{"resume"}, true},
		} {
			t.Run(w.name+"/"+c.name, func(t *testing.T) {
				git := sample(t, root+"/config/samples/openimstack_v1alpha1_minimal.yaml")
				if c.git != nil {
					git = set(t, git, c.git, "spec", "suspend")
				}
				live := act(t, run(t, s, w.sync(t, s, nil, git)), c.actions...)
				NewWithT(t).Expect(w.differs(t, s, git, live)).To(Equal(c.differs))
			})
		}
	}
}
