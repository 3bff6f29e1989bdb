package main

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/netpol/audit"
)

// Explain says of every cell of an audit what the audit says, over all fixtures.
func TestExplainAgreesWithTheAuditInEveryCell(t *testing.T) {
	folders := map[string]string{"sealed": copies(t, "deploy"), "opened": copies(t, "deploy", "branch")}
	for _, name := range []string{"a Deployment with labels of ours", "an Ingress", "DNS has other labels"} { // what may change a cell
		folders[name] = cases[name].folder(t)
	}
	denied := copies(t, "deploy")
	write(t, denied+"/deny.yaml", one("networking.k8s.io/v1", "NetworkPolicy", "im", `{podSelector: {}, policyTypes: [Ingress, Egress]}`))
	folders["a denial of all"] = denied
	for name, folder := range folders {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s, err := (&program{errors: &strings.Builder{}}).gather(t.Context(), &options{fromFiles: folder}, nil)
			g.Expect(err).NotTo(HaveOccurred())
			r := s.audit(s.views[0])
			g.Expect(len(r.Cells)).To(BeNumerically(">", 500))
			for _, cell := range r.Cells {
				line := fmt.Sprintf("%s %s %d/%s", cell.From, cell.To, cell.Port.Number, cell.Port.Protocol)
				e, err := s.views[0].explain(cell.From, cell.To, fmt.Sprintf("%d/%s", cell.Port.Number, cell.Port.Protocol))
				g.Expect(err).NotTo(HaveOccurred(), line)
				e.agree(r, cell.From, cell.To)
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

func TestFlagsMayStandBeforeTheCommand(t *testing.T) {
	g := NewWithT(t)
	code, out, errs := invoke(t, "--from-files", "testdata/deploy", "-n", "im", "audit", "-o", "json")
	g.Expect(code).To(Equal(exitSealed), errs)
	g.Expect(reports(t, out)[0].Verdict).To(Equal(audit.Sealed))
	code, out, errs = invoke(t, "--from-files=testdata/deploy", "explain", "intruder", "api", "http")
	g.Expect(code).To(Equal(exitSealed), errs)
	g.Expect(out).To(ContainSubstring("SHUT"))
	code, _, errs = invoke(t, "--nonsense", "audit")
	g.Expect(code).To(Equal(exitUnknown))
	g.Expect(errs).To(ContainSubstring("unknown flag: --nonsense"))
	code, _, errs = invoke(t, "-n", "im")
	g.Expect(code).To(Equal(exitUnknown))
	g.Expect(errs).To(ContainSubstring("is no command"))
}
