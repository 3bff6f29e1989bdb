package truthtable

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/netpol/graph"
)

// namespaces of a snapshot, as objects.
func (w Pods) namespaces() []corev1.Namespace {
	var all []corev1.Namespace
	for name, labels := range w.Namespaces {
		all = append(all, corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}})
	}
	return all
}

// Every rule can be dropped, and shuts something; every rule can be widened, and opens something. The evaluator notices both.
func TestTheEvaluatorNoticesEveryRuleThatIsDroppedOrWidened(t *testing.T) {
	policies, w := sealed()
	table := stackGraph().TruthTable()
	open := func(g *WithT, policies []networkingv1.NetworkPolicy, e Edge) bool {
		j, err := newPolicyCheck(w.namespaces(), policies, append(w.Pods, w.Intruder))
		g.Expect(err).NotTo(HaveOccurred())
		is, err := j.open(e.From.Namespace+"/"+e.From.Name, e.To.Namespace+"/"+e.To.Name, e.Port, corev1.ProtocolTCP)
		g.Expect(err).NotTo(HaveOccurred())
		return is
	}
	with := func(changed *networkingv1.NetworkPolicy) []networkingv1.NetworkPolicy {
		var all []networkingv1.NetworkPolicy
		for _, p := range policies {
			if p.Name == changed.Name {
				p = *changed
			}
			all = append(all, p)
		}
		return all
	}
	for _, p := range policies {
		for _, rule := range Rules([]networkingv1.NetworkPolicy{p}) {
			g := NewWithT(t)
			through, err := rule.Edge(w)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(open(g, policies, through)).To(BeTrue(), "%s", through)
			g.Expect(open(g, with(rule.Without(&p)), through)).To(BeFalse(), "%s without the rule", through)

			opened, err := rule.Opened(w, table)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(open(g, policies, opened)).To(BeFalse(), "%s", opened)
			g.Expect(open(g, with(rule.Widened(&p)), opened)).To(BeTrue(), "%s with the rule widened", opened)
		}
	}
}

func TestARuleWithoutPodsOpensNothingThatCouldBeTried(t *testing.T) {
	policies, w := sealed()
	w.Pods = nil
	for _, rule := range Rules(policies) {
		_, err := rule.Opened(w, []graph.Cell{})
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring("selects no pod with a closed port")))
	}
}
