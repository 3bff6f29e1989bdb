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
	// programming is how long the network may take to follow a change of policies.
	programming = 30 * time.Second
	// dial is the time for one connection.
	dial = 500 * time.Millisecond
)

// negativeControls show that the matrix can fail: without policies. The operator is away meanwhile.
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
		judged := report.Compare(truth)
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

	It("is whole again when the operator is back", func(ctx SpecContext) {
		scaleOperator(ctx, 1)
		ready(ctx, stack)
		deliver(ctx, "whole")
		Expect(observe(ctx, setup.TruthTable(stack)).Faults()).To(BeEmpty())
	}, SpecTimeout(5*time.Minute))
}

// shut counts the observations that a table wants shut.
func shut(table []graph.Cell, report truthtable.Report) int {
	n := 0
	for _, o := range report.Compare(table).Observations {
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

// surroundings are all that rules may be about.
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
