//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	gomegatypes "github.com/onsi/gomega/types"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/lockdown"
	"github.com/openimstack/openim-operator/controllers/lockdown/probe"
	"github.com/openimstack/openim-operator/test/harness"
	"github.com/openimstack/openim-operator/test/harness/matrix"
	"github.com/openimstack/openim-operator/test/harness/setup"
)

const (
	// programming is how long the network may take to follow a change of policies.
	programming = 30 * time.Second
	// dial is the time for one connection.
	dial = 500 * time.Millisecond
)

// negativeControls show that the matrix can fail: without policies, and without any one rule. The operator is away meanwhile.
func negativeControls() {
	var whole []networkingv1.NetworkPolicy

	It("without its operator and its policies, lets the intruder through everywhere", func(ctx SpecContext) {
		scaleOperator(ctx, 0)
		whole = policies(ctx)
		for _, p := range whole {
			Expect(environment.Cluster.Delete(ctx, &p)).To(Succeed())
		}
		truth := setup.TruthTable(stack)
		open := slices.Clone(truth)
		for i := range open {
			open[i].Open = true
		}
		report := observe(ctx, open)
		Expect(report.Faults()).To(BeEmpty(), "every port is open to everybody")
		judged := report.Against(truth)
		for _, name := range []string{setup.Intruder, setup.Outsider, impostor} {
			Expect(judged.Faults()).To(ContainElement(HavePrefix(name+" -> rpc-auth:10200")), "the matrix says so")
		}
		counts := judged.Count()
		Expect(counts.Faults).To(Equal(shut(truth, report)), "the matrix misses none")
		AddReportEntry("without policies", fmt.Sprintf("%d of %d cells are reported as faults", counts.Faults, counts.Cells))
	}, SpecTimeout(5*time.Minute))

	It("is sealed again by the same policies", func(ctx SpecContext) {
		for _, p := range whole {
			Expect(environment.Cluster.Create(ctx, bare(&p))).To(Succeed())
		}
		Expect(observe(ctx, setup.TruthTable(stack)).Faults()).To(BeEmpty())
	}, SpecTimeout(5*time.Minute))

	It("is noticed when any one rule is missing", func(ctx SpecContext) {
		w := world(ctx)
		noticed := map[networkingv1.PolicyType]int{}
		began := time.Now()
		for _, p := range policies(ctx) {
			for _, rule := range matrix.Rules([]networkingv1.NetworkPolicy{p}) {
				missing(ctx, w, &p, rule)
				noticed[rule.Direction]++
			}
			replace(ctx, &p)
		}
		Expect(noticed[networkingv1.PolicyTypeIngress]).To(BeNumerically(">", 40))
		Expect(noticed[networkingv1.PolicyTypeEgress]).To(BeNumerically(">", 80))
		AddReportEntry("rules dropped one by one, each noticed", fmt.Sprintf("%d ingress, %d egress, %s each",
			noticed[networkingv1.PolicyTypeIngress], noticed[networkingv1.PolicyTypeEgress],
			(time.Since(began)/time.Duration(noticed[networkingv1.PolicyTypeIngress]+noticed[networkingv1.PolicyTypeEgress])).Round(10*time.Millisecond)))
	}, SpecTimeout(15*time.Minute))

	It("is whole again when the operator is back", func(ctx SpecContext) {
		scaleOperator(ctx, 1)
		ready(ctx, stack)
		deliver(ctx, "whole")
		Expect(observe(ctx, setup.TruthTable(stack)).Faults()).To(BeEmpty())
	}, SpecTimeout(5*time.Minute))
}

// shut counts the observations that a table wants shut.
func shut(table []lockdown.Cell, report matrix.Report) int {
	n := 0
	for _, o := range report.Against(table).Observations {
		if !o.Open && o.Skipped == "" {
			n++
		}
	}
	return n
}

// bare is an object as it was written, without what the API server added.
func bare(p *networkingv1.NetworkPolicy) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name, Labels: p.Labels, Annotations: p.Annotations, OwnerReferences: p.OwnerReferences},
		Spec:       p.Spec,
	}
}

// replace writes a policy over what is there.
func replace(ctx SpecContext, p *networkingv1.NetworkPolicy) {
	GinkgoHelper()
	is := &networkingv1.NetworkPolicy{}
	Expect(environment.Cluster.Get(ctx, client.ObjectKeyFromObject(p), is)).To(Succeed())
	is.Spec = p.Spec
	Expect(environment.Cluster.Update(ctx, is)).To(Succeed())
}

// missing drops a rule and waits until the connection that it lets through is shut, and the truth table's cell for it a fault. The rules
// dropped before are back by then: each policy is written whole but for one.
func missing(ctx SpecContext, w matrix.World, whole *networkingv1.NetworkPolicy, rule matrix.Rule) {
	GinkgoHelper()
	edge, err := rule.Edge(w)
	Expect(err).NotTo(HaveOccurred())
	place := harness.Place{Namespace: edge.From.Namespace, Pod: edge.From.Name, Container: harness.Prober}
	reach := func(want gomegatypes.GomegaMatcher) func(Gomega) {
		return func(g Gomega) {
			results, err := environment.Cluster.Probe(ctx, place, dial, edge.Address())
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(results[0].Result).To(want, edge.String())
		}
	}
	Eventually(ctx, reach(Equal(probe.Open))).WithTimeout(programming).Should(Succeed(), "with the rule")
	replace(ctx, rule.Without(whole))
	Eventually(ctx, reach(Not(Equal(probe.Open)))).WithTimeout(programming).Should(Succeed(), "without the rule")
	if edge.To.Labels[v1alpha1.LabelInstance] == stack.Name { // DNS and the stores are in no cell
		Expect(fault(edge)).To(ContainSubstring("expected open"))
	}
}

// fault is what the matrix says of an edge to a component that is shut.
func fault(edge matrix.Edge) string {
	from, to := edge.From.Labels[v1alpha1.LabelComponent], edge.To.Labels[v1alpha1.LabelComponent]
	if edge.From.Labels[v1alpha1.LabelInstance] != stack.Name {
		from = lockdown.Intruder
	}
	for _, cell := range setup.TruthTable(stack) {
		if cell.From == from && cell.To == to && cell.Port.Number == edge.Port {
			return matrix.Observation{
				Source: from, Target: matrix.Target{Component: to, Port: cell.Port, Address: edge.Address()}, Open: cell.Open,
				Listening: true, Attempts: 1, Seen: probe.Result{Result: probe.Refused},
			}.Fault()
		}
	}
	return "no cell of the truth table is about " + edge.String()
}

// world is all that rules may be about.
func world(ctx SpecContext) matrix.World {
	GinkgoHelper()
	var namespaces corev1.NamespaceList
	Expect(environment.Cluster.List(ctx, &namespaces)).To(Succeed())
	w := matrix.World{Namespaces: map[string]labels.Set{}}
	for _, n := range namespaces.Items {
		w.Namespaces[n.Name] = n.Labels
	}
	var all corev1.PodList
	Expect(environment.Cluster.List(ctx, &all)).To(Succeed())
	for _, p := range all.Items {
		if p.Namespace == setup.StrangerNamespace && p.Name == setup.Outsider {
			w.Stranger = p
		}
		w.Pods = append(w.Pods, p)
	}
	Expect(strings.TrimSpace(w.Stranger.Status.PodIP)).NotTo(BeEmpty())
	return w
}
