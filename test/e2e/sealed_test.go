//go:build e2e

package e2e

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/setup"
	"github.com/openimstack/openim-operator/hack/environment/truthtable"
	"github.com/openimstack/openim-operator/netpol/graph"
)

// impostor is a pod in another namespace that carries the gateway's labels.
const impostor = "impostor"

func sealed() {
	It("is isolated: every cell of the truth table, by real connections", func(ctx SpecContext) {
		report := observe(ctx, setup.TruthTable(stack))
		GinkgoWriter.Print(report.Table(columns()))
		Expect(report.Faults()).To(BeEmpty())
		AddReportEntry("matrix", report.Count().String())
	}, SpecTimeout(5*time.Minute))
}

// observer returns an observer of the suite's stack with an intruder, an outsider and an impostor.
func observer(ctx context.Context) *truthtable.Observer {
	GinkgoHelper()
	o, err := environment.Observer(ctx, stack)
	Expect(err).NotTo(HaveOccurred())
	gateway, _ := graph.Lookup(v1alpha1.ComponentGateway)
	container, err := environment.EnsureIntruder(ctx, types.NamespacedName{Namespace: setup.IntruderNamespace, Name: impostor}, gateway.Labels(stack.Name))
	Expect(err).NotTo(HaveOccurred())
	o.ExtraSources = append(o.ExtraSources, truthtable.ExtraSource{Name: impostor, Container: container})
	return o
}

func observe(ctx context.Context, table []graph.Cell) truthtable.Report {
	GinkgoHelper()
	report, err := observer(ctx).Observe(ctx, table)
	Expect(err).NotTo(HaveOccurred())
	return report
}

func columns() []truthtable.Column {
	var all []truthtable.Column
	for _, name := range []string{setup.Intruder, setup.Outsider, impostor, v1alpha1.ComponentGateway, v1alpha1.ComponentBackend} {
		all = append(all, truthtable.Column{Source: name, Heading: name})
	}
	return all
}
