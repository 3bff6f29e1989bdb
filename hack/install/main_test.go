package main

import (
	"bytes"
	"testing"

	. "github.com/onsi/gomega"
)

func TestInstallNamesTheImagesAskedFor(t *testing.T) {
	g := NewWithT(t)
	var out bytes.Buffer
	g.Expect(run(t.Context(), []string{
		"--operator-image=openimstack/openim-operator:dev-0123456789ab",
		"--wrapper-image=registry.example.com/im/wrapper:v2",
	}, &out)).To(Succeed())
	g.Expect(out.String()).To(And(
		ContainSubstring("image: openimstack/openim-operator:dev-0123456789ab\n"),
		MatchRegexp(`name: RELATED_IMAGE_WRAPPER\n +value: registry.example.com/im/wrapper:v2\n`),
		ContainSubstring("kind: CustomResourceDefinition\n"),
		Not(ContainSubstring(":v0.1.0")),
	))
}

func TestInstallForOneNamespaceAsksForNoClusterWideRight(t *testing.T) {
	g := NewWithT(t)
	var out bytes.Buffer
	g.Expect(run(t.Context(), []string{"--config=config/namespaced"}, &out)).To(Succeed())
	g.Expect(out.String()).To(ContainSubstring("--watch-namespaces=im\n"))
	g.Expect(out.String()).NotTo(ContainSubstring("kind: ClusterRoleBinding\n"))
}

func TestInstallRefusesWhatItDoesNotUnderstand(t *testing.T) {
	for _, args := range [][]string{{"everything"}, {"--operator=x"}, {"--config=config/nowhere"}} {
		var out bytes.Buffer
		NewWithT(t).Expect(run(t.Context(), args, &out)).NotTo(Succeed(), "%v", args)
		NewWithT(t).Expect(out.String()).To(BeEmpty())
	}
}
