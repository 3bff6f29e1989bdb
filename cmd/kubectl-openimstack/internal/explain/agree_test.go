package explain

import (
	"fmt"
	"io"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/load"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/plugintest"
)

// The answer of explain is that of the audit for every cell, over all fixtures.
func TestExplainAgreesWithTheAuditInEveryCell(t *testing.T) {
	folders := map[string]string{"sealed": plugintest.Copies(t, "deploy"), "opened": plugintest.Copies(t, "deploy", "branch")}
	for _, name := range []string{"deployment-reserved-labels", "ingress", "dns-other-labels"} { // cases that may change a cell
		folders[name] = plugintest.Copies(t, "deploy")
		plugintest.Write(t, folders[name]+"/case.yaml", plugintest.Case(name+".yaml"))
	}
	denied := plugintest.Copies(t, "deploy")
	plugintest.Write(t, denied+"/deny.yaml", plugintest.Manifest(
		"networking.k8s.io/v1", "NetworkPolicy", "im", `{podSelector: {}, policyTypes: [Ingress, Egress]}`))
	folders["a denial of all"] = denied
	for name, folder := range folders {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			flags := &load.Flags{Connection: load.ConnectionFlags(), FromFiles: folder}
			s, err := load.Read(t.Context(), flags, nil, io.Discard)
			g.Expect(err).NotTo(HaveOccurred())
			x := &explainer{stack: s.Stacks[0]}
			r := s.Audit(s.Stacks[0])
			g.Expect(len(r.Cells)).To(BeNumerically(">", 500))
			for _, cell := range r.Cells {
				line := fmt.Sprintf("%s %s %d/%s", cell.From, cell.To, cell.Port.Number, cell.Port.Protocol)
				e, err := x.explain(cell.From, cell.To, fmt.Sprintf("%d/%s", cell.Port.Number, cell.Port.Protocol))
				g.Expect(err).NotTo(HaveOccurred(), line)
				e.adopt(r, cell.From, cell.To)
				g.Expect(e.open).To(Equal(cell.Evaluated), line)
				g.Expect(e.meant).To(Equal(cell.Expected), line)
				if !cell.Evaluated && !cell.Expected {
					g.Expect(e.leak()).To(BeFalse(), line)
				}
				if cell.Evaluated && !cell.Expected {
					g.Expect(e.leak()).To(BeTrue(), line)
				}
				for _, d := range cell.Decided {
					if d.Rule != nil && d.Allowed && e.open {
						g.Expect(e.text()).To(ContainSubstring(fmt.Sprintf("rule %d", *d.Rule)), line)
					}
				}
			}
		})
	}
}
