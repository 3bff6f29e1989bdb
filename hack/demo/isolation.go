package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/kube"
	"github.com/openimstack/openim-operator/hack/environment/setup"
	"github.com/openimstack/openim-operator/hack/environment/truthtable"
	"github.com/openimstack/openim-operator/hack/infra"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/probe"
	"github.com/openimstack/openim-operator/openim"
)

// storeTimeout bounds one connection attempt to a store, including the resolution of its name.
const storeTimeout = 3 * time.Second

// columns lists the sources that the table shows. The full truth table has all components of the stack besides.
var columns = []truthtable.Column{
	{Source: setup.Intruder, Heading: setup.Intruder},
	{Source: setup.Outsider, Heading: setup.Outsider},
	{Source: v1alpha1.ComponentGateway, Heading: v1alpha1.ComponentGateway},
	{Source: v1alpha1.ComponentBackend, Heading: v1alpha1.ComponentBackend},
	{Source: string(openim.RPCFriend), Heading: string(openim.RPCFriend)},
}

func (s *demo) truthTable(ctx context.Context) error {
	var err error
	if s.audited, err = s.Audit(ctx, client.ObjectKeyFromObject(s.stack), "demo"); err != nil {
		return err
	}
	observer, err := s.Observer(ctx, s.stack)
	if err != nil {
		return err
	}
	report, err := observer.Observe(ctx, setup.TruthTable(s.stack))
	if err != nil {
		return err
	}
	s.Journal.Say("%s: a pod in the stack's own namespace %s; %s: a pod in namespace %s; gateway, backend, %s: the stack's real pods.",
		setup.Intruder, s.stack.Namespace, setup.Outsider, setup.IntruderNamespace, openim.RPCFriend)
	s.Journal.Say("listens: the port answers inside its own pod. A cell that is not as expected shows OPEN!=shut: observed, then expected.\n")
	s.Journal.Say("%s", report.Table(columns))
	s.Journal.Say("full truth table: %s", report.Count())
	if faults := report.Faults(); len(faults) > 0 {
		const most = 20
		return fmt.Errorf("%d cells are not as expected:\n  %s", len(faults), strings.Join(faults[:min(len(faults), most)], "\n  "))
	}
	return nil
}

// impostor is a pod in another namespace with the labels of the gateway's pods. Any user who may create pods can create such a pod.
const impostor = "impostor"

// stores observes the stores, which the stack's policies do not cover: from intruders, and from the gateway, which an attacker may have
// compromised.
func (s *demo) stores(ctx context.Context) error {
	d := s.stack.Spec.Dependencies
	var addresses []string
	own := s.stack.Spec.Wrapper.Redis.Addresses
	files := []v1alpha1.Address{d.ObjectStorage.MinIO.InternalAddress}
	for _, list := range [][]v1alpha1.Address{d.Kafka.Brokers, d.Redis.Addresses, d.MongoDB.Addresses, d.Etcd.Endpoints, files, own} {
		for _, address := range list {
			addresses = append(addresses, string(address))
		}
	}
	gateway, err := s.gatewayContainer(ctx)
	if err != nil {
		return err
	}
	component, _ := graph.Lookup(v1alpha1.ComponentGateway)
	probes := []struct {
		name      string
		container func() (kube.Container, error)
		// reaches lists the stores that the container must reach.
		reaches []v1alpha1.Address
	}{
		{setup.Outsider, s.outsidePod(ctx, setup.Outsider, nil), nil},
		{impostor, s.outsidePod(ctx, impostor, component.Labels(s.stack.Name)), nil},
		{v1alpha1.ComponentGateway, func() (kube.Container, error) { return gateway, nil }, own},
	}
	var wrong []string
	for _, from := range probes {
		container, err := from.container()
		if err != nil {
			return err
		}
		results, err := s.Cluster.Probe(ctx, container, storeTimeout, addresses...)
		if err != nil {
			return err
		}
		for _, r := range results {
			s.Journal.Say("%-9s -> %-32s %s", from.name, r.Target, r.Result)
			if (r.Result == probe.Open) != slices.Contains(from.reaches, v1alpha1.Address(r.Target)) {
				wrong = append(wrong, from.name+" -> "+r.Target+" "+string(r.Result))
			}
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("connections to stores are not as expected:\n  %s", strings.Join(wrong, "\n  "))
	}
	s.Journal.Say(
		"The stores are not part of the stack: its policies cover only its own egress. The stores' ingress is restricted here by the",
	)
	s.Journal.Say(
		"NetworkPolicies of hack/infra: they admit pods of namespaces with the label %s=%s, each to the store that it needs.",
		infra.AllowedLabel,
		infra.Allowed,
	)
	s.Journal.Say(
		"The impostor carries every label of the gateway's pods, but its namespace does not carry that label. A user who may label namespaces,",
	)
	s.Journal.Say("or create pods in a labelled namespace, gets through.")
	return nil
}

func (s *demo) outsidePod(ctx context.Context, name string, labels map[string]string) func() (kube.Container, error) {
	return func() (kube.Container, error) {
		return s.EnsureIntruder(ctx, types.NamespacedName{Namespace: setup.IntruderNamespace, Name: name}, labels)
	}
}

// gatewayContainer injects the prober into a pod of the gateway.
func (s *demo) gatewayContainer(ctx context.Context) (kube.Container, error) {
	return s.Inside(ctx, client.ObjectKeyFromObject(s.stack), v1alpha1.ComponentGateway)
}
