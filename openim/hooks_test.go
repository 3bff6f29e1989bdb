package openim_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

func moderated() *v1alpha1.Webhooks {
	return &v1alpha1.Webhooks{
		ServiceRef: &v1alpha1.ServiceReference{Name: "moderation", Namespace: "apps", Port: 8080, Path: "/openim"},
		Via:        v1alpha1.WebhooksViaOpenIM,
		Hooks: []v1alpha1.Hook{
			{Name: "beforeSendSingleMsg", TimeoutSeconds: ptr.To[int32](2), ContentTypes: []v1alpha1.ContentTypes{"101-120", "200"}},
			{Name: "afterSendGroupMsg", ExceptContentTypes: []v1alpha1.ContentTypes{"113"}, UserIDs: []string{"alice", "null"}},
			{Name: "afterUserOnline"},
		},
	}
}

// webhooks.yml of each process with a hook is a golden file, the same at all releases. UPDATE_GOLDEN=1 writes the files.
func TestWebhooksAreWhatWasReviewed(t *testing.T) {
	for _, p := range openim.Processes() {
		if !p.Reads(openim.WebhooksFile) {
			continue
		}
		g := NewWithT(t)
		for _, r := range openim.Releases() {
			s := settings(t, r.Tag)
			s.Webhooks, s.Namespace = moderated(), "im"
			files, err := openim.Render(p, s)
			g.Expect(err).NotTo(HaveOccurred())
			text := files[string(openim.WebhooksFile)]
			if p.Name != openim.RPCMsg && p.Name != openim.MsgGateway {
				g.Expect(text).To(HaveSuffix("off.\nurl: \"\"\n"), "%s calls none of the hooks", p.Name)
				continue
			}
			file := filepath.Join("testdata", "webhooks", string(p.Name)+".yml")
			if os.Getenv("UPDATE_GOLDEN") != "" {
				g.Expect(os.MkdirAll(filepath.Dir(file), 0o755)).To(Succeed())
				g.Expect(os.WriteFile(file, []byte(text), 0o644)).To(Succeed())
			}
			want, err := os.ReadFile(file)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(text).To(Equal(string(want)), r.Tag)
		}
	}
}

func TestTheURLOfWebhooks(t *testing.T) {
	for want, spec := range map[string]v1alpha1.Webhooks{
		"http://moderation.im.svc:80": {ServiceRef: &v1alpha1.ServiceReference{Name: "moderation", Port: 80}},
		"https://moderation.apps.svc:8443/a/b": {ServiceRef: &v1alpha1.ServiceReference{
			Name: "moderation", Namespace: "apps", Port: 8443, Path: "/a/b", Scheme: "https",
		}},
		"https://hooks.example.com/openim": {URL: "https://hooks.example.com/openim"},
	} {
		NewWithT(t).Expect(openim.WebhookURL(spec, "im")).To(Equal(want))
	}
}

// The table of hooks, the enumeration of the CRD and the files that processes read agree.
func TestEveryHookHasItsCaller(t *testing.T) {
	g := NewWithT(t)
	var names []string
	for _, process := range openim.HookCallers() {
		p, ok := openim.Lookup(process)
		g.Expect(ok).To(BeTrue())
		g.Expect(p.Reads(openim.WebhooksFile)).To(BeTrue(), string(process))
		for _, name := range openim.HookNames(process) {
			names = append(names, string(name))
		}
	}
	g.Expect(names).To(HaveLen(46))
	slices.Sort(names)
	g.Expect(slices.Compact(slices.Clone(names))).To(HaveLen(46), "each hook has one caller")
	g.Expect(openim.HookNames(openim.MsgTransfer)).To(BeEmpty())

	text, err := os.ReadFile("../config/crd/bases/openimstack.dev_openimstacks.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	var crd struct {
		Spec struct {
			Versions []struct {
				Schema struct {
					OpenAPIV3Schema map[string]any `json:"openAPIV3Schema"`
				} `json:"schema"`
			} `json:"versions"`
		} `json:"spec"`
	}
	g.Expect(yaml.Unmarshal(text, &crd)).To(Succeed())
	at := any(crd.Spec.Versions[0].Schema.OpenAPIV3Schema)
	for _, step := range strings.Fields("properties spec properties webhooks properties hooks items properties name enum") {
		members, _ := at.(map[string]any)
		at = members[step]
	}
	var enum []string
	list, _ := at.([]any)
	for _, name := range list {
		enum = append(enum, name.(string))
	}
	slices.Sort(enum)
	g.Expect(enum).To(Equal(names))
}
