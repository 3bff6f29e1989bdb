package component

import (
	"testing"

	. "github.com/onsi/gomega"
)

func TestASpecMustSayWhatIsBuiltAndWhichVersionCounts(t *testing.T) {
	good := Spec{Name: "kube-router", Dir: ".", Module: "example.com/m"}
	cases := map[string]struct {
		change func(*Spec)
		want   string
	}{
		"complete":                {func(*Spec) {}, ""},
		"upper case in the name":  {func(s *Spec) { s.Name = "Kube" }, "lower-case"},
		"a path as name":          {func(s *Spec) { s.Name = "a/b" }, "lower-case"},
		"no folder":               {func(s *Spec) { s.Dir = "" }, "folder of its go.mod"},
		"no version at all":       {func(s *Spec) { s.Module = "" }, "Version"},
		"version with a slash":    {func(s *Spec) { s.Version = "../../x" }, "folder name"},
		"rename out of its place": {func(s *Spec) { s.Rename = map[string]string{"server": "../etcd"} }, "plain file names"},
		"rename to nothing":       {func(s *Spec) { s.Rename = map[string]string{"server": ""} }, "plain file names"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			spec := good
			c.change(&spec)
			err := spec.validate()
			if c.want == "" {
				g.Expect(err).NotTo(HaveOccurred())
				return
			}
			g.Expect(err).To(MatchError(ContainSubstring(c.want)))
		})
	}
}

func TestBuildsAreStrippedAndStampedAndFreeOfTheCallersFlags(t *testing.T) {
	g := NewWithT(t)
	spec := Kubernetes("/repo")
	g.Expect(spec.ldflags("v1.36.3")).To(Equal("-s -w" +
		" -X k8s.io/component-base/version.gitVersion=v1.36.3" +
		" -X k8s.io/component-base/version.gitMajor=1" +
		" -X k8s.io/component-base/version.gitMinor=36"))
	g.Expect(Etcd("/repo").ldflags("v3.6.9")).To(Equal("-s -w"))

	spec.Env = []string{"GOARCH=arm64"}
	env := spec.environment([]string{"GOFLAGS=-race", "CGO_ENABLED=1", "HOME=/h"})
	g.Expect(env[:3]).To(Equal([]string{"GOFLAGS=-race", "CGO_ENABLED=1", "HOME=/h"}))
	g.Expect(env[3:]).To(Equal([]string{"CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOARCH=arm64"}), "the last one counts")
}

func TestEachComponentOfTheClusterIsPinnedInTheTree(t *testing.T) {
	root, err := Root()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	for _, spec := range []Spec{Kubernetes(root), Etcd(root), CoreDNS(root), KubeRouter(root), Pause(root)} {
		t.Run(spec.Name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(spec.validate()).To(Succeed())
			g.Expect(spec.Dir + "/go.mod").To(BeARegularFile())
			if spec.Module != "" {
				g.Expect(spec.Dir + "/go.sum").To(BeARegularFile())
			}
		})
	}
}
