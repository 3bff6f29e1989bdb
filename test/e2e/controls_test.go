//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/hack/environment/setup"
	"github.com/openimstack/openim-operator/hack/environment/truthtable"
	"github.com/openimstack/openim-operator/netpol/graph"
)

const (
	// programming bounds how long the network may take to apply changed policies.
	programming = 30 * time.Second
	// dial bounds one connection attempt.
	dial = 500 * time.Millisecond
)

// negativeControls shows that the truth table reports open cells, by removing the policies while the operator is scaled to zero.
func negativeControls() {
	var whole []networkingv1.NetworkPolicy

	It("without operator and policies, is open to the intruder at every port", func(ctx SpecContext) {
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
		Expect(report.Faults()).To(BeEmpty(), "every port is open to every source")
		judged := report.Compare(truth)
		for _, name := range []string{setup.Intruder, setup.Outsider, impostor} {
			Expect(judged.Faults()).To(ContainElement(HavePrefix(name+" -> rpc-auth:10200")), "the truth table reports it")
		}
		counts := judged.Count()
		Expect(counts.Faults).To(Equal(shut(truth, report)), "the truth table reports every open cell")
		AddReportEntry("without policies", fmt.Sprintf("%d of %d cells are reported as faults", counts.Faults, counts.Cells))
	}, SpecTimeout(5*time.Minute))

	It("is isolated again by the same policies", func(ctx SpecContext) {
		for _, p := range whole {
			Expect(environment.Cluster.Create(ctx, bare(&p))).To(Succeed())
		}
		Expect(observe(ctx, setup.TruthTable(stack)).Faults()).To(BeEmpty())
	}, SpecTimeout(5*time.Minute))

	It("is ready and isolated again when the operator is back", func(ctx SpecContext) {
		scaleOperator(ctx, 1)
		ready(ctx, stack)
		deliver(ctx, "whole")
		Expect(observe(ctx, setup.TruthTable(stack)).Faults()).To(BeEmpty())
	}, SpecTimeout(5*time.Minute))
}

// shut counts the observations that a table expects to be shut.
func shut(table []graph.Cell, report truthtable.Report) int {
	n := 0
	for _, o := range report.Compare(table).Observations {
		if !o.Open && o.Skipped == "" {
			n++
		}
	}
	return n
}

// bare returns an object without the fields that the API server added.
func bare(p *networkingv1.NetworkPolicy) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name, Labels: p.Labels, Annotations: p.Annotations, OwnerReferences: p.OwnerReferences},
		Spec:       p.Spec,
	}
}

// replace overwrites a policy.
func replace(ctx SpecContext, p *networkingv1.NetworkPolicy) {
	GinkgoHelper()
	is := &networkingv1.NetworkPolicy{}
	Expect(environment.Cluster.Get(ctx, client.ObjectKeyFromObject(p), is)).To(Succeed())
	is.Spec = p.Spec
	Expect(environment.Cluster.Update(ctx, is)).To(Succeed())
}

// surroundings reads all pods that rules may select.
func surroundings(ctx SpecContext) truthtable.Pods {
	GinkgoHelper()
	w, err := truthtable.ReadPods(ctx, environment.Cluster)
	Expect(err).NotTo(HaveOccurred())
	for _, p := range w.Pods {
		if p.Namespace == setup.IntruderNamespace && p.Name == setup.Outsider {
			w.Intruder = p
		}
	}
	Expect(strings.TrimSpace(w.Intruder.Status.PodIP)).NotTo(BeEmpty())
	return w
}
