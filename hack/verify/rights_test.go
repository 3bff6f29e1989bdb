package main

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

func TestRightsWantsMarkersToStandAlone(t *testing.T) {
	const marker = "// +kubebuilder:rbac:groups=apps,resources=deployments,verbs=get"
	for source, glued := range map[string]bool{
		marker + "\n\n// Reconciler works.\ntype Reconciler struct{}\n":        false,
		"package a\n\n" + marker + "\n" + marker + "\n\nfunc A() {}\n":         false,
		"// Reconciler works.\n//\n" + marker + "\ntype Reconciler struct{}\n": true,
		marker + "\n// Reconcile works.\nfunc Reconcile() {}\n":                true,
	} {
		g := NewWithT(t)
		var figures strings.Builder
		found, err := rights(t.Context(), newTree(t, map[string]string{"controllers/a.go": source}), &figures)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(figures.String()).To(MatchRegexp(`^[12] markers$`))
		if glued {
			g.Expect(found).To(ConsistOf(ContainSubstring("controller-gen overlooks it")), source)
			continue
		}
		g.Expect(found).To(BeEmpty(), source)
	}
}
