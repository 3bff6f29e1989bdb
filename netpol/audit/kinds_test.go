package audit_test

import (
	"os"
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/netpol/audit"
)

// Each kind has a breach in the catalogue, and each breach a severity that the table declares for its kind.
func TestEachKindIsInTheCatalogue(t *testing.T) {
	seen := map[string]bool{}
	for _, b := range allBreaches {
		i := slices.IndexFunc(audit.Kinds(), func(k audit.Kind) bool { return k.Name == b.kind })
		g := NewWithT(t)
		g.Expect(i).To(BeNumerically(">=", 0), "%s is not in the table of kinds", b.kind)
		g.Expect(audit.Kinds()[i].Severities).To(ContainElement(b.severity), b.name)
		seen[b.kind] = true
	}
	for _, k := range audit.Kinds() {
		if k.Name != audit.Unexplained {
			NewWithT(t).Expect(seen).To(HaveKey(k.Name), "no breach of the catalogue is of this kind")
		}
	}
}

func TestThePageIsCurrent(t *testing.T) {
	g := NewWithT(t)
	page, err := os.ReadFile("../../docs/lockdown.md")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(page)).To(ContainSubstring("\n"+audit.Docs()+"\n"), "run go generate ./netpol/audit")
}
