package revision_test

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/manifests/manifeststest"
	"github.com/openimstack/openim-operator/controllers/revision"
)

// proposal returns the first revision of a golden case.
func proposal(t *testing.T, name string) (revision.Data, []byte) {
	t.Helper()
	g := NewWithT(t)
	stack, _, rendered := golden(t, name)
	var components []string
	for component := range rendered {
		components = append(components, component)
	}
	p, err := revision.Propose(revision.Request{Inputs: revision.Inputs{Spec: stack.Spec}, Components: components},
		func(revision.Inputs) (map[string]revision.Rendering, error) { return rendered, nil })
	g.Expect(err).NotTo(HaveOccurred())
	text, err := revision.Encode(p.Data)
	g.Expect(err).NotTo(HaveOccurred())
	return p.Data, text
}

func TestEveryGoldenCaseIsReadAsItWasWritten(t *testing.T) {
	for _, name := range manifeststest.Cases(t, manifeststest.Dir()) {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			d, text := proposal(t, name)
			read, err := revision.Decode(text)
			g.Expect(err).NotTo(HaveOccurred())
			again, err := revision.Encode(read)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(string(again)).To(Equal(string(text)))
			g.Expect(read.Equal(d)).To(BeTrue())
			for component, c := range read.Components {
				hash, err := revision.TemplateHash(c.Template)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(hash).To(Equal(c.Hash), component)
			}
			_, objects, _ := golden(t, name)
			for _, o := range objects {
				if c, ok := o.(*corev1.ConfigMap); ok && c.Immutable != nil {
					g.Expect(read.ConfigMap(c.Name)).To(Equal(c.Data), "a ConfigMap that was deleted can be made again")
				}
			}
			g.Expect(len(text)).To(BeNumerically("<", 300_000))
			t.Logf("%d bytes", len(text))
		})
	}
}

// Whoever may create ControllerRevisions cannot put other files or templates in the place of those that a stack is about to want.
func TestTemplatesAndFilesMatchTheirHashes(t *testing.T) {
	d, _ := proposal(t, "everything")
	NewWithT(t).Expect(d.CheckHashes()).To(Succeed())
	for name, forge := range map[string]func(*revision.Data){
		"component gateway": func(d *revision.Data) {
			c := d.Components["gateway"]
			c.Template.Spec.Containers = slices.Clone(c.Template.Spec.Containers)
			c.Template.Spec.Containers[0].Image = "example.com/other"
			d.Components["gateway"] = c
		},
		"ConfigMap": func(d *revision.Data) {
			for key := range d.Files {
				d.Files[key] += "\n"
				return
			}
		},
	} {
		forged, _ := proposal(t, "everything")
		forge(&forged)
		NewWithT(t).Expect(forged.CheckHashes()).To(MatchError(ContainSubstring(name)))
	}
}

func TestARevisionHoldsNoSecretValue(t *testing.T) {
	for _, name := range manifeststest.Cases(t, manifeststest.Dir()) {
		g := NewWithT(t)
		_, text := proposal(t, name)
		_, cluster := manifeststest.Read(t, filepath.Join(manifeststest.Dir(), name))
		for _, object := range cluster {
			secret, ok := object.(*corev1.Secret)
			if !ok {
				continue
			}
			for key, value := range secret.Data {
				if len(value) >= 8 && !strings.Contains(key, "username") && !strings.Contains(key, "jwks") && key != "host" {
					g.Expect(string(text)).NotTo(ContainSubstring(strings.TrimSpace(string(value))), "%s of Secret %s", key, secret.Name)
				}
			}
		}
	}
}

// Facts are recorded and rendered again: what they lose on the way would restart every pod.
func TestFactsSurviveTheirEncoding(t *testing.T) {
	for _, name := range manifeststest.Cases(t, manifeststest.Dir()) {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			stack, cluster := manifeststest.Read(t, filepath.Join(manifeststest.Dir(), name))
			facts := manifeststest.Facts(t, stack, cluster)
			in := revision.Inputs{Spec: stack.Spec, Facts: facts.ForTemplates()}
			text, err := json.Marshal(in)
			g.Expect(err).NotTo(HaveOccurred())
			var read revision.Inputs
			g.Expect(json.Unmarshal(text, &read)).To(Succeed())
			recorded := stack.DeepCopy()
			recorded.Spec = read.Spec
			before, err := manifests.Build(stack, facts, manifests.Options{WrapperImage: "w"})
			g.Expect(err).NotTo(HaveOccurred())
			after, err := manifests.Build(recorded, read.Facts, manifests.Options{WrapperImage: "w"})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(renderings(after)).To(Equal(renderings(before)))
			g.Expect(renderings(after)).NotTo(BeEmpty())
		})
	}
}

func TestBrokenDataIsRefused(t *testing.T) {
	_, text := proposal(t, "minimal")
	for name, change := range map[string]func(map[string]any){
		"is not supported": func(d map[string]any) { d["schemaVersion"] = 0 },
		"does not know":    func(d map[string]any) { d["extra"] = 1 },
		"hexadecimal":      func(d map[string]any) { component(d, "api")["hash"] = "../x" },
		"has inputs 1 of 0": func(d map[string]any) {
			component(d, "api")["inputs"] = 1
		},
		"which is absent": func(d map[string]any) { d["configMaps"] = map[string]any{} },
		"is absent":       func(d map[string]any) { d["files"] = map[string]any{} },
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			var d map[string]any
			g.Expect(json.Unmarshal(text, &d)).To(Succeed())
			change(d)
			broken, err := json.Marshal(d)
			g.Expect(err).NotTo(HaveOccurred())
			_, err = revision.Decode(broken)
			g.Expect(err).To(MatchError(ContainSubstring(name)))
		})
	}
	g := NewWithT(t)
	_, err := revision.Decode(append(text, " {}"...))
	g.Expect(err).To(HaveOccurred())
	_, err = revision.Decode(append([]byte(`{"schemaVersion":1,"files":{"a":"`), append(make([]byte, 1<<20), `"}}`...)...))
	g.Expect(err).To(MatchError(ContainSubstring("are more than")))
	_, err = revision.Decode(text)
	g.Expect(err).NotTo(HaveOccurred())
}

func component(d map[string]any, name string) map[string]any {
	return d["components"].(map[string]any)[name].(map[string]any)
}

// A status whose text changes is written again, and starts the next reconciliation.
func TestTheSameBrokenDataIsAlwaysRefusedWithTheSameText(t *testing.T) {
	g := NewWithT(t)
	d, _ := proposal(t, "minimal")
	for name, c := range d.Components {
		c.Hash = ""
		d.Components[name] = c
	}
	bad, err := revision.Encode(d)
	g.Expect(err).NotTo(HaveOccurred())
	for range 50 {
		_, err = revision.Decode(bad)
		g.Expect(err).To(MatchError(ContainSubstring(`component "api" has the hash`)), "the first by name")
	}
}

func TestANewerSchemaIsTold(t *testing.T) {
	_, err := revision.Decode([]byte(`{"schemaVersion":2,"whatever":true}`))
	g := NewWithT(t)
	newer, ok := errors.AsType[*revision.NewerSchemaError](err)
	g.Expect(ok).To(BeTrue())
	g.Expect(newer.Version).To(Equal(2))
	g.Expect(err).To(MatchError(ContainSubstring("upgrade the operator")))
}

func TestDataThatIsTooLargeIsNotWritten(t *testing.T) {
	d, _ := proposal(t, "minimal")
	d.Files["0"] = strings.Repeat("x", 1<<20)
	_, err := revision.Encode(d)
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring("are more than")))
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":1,"components":{"api":{"hash":"0123456789","template":{},"configMaps":["x"]}}}`))
	f.Add([]byte(`{"schemaVersion":1,"inputs":{"facts":{"Settings":{"Release":"v3.8.3"}}},"earlier":[{}],"configMaps":{"x":{"f":"h"}},"files":{"h":"t"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := revision.Decode(text)
		if err != nil {
			return
		}
		again, err := revision.Encode(d)
		if err != nil {
			return
		}
		if _, err := revision.Decode(again); err != nil {
			t.Fatalf("what was accepted and written is refused: %v", err)
		}
		if _, err := d.Hash(); err != nil {
			t.Fatal(err)
		}
	})
}
