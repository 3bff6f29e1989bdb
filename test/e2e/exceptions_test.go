//go:build e2e

package e2e

import (
	"context"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/kube"
	"github.com/openimstack/openim-operator/hack/environment/setup"
	"github.com/openimstack/openim-operator/hack/environment/truthtable"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/probe"
	"github.com/openimstack/openim-operator/openim"
)

// vendor is a pod outside of the stack that additional egress leads to.
const vendor = "vendor"

// exceptions are connections that the spec may open: each opens only the named ports to the named peers, and is listed in status and audit.
func exceptions() {
	It("opens only what the spec names: the WebSocket, the metrics, additional egress", func(ctx SpecContext) {
		Expect(leaves(ctx, openim.Push)).To(BeFalse(), "before")
		opened := stack.DeepCopy()
		opened.Spec.Network = &v1alpha1.Network{
			WebSocket: v1alpha1.WebSocketDirect, WebSocketClients: peers(graph.WebSocketClients), Monitoring: peers(graph.Monitoring),
			ExtraEgress: []v1alpha1.ExtraEgress{{
				Name: vendor, Components: []v1alpha1.ComponentName{v1alpha1.ComponentName(openim.Push)}, Peers: peers(vendor),
				Ports: []v1alpha1.EgressPort{{Port: probe.ListenPort}}, Reason: "notifications to phones",
			}},
		}
		DeferCleanup(restore, NodeTimeout(5*time.Minute))
		apply(ctx, opened)
		report := observeParties(ctx, opened)
		Expect(report.Faults()).To(BeEmpty())
		AddReportEntry("matrix", report.Count().String())
		Eventually(ctx, leaves).WithArguments(openim.Push).WithTimeout(programming).Should(BeTrue(), "the way out")
		Expect(leaves(ctx, openim.API)).To(BeFalse(), "another component")
		told(ctx, graph.ExceptionWebSocketDirect, graph.ExceptionUnauthenticatedMetrics, graph.ExceptionExtraEgress+"/"+vendor)
	}, SpecTimeout(10*time.Minute))

	It("is closed again when the spec names no exception", func(ctx SpecContext) {
		Eventually(ctx, leaves).WithArguments(openim.Push).WithTimeout(programming).Should(BeFalse())
		Expect(observeParties(ctx, stack).Faults()).To(BeEmpty())
		told(ctx)
	}, SpecTimeout(5*time.Minute))

	It("admits a wrapper of the user's own, and no other source", func(ctx SpecContext) {
		DeferCleanup(restore, NodeTimeout(5*time.Minute))
		own, peer := stack.DeepCopy(), peers(graph.OwnWrapper)[0]
		own.Spec.Wrapper = v1alpha1.Wrapper{
			ExternalRef: &v1alpha1.ExternalWrapper{PodSelector: peer.PodSelector, NamespaceSelector: peer.NamespaceSelector},
		}
		apply(ctx, own)
		report := observeParties(ctx, own)
		Expect(report.Faults()).To(BeEmpty())
		AddReportEntry("matrix", report.Count().String())
		Expect(gatewayPods(ctx)).To(BeEmpty(), "the operator's own gateways are removed")
		told(ctx, graph.ExceptionOwnWrapper)
	}, SpecTimeout(10*time.Minute))

	It("keeps its users' devices when it changes back", func(ctx SpecContext) {
		for _, name := range []string{alice, bob} {
			session, err := gateways(ctx)[0].Login(ctx, users[name])
			Expect(err).NotTo(HaveOccurred())
			users[name].Session = session
		}
		deliver(ctx, "back again")
		told(ctx)
	}, SpecTimeout(3*time.Minute))
}

// apply applies a variant of the suite's stack and waits until it is ready and was probed.
func apply(ctx context.Context, s *v1alpha1.OpenIMStack) {
	GinkgoHelper()
	Expect(environment.Apply(ctx, s)).To(Succeed())
	ready(ctx, s)
	Eventually(ctx, isolated).WithTimeout(2 * noticing).Should(haveReason(v1alpha1.ReasonEnforced))
}

// restore applies the suite's stack again.
func restore(ctx SpecContext) {
	GinkgoHelper()
	apply(ctx, stack)
}

// intruderIn creates a pod outside of the stack that the peers of its name select.
func intruderIn(ctx context.Context, name string) kube.Container {
	GinkgoHelper()
	container, err := environment.EnsureIntruder(
		ctx,
		types.NamespacedName{Namespace: setup.IntruderNamespace, Name: name},
		map[string]string{called: name},
	)
	Expect(err).NotTo(HaveOccurred())
	return container
}

// called is the label by which peers select an outside pod.
const called = "example.com/called"

// peers returns peers that select the outside pod of a name.
func peers(name string) []v1alpha1.Peer {
	return []v1alpha1.Peer{{
		NamespaceSelector: &v1alpha1.Selector{MatchLabels: map[string]string{corev1.LabelMetadataName: setup.IntruderNamespace}},
		PodSelector:       &v1alpha1.Selector{MatchLabels: map[string]string{called: name}},
	}}
}

// observeParties observes a stack from the peers that its spec may name, besides the usual intruders. A peer that the spec does not name
// now counts as an intruder.
func observeParties(ctx context.Context, s *v1alpha1.OpenIMStack) truthtable.Report {
	GinkgoHelper()
	o, err := environment.Observer(ctx, s)
	Expect(err).NotTo(HaveOccurred())
	stackGraph := graph.New(s, openim.Facts{})
	rows := stackGraph.Rows()
	for _, name := range []string{graph.WebSocketClients, graph.Monitoring, graph.OwnWrapper, vendor} {
		row := name
		if !slices.Contains(rows, name) {
			row = graph.Intruder
		}
		o.ExtraSources = append(o.ExtraSources, truthtable.ExtraSource{Name: name, Container: intruderIn(ctx, name), Row: row})
	}
	report, err := o.Observe(ctx, stackGraph.Table(rows))
	Expect(err).NotTo(HaveOccurred())
	return report
}

// leaves reports whether a component reaches the vendor.
func leaves(ctx context.Context, component openim.Name) (bool, error) {
	container := intruderIn(ctx, vendor)
	to := &corev1.Pod{}
	if err := environment.Cluster.Get(ctx, types.NamespacedName{Namespace: container.Namespace, Name: container.Pod}, to); err != nil {
		return false, err
	}
	from, err := environment.Inside(ctx, client.ObjectKeyFromObject(stack), string(component))
	if err != nil {
		return false, err
	}
	return reaches(ctx, from, truthtable.Edge{To: *to, Port: probe.ListenPort}.Address())
}

// told checks that the status and an audit list exactly these exceptions.
func told(ctx SpecContext, names ...string) {
	GinkgoHelper()
	var want, listed []any
	for _, name := range names {
		want = append(want, HaveField("Name", name))
		listed = append(listed, HavePrefix(name+":"))
	}
	Expect(audited(ctx).Exceptions).To(ConsistOf(want...))
	Eventually(ctx, func(ctx SpecContext) ([]string, error) {
		live := &v1alpha1.OpenIMStack{}
		err := environment.Cluster.Get(ctx, client.ObjectKeyFromObject(stack), live)
		return ptr.Deref(live.Status.Boundary, v1alpha1.Boundary{}).Exceptions, err
	}).WithTimeout(soon).Should(ConsistOf(listed...))
}
