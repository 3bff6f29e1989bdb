//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	networkingv1 "k8s.io/api/networking/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/kube"
	"github.com/openimstack/openim-operator/hack/environment/setup"
	"github.com/openimstack/openim-operator/hack/environment/truthtable"
	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/probe"
)

// everyRule is the environment variable that has each rule dropped and widened. Without it, one rule of each policy is, in turns, dropped
// or widened, which saves most of an hour.
const everyRule = "E2E_EVERY_RULE"

// noticing bounds how long evaluator, packets and condition may each take to notice a change of a policy.
const noticing = time.Minute

// mutations drops and widens rules, one at a time, while the operator runs but may not write.
func mutations() {
	AfterAll(func(ctx SpecContext) { checkIsGone(ctx) }, NodeTimeout(2*time.Minute))

	It("is suspended, so that the operator observes and repairs nothing", func(ctx SpecContext) {
		suspend(ctx, true)
		checkStandsIn(ctx) // so that each rule has two ends
		Eventually(ctx, isolated).WithTimeout(noticing).Should(haveReason(v1alpha1.ReasonEnforced))
	}, SpecTimeout(3*time.Minute))

	It("notices each rule that is dropped or widened: in the audit, by packets and in the condition", func(ctx SpecContext) {
		table := setup.TruthTable(stack)
		Expect(observe(ctx, table).Faults()).To(BeEmpty(), "before, from every pod")
		w := surroundings(ctx)
		var tried, all, guarding int
		slowest := map[string]time.Duration{}
		began := time.Now()
		for i, p := range policies(ctx) {
			rules := truthtable.Rules([]networkingv1.NetworkPolicy{p})
			all += 2 * len(rules)
			guarding += min(1, len(rules)) // the default-deny policy has no rule
			// The two policies of a component follow each other: both directions are dropped, and both are widened.
			for n, rule := range rules {
				every := os.Getenv(everyRule) != ""
				if !every && n != i%len(rules) {
					continue
				}
				if every || i/2%2 == 0 {
					through, err := rule.Edge(w)
					Expect(err).NotTo(HaveOccurred())
					mutation{whole: &p, mutant: rule.Without(&p), edge: through, opens: false}.isNoticed(ctx, slowest)
					tried++
				}
				if every || i/2%2 != 0 {
					opened, err := rule.Opened(w, table)
					Expect(err).NotTo(HaveOccurred())
					mutation{whole: &p, mutant: rule.Widened(&p), edge: opened, opens: true}.isNoticed(ctx, slowest)
					tried++
				}
			}
			GinkgoWriter.Printf("%s: all noticed, %d so far, %s\n", p.Name, tried, time.Since(began).Round(time.Second))
		}
		Expect(guarding).To(BeNumerically(">", len(graph.Components())), "most components have a policy for each direction")
		Expect(tried).To(BeNumerically(">=", guarding), "at least one rule of each policy was dropped or widened")
		AddReportEntry(
			"rules dropped or widened, each noticed by all three",
			fmt.Sprintf(
				"%d of %d in %s; slowest: evaluator %s, packets %s, condition %s",
				tried,
				all,
				time.Since(began).
					Round(time.Second),
				slowest["evaluator"].Round(time.Millisecond),
				slowest["packets"].Round(time.Millisecond),
				slowest["condition"].Round(time.Millisecond),
			),
		)
	}, SpecTimeout(40*time.Minute))

	It("is repaired when it is resumed", func(ctx SpecContext) {
		Eventually(ctx, isolated).WithTimeout(noticing).Should(haveReason(v1alpha1.ReasonEnforced), "the last mutant is forgotten")
		checkIsGone(ctx)
		suspend(ctx, false)
		ready(ctx, stack)
		Expect(observe(ctx, setup.TruthTable(stack)).Faults()).To(BeEmpty())
	}, SpecTimeout(5*time.Minute))
}

// mutation is a policy with one changed rule, and a connection that the change opens or closes.
type mutation struct {
	whole, mutant *networkingv1.NetworkPolicy
	edge          truthtable.Edge
	opens         bool
}

func (m mutation) String() string {
	if m.opens {
		return m.edge.Rule.String() + " widened"
	}
	return m.edge.Rule.String() + " dropped"
}

// isNoticed applies the changed policy, waits until audit, packets and condition notice it, and restores the policy.
func (m mutation) isNoticed(ctx SpecContext, slowest map[string]time.Duration) {
	GinkgoHelper()
	Eventually(ctx, m.passes).WithTimeout(noticing).Should(Equal(!m.opens), "%s: before", m)
	Eventually(ctx, isolated).WithTimeout(noticing).ShouldNot(naming(m.whole.Name), "%s: before", m)
	replace(ctx, m.mutant)
	began := time.Now()
	note := func(who string) {
		took := time.Since(began)
		Expect(took).To(BeNumerically("<", noticing), "%s: %s", m, who)
		slowest[who] = max(slowest[who], took)
	}
	Expect(auditNames(ctx, m.whole.Name)).To(BeTrue(), "%s: the audit names the policy", m)
	note("evaluator")
	Eventually(ctx, m.passes).WithTimeout(noticing).Should(Equal(m.opens), "%s: packets", m)
	note("packets")
	want := And(naming(m.whole.Name), HaveField("Status", metav1.ConditionFalse))
	if m.opens && m.edge.Rule.Direction == networkingv1.PolicyTypeIngress {
		want = And(want, haveReason(v1alpha1.ReasonBreached))
	}
	Eventually(ctx, isolated).WithTimeout(noticing).Should(want, "%s: the condition", m)
	note("condition")
	replace(ctx, m.whole)
}

// passes reports whether the connection is open, by a real attempt.
func (m mutation) passes(ctx context.Context) (bool, error) {
	container := kube.Container{Namespace: m.edge.From.Namespace, Pod: m.edge.From.Name, Container: kube.Prober}
	return reaches(ctx, container, m.edge.Address())
}

// reaches reports whether an address is open from a container, by a real attempt.
func reaches(ctx context.Context, from kube.Container, address string) (bool, error) {
	results, err := environment.Cluster.Probe(ctx, from, dial, address)
	if err != nil {
		return false, err
	}
	return results[0].Result == probe.Open, nil
}

// auditNames reports whether an audit of the live objects has a finding on a policy of the stack.
func auditNames(ctx SpecContext, policy string) bool {
	GinkgoHelper()
	for _, f := range audited(ctx).Findings {
		if f.Object.Kind == "NetworkPolicy" && f.Object.Name == policy && f.Object.Namespace == stack.Namespace {
			return true
		}
	}
	return false
}

// audited audits the live objects of the suite's stack.
func audited(ctx SpecContext) audit.Report {
	GinkgoHelper()
	report, err := environment.Audit(ctx, client.ObjectKeyFromObject(stack), "e2e")
	Expect(err).NotTo(HaveOccurred())
	Expect(report.Unread).To(BeEmpty(), "references that do not resolve would be listed here")
	return report
}

// suspend suspends the stack, or resumes it.
func suspend(ctx SpecContext, yes bool) {
	GinkgoHelper()
	live := &v1alpha1.OpenIMStack{}
	Expect(environment.Cluster.Get(ctx, client.ObjectKeyFromObject(stack), live)).To(Succeed())
	changed := live.DeepCopy()
	changed.Spec.Suspend = ptr.To(yes)
	Expect(environment.Cluster.Patch(ctx, changed, client.MergeFrom(live))).To(Succeed())
}

func haveReason(reason string) types.GomegaMatcher { return HaveField("Reason", reason) }

// naming matches a condition whose message names an object.
func naming(object string) types.GomegaMatcher {
	return HaveField("Message", MatchRegexp(`\b`+regexp.QuoteMeta(object)+`\b`))
}

// isolated returns the current condition NetworkIsolated.
func isolated(ctx context.Context) (metav1.Condition, error) {
	live := &v1alpha1.OpenIMStack{}
	if err := environment.Cluster.Get(ctx, client.ObjectKeyFromObject(stack), live); err != nil {
		return metav1.Condition{}, err
	}
	return ptr.Deref(apimeta.FindStatusCondition(live.Status.Conditions, v1alpha1.ConditionNetworkIsolated), metav1.Condition{}), nil
}
