package snapshot_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// folder writes manifests to a temporary folder, by path.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const template = `
  template:
    metadata: {labels: {app: x}}
    spec:
      hostNetwork: true
      containers:
      - name: c
        image: i
        env: [{name: PASSWORD, value: hunter2}]
        ports: [{containerPort: 80}]
`

// A folder like that of a GitOps repository: Helm's output, a List of kustomize, JSON, nested folders.
func TestAFolderOfManifests(t *testing.T) {
	g := NewWithT(t)
	dir := folder(t, map[string]string{
		"chart.yaml": `---
# Source: chart/templates/deployment.yaml
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:` + template + `--- # a comment beside the line
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: x}, ports: [{port: 80}, {port: 53, protocol: UDP, targetPort: dns}]}
...
apiVersion: v1
kind: Secret
metadata: {name: s}
stringData: {password: hunter2}
---
# nothing but a comment
`,
		"deep/er/list.yml": `apiVersion: v1
kind: List
items:
- apiVersion: networking.k8s.io/v1
  kind: NetworkPolicy
  metadata: {name: p, namespace: shop, annotations: {kubectl.kubernetes.io/last-applied-configuration: hunter2}}
  spec:
    podSelector: {}
    ingress: [{ports: [{port: 80}]}]
    egress: [{}]
- apiVersion: v1
  kind: List
  items:
  - {apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: a}}}
`,
		"dump.json": `{"apiVersion":"v1","kind":"PodList","items":[{"metadata":{"name":"bare","namespace":"shop"},"spec":{"containers":[{"name":"c"}]},"status":{"podIP":"10.0.0.9"}}]}
{"apiVersion":"gateway.networking.k8s.io/v1beta1","kind":"HTTPRoute","metadata":{"name":"r"},"spec":{"rules":[{"backendRefs":[{"name":"web","port":80}]}]}}`,
		"workloads.yaml": strings.Join([]string{
			"apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: web}\nspec:" + template,
			"apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: d}\nspec:" + template,
			"apiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {name: r}\nspec:" + template,
			"apiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {name: web-1, ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: web, " +
				"uid: u, controller: true}]}\nspec:" + template,
			"apiVersion: batch/v1\nkind: Job\nmetadata: {generateName: j-}\nspec:" + template,
			"apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: cj}\nspec:\n  schedule: '@daily'\n  jobTemplate:\n    spec:" + strings.ReplaceAll(
				template,
				"\n  ",
				"\n      ",
			),
			"apiVersion: v1\nkind: ReplicationController\nmetadata: {name: rc}\nspec:" + template,
			"apiVersion: openimstack.dev/v1alpha1\nkind: OpenIMStack\nmetadata: {name: chat, namespace: im}\nspec: {version: v3.8.3}\n",
			"apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: c}\n",
			"apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: c}\n",
			"apiVersion: v1\nkind: Endpoints\nmetadata: {name: db}\nsubsets: [{addresses: [{ip: 192.0.2.7}], ports: [{name: sql, port: 5432}]}]\n",
		}, "---\n"),
		"values.yaml": "replicas: 3\n",
		"config.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: " +
			"{name: d}\n",
		"README.md":               "{{ no manifest",
		".git/config.yaml":        "{{ not looked at",
		"deep/.hidden.yaml":       "{{ nor this",
		"deep/er/kustomize.JSON5": "{{ nor this",
	})

	w, warnings, err := snapshot.FromFiles(dir, "apps")

	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(w.Origin).To(Equal(snapshot.Origin{Kind: snapshot.Files, Name: dir}))
	g.Expect(podNames(w)).
		To(Equal([]string{"apps/cj", "apps/d", "apps/j", "apps/r", "apps/rc", "apps/web", "apps/web-statefulset", "shop/bare"}))
	web := w.Pods[5]
	g.Expect(web.Labels).To(Equal(map[string]string{"app": "x"}))
	g.Expect(web.OwnerReferences[0].Kind).To(Equal("Deployment"))
	g.Expect(web.Spec.Containers[0].Ports).
		To(Equal([]corev1.ContainerPort{{ContainerPort: 80, HostPort: 80, Protocol: corev1.ProtocolTCP}}), "as the API server completes it")
	g.Expect(w.Pods[7].Status.PodIP).To(Equal("10.0.0.9"))
	g.Expect(w.Services).To(HaveLen(1))
	g.Expect(w.Services[0].Spec.Type).To(Equal(corev1.ServiceTypeClusterIP))
	g.Expect(w.Services[0].Spec.Ports[0].TargetPort).To(Equal(intstr.FromInt32(80)))
	g.Expect(w.Services[0].Spec.Ports[1].TargetPort).To(Equal(intstr.FromString("dns")))
	g.Expect(w.Policies).To(HaveLen(1))
	g.Expect(w.Policies[0].Spec.PolicyTypes).To(Equal([]networkingv1.PolicyType{"Ingress", "Egress"}))
	g.Expect(*w.Policies[0].Spec.Ingress[0].Ports[0].Protocol).To(Equal(corev1.ProtocolTCP))
	g.Expect(w.Routes).To(ConsistOf(snapshot.Route{
		APIVersion: "gateway.networking.k8s.io/v1beta1", Kind: "HTTPRoute", NamespacedName: types.NamespacedName{Namespace: "apps", Name: "r"},
		Backends: []snapshot.Backend{{Service: types.NamespacedName{Namespace: "apps", Name: "web"}, Port: 80}},
	}))
	g.Expect(w.OtherPolicies).To(HaveLen(2))
	g.Expect(w.OtherPolicies[0].Namespace).To(BeEmpty(), "a ClusterNetworkPolicy has none")
	g.Expect(w.EndpointSlices).To(HaveLen(1))
	g.Expect(w.EndpointSlices[0].Labels).To(HaveKeyWithValue("kubernetes.io/service-name", "db"))
	g.Expect(w.Stacks).To(HaveLen(1))
	g.Expect(w.Namespaces).To(HaveLen(3))
	g.Expect(w.Namespaces[2].Labels).To(Equal(map[string]string{"team": "a", corev1.LabelMetadataName: "shop"}))
	g.Expect(fmt.Sprintf("%+v%v", w, warnings)).NotTo(ContainSubstring("hunter2"), "a snapshot contains no secrets")
	g.Expect(warnings).To(Equal([]string{
		"skipped kinds, which are unknown or do not affect connections: ConfigMap 2, documents without apiVersion and kind 1",
	}))
}

func podNames(w *snapshot.Snapshot) []string {
	var names []string
	for _, p := range w.Pods {
		names = append(names, p.Namespace+"/"+p.Name)
	}
	return names
}

func TestASingleFileIsEnough(t *testing.T) {
	g := NewWithT(t)
	dir := folder(t, map[string]string{
		"one.yaml":   "apiVersion: v1\nkind: Pod\nmetadata: {name: one}\nspec: {containers: [{name: c}]}\n",
		"other.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: other}\nspec: {containers: [{name: c}]}\n",
	})
	w, _, err := snapshot.FromFiles(filepath.Join(dir, "one.yaml"), "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(podNames(w)).To(Equal([]string{"default/one"}))
}

func TestLinksAreNotFollowedOutOfTheFolder(t *testing.T) {
	g := NewWithT(t)
	outside := folder(t, map[string]string{"secret.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: outside}\n"})
	dir := folder(t, map[string]string{"base/pod.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: inside}\n"})
	for link, target := range map[string]string{
		"out.yaml": filepath.Join(outside, "secret.yaml"), "out": outside, "nowhere.yaml": "gone.yaml", "in.yaml": "base/pod.yaml", "in": "base",
		"loop": ".",
	} {
		g.Expect(os.Symlink(target, filepath.Join(dir, link))).To(Succeed())
	}
	w, warnings, err := snapshot.FromFiles(dir, "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(podNames(w)).To(Equal([]string{"default/inside"}), "and what is linked within, once")
	g.Expect(warnings).To(HaveLen(3))
	g.Expect(warnings).To(HaveEach(ContainSubstring("symbolic link")))
}

func TestErrorsNameTheFileAndTheLine(t *testing.T) {
	pod := "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"
	for name, c := range map[string]struct{ file, content, says string }{
		"bad YAML in the second document": {"a.yaml", pod + "---\na: b\n c: d\n", `a.yaml:6: invalid YAML`},
		"a template":                      {"a.yaml", "a: {{ .Values.b }}\nc: [\n", "render it first"},
		"bad JSON":                        {"a.json", "{\n\"a\": 1,\n}", "a.json:3: invalid JSON"},
		"half JSON":                       {"a.json", "{}\n{\"a\":", "a.json:2: invalid JSON"},
		"a wrong type": {"a.yaml", "#\n---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: " +
			"a}\nspec: {podSelector: [no]}\n", "a.yaml:3: invalid NetworkPolicy of networking.k8s.io/v1"},
		"no name":                    {"a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {}\n", "a.yaml:1: Pod has no valid name"},
		"no metadata":                {"a.yaml", "apiVersion: v1\nkind: Pod\n", "a.yaml:1: Pod has no metadata"},
		"a namespace that is none":   {"a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: ../b}\n", "no valid namespace"},
		"an apiVersion that is none": {"a.yaml", "apiVersion: a/b/c\nkind: Pod\nmetadata: {name: a}\n", `apiVersion "a/b/c"`},
		"a bare list":                {"a.yaml", "- a\n", "a.yaml:1: a list without apiVersion and kind"},
		"a word":                     {"a.yaml", pod + "---\nword\n", "a.yaml:5: a string, not an object"},
		"a binary":                   {"a.yaml", "a: b\n\x00", "a.yaml:2: contains a zero byte"},
		"two that differ": {"a.yaml", pod + "---\n" + "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {b: c}}\n",
			"a.yaml:5: Pod default/a differs from the object of the same name in a.yaml:1"},
		"Lists without end": {"a.json", strings.Repeat(`{"apiVersion":"v1","kind":"List","items":[`, 6) + strings.Repeat("]}", 6),
			"nested more than"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			_, _, err := snapshot.FromFiles(folder(t, map[string]string{c.file: c.content}), "")
			g.Expect(err).To(MatchError(ContainSubstring(c.says)))
		})
	}
}

func TestAFolderThatIsNotThere(t *testing.T) {
	_, _, err := snapshot.FromFiles(filepath.Join(t.TempDir(), "gone"), "")
	NewWithT(t).Expect(err).To(MatchError(os.ErrNotExist))
}

func TestDuplicatesCountOnce(t *testing.T) {
	g := NewWithT(t)
	pod := "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"
	w, _, err := snapshot.FromFiles(folder(t, map[string]string{"a.yaml": pod, "b.yaml": pod + "---\n" + pod}), "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(w.Pods).To(HaveLen(1))
}

// A field that the API server drops may be a misspelt rule. An object of a version that the API server does not serve is skipped.
func TestFieldsThatTheAPIServerDropsAreReported(t *testing.T) {
	g := NewWithT(t)
	w, warnings, err := snapshot.FromFiles(folder(t, map[string]string{"a.yaml": `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p}
spec: {podSelector: {}, ingres: []}
---
apiVersion: extensions/v1beta1
kind: Ingress
metadata: {name: old}
---
apiVersion: networking.k8s.io/v1beta1
kind: Ingress
metadata: {name: old}
`}), "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(w.Policies).To(HaveLen(1))
	g.Expect(w.Ingresses).To(BeEmpty())
	g.Expect(warnings).To(HaveLen(3))
	g.Expect(warnings[0]).To(And(ContainSubstring("a.yaml:1"), ContainSubstring("spec.ingres")))
	g.Expect(warnings[1]).To(And(ContainSubstring("a.yaml:10"), ContainSubstring("write networking.k8s.io/v1")))
	g.Expect(warnings[2]).To(ContainSubstring("Ingress 1"))
}

func TestBoundsOfAFolder(t *testing.T) {
	t.Run("a file", func(t *testing.T) {
		g := NewWithT(t)
		dir := t.TempDir()
		file, err := os.Create(filepath.Join(dir, "a.yaml"))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(file.Truncate(16<<20 + 1)).To(Succeed())
		g.Expect(file.Close()).To(Succeed())
		_, _, err = snapshot.FromFiles(dir, "")
		g.Expect(err).To(MatchError(ContainSubstring("a.yaml exceeds 16 MiB")))
	})
	t.Run("a bomb of aliases", func(t *testing.T) {
		g := NewWithT(t)
		bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
		for c := 'b'; c <= 'k'; c++ {
			bomb += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", c-1), 9), ","))
		}
		_, _, err := snapshot.FromFiles(folder(t, map[string]string{"a.yaml": bomb}), "")
		g.Expect(err).To(MatchError(ContainSubstring("excessive aliasing")))
	})
	t.Run("many warnings", func(t *testing.T) {
		g := NewWithT(t)
		var many strings.Builder
		for i := range 80 {
			fmt.Fprintf(&many, "---\napiVersion: v1\nkind: Pod\nmetadata: {name: p%d}\nsped: {}\n", i)
		}
		_, warnings, err := snapshot.FromFiles(folder(t, map[string]string{"a.yaml": many.String()}), "")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(warnings).To(HaveLen(51))
		g.Expect(warnings[50]).To(Equal("and 30 more warnings"))
	})
}
