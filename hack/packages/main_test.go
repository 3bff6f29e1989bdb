package main

import (
	"bytes"
	"testing"

	. "github.com/onsi/gomega"
)

func TestPackagesAreChosenByName(t *testing.T) {
	g := NewWithT(t)
	wanted, err := choose([]string{"nginx-light", "redis-server"})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(wanted).To(HaveLen(2))
	g.Expect(wanted[0].Programs).To(ConsistOf("nginx"))

	_, err = choose([]string{"redis-server", "emacs"})
	g.Expect(err).To(MatchError(And(ContainSubstring(`unknown package "emacs"`), ContainSubstring("redis-server"))))
	_, err = choose(nil)
	g.Expect(err).To(MatchError(ContainSubstring("no package: use some of")))
}

func TestNothingIsInstalledWhenAllIsThere(t *testing.T) {
	g := NewWithT(t)
	var out bytes.Buffer
	g.Expect(run(t.Context(), []string{"util-linux"}, &out)).To(Succeed())
	g.Expect(out.String()).To(BeEmpty())
}
