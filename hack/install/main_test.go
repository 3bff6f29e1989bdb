package main

import (
	"bytes"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/hack/render"
)

// install runs the command. The result of these tests is good as long as what they render is the same.
func install(t *testing.T, args ...string) (string, error) {
	t.Helper()
	g := NewWithT(t)
	root, err := render.Root()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(render.Inputs(root)).NotTo(BeEmpty())
	var out bytes.Buffer
	err = run(t.Context(), args, &out)
	return out.String(), err
}

func TestInstallNamesTheImagesAskedFor(t *testing.T) {
	g := NewWithT(t)
	out, err := install(
		t,
		"--operator-image=openimstack/openim-operator:dev-0123456789ab",
		"--wrapper-image=registry.example.com/im/wrapper:v2",
		"--supervisor-image=registry.example.com/im/supervisor:v3",
	)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(And(
		ContainSubstring("image: openimstack/openim-operator:dev-0123456789ab\n"),
		MatchRegexp(`name: RELATED_IMAGE_WRAPPER\n +value: registry.example.com/im/wrapper:v2\n`),
		MatchRegexp(`name: RELATED_IMAGE_SUPERVISOR\n +value: registry.example.com/im/supervisor:v3\n`),
		ContainSubstring("kind: CustomResourceDefinition\n"),
		Not(ContainSubstring(":v0.1.0")),
	))
}

func TestInstallForOneNamespaceAsksForNoClusterWideRight(t *testing.T) {
	g := NewWithT(t)
	out, err := install(t, "--config=config/namespaced")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(ContainSubstring("--watch-namespaces=im\n"))
	g.Expect(out).NotTo(ContainSubstring("kind: ClusterRoleBinding\n"))
}

func TestInstallRefusesWhatItDoesNotUnderstand(t *testing.T) {
	for _, args := range [][]string{{"everything"}, {"--operator=x"}, {"--config=config/nowhere"}} {
		out, err := install(t, args...)
		NewWithT(t).Expect(err).To(HaveOccurred(), "%v", args)
		NewWithT(t).Expect(out).To(BeEmpty())
	}
}
