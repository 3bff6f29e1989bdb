package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/lockdown/probe"
	"github.com/openimstack/openim-operator/controllers/openim"
	"github.com/openimstack/openim-operator/test/harness/matrix"
	"github.com/openimstack/openim-operator/test/harness/setup"
)

// storeAttempt is the time for one connection to a store, the resolving of its name included.
const storeAttempt = 3 * time.Second

// Sources that the table shows; the full matrix has all of the stack's components besides.
var columns = []matrix.Column{
	{Source: setup.Intruder, Heading: setup.Intruder},
	{Source: setup.Outsider, Heading: setup.Outsider},
	{Source: v1alpha1.ComponentGateway, Heading: v1alpha1.ComponentGateway},
	{Source: v1alpha1.ComponentBackend, Heading: v1alpha1.ComponentBackend},
	{Source: string(openim.RPCFriend), Heading: string(openim.RPCFriend)},
}

func (s *show) truthTable(ctx context.Context) error {
	observer, err := s.Observer(ctx, s.stack)
	if err != nil {
		return err
	}
	report, err := observer.Observe(ctx, setup.TruthTable(s.stack))
	if err != nil {
		return err
	}
	s.Journal.Say("%s: a pod in the stack's own namespace %s; %s: a pod in namespace %s; gateway, backend, %s: the stack's real pods.",
		setup.Intruder, s.stack.Namespace, setup.Outsider, setup.StrangerNamespace, openim.RPCFriend)
	s.Journal.Say("listens: the port answers inside its own pod. A cell that is not as expected reads OPEN!=shut: observed, then expected.\n")
	s.Journal.Say("%s", report.Table(columns))
	s.Journal.Say("full matrix: %s", report.Count())
	if faults := report.Faults(); len(faults) > 0 {
		const most = 20
		return fmt.Errorf("%d cells are not as expected:\n  %s", len(faults), strings.Join(faults[:min(len(faults), most)], "\n  "))
	}
	return nil
}

// impostor is a pod elsewhere that carries a label of the stack's pods, as anybody may who can make pods.
const impostor = "impostor"

// stores names what the stack's policies do not cover, and observes it.
func (s *show) stores(ctx context.Context) error {
	d := s.stack.Spec.Dependencies
	var addresses []string
	for _, list := range [][]v1alpha1.Address{d.Kafka.Brokers, d.Redis.Addresses, d.MongoDB.Addresses, d.Etcd.Endpoints} {
		for _, address := range list {
			addresses = append(addresses, string(address))
		}
	}
	var open []string
	for _, stranger := range []struct {
		name   string
		labels map[string]string
	}{{setup.Outsider, nil}, {impostor, map[string]string{v1alpha1.LabelPartOf: v1alpha1.PartOf}}} {
		place, err := s.Stranger(ctx, types.NamespacedName{Namespace: setup.StrangerNamespace, Name: stranger.name}, stranger.labels)
		if err != nil {
			return err
		}
		results, err := s.Cluster.Probe(ctx, place, storeAttempt, addresses...)
		if err != nil {
			return err
		}
		for _, r := range results {
			s.Journal.Say("%-9s -> %-26s %s", stranger.name, r.Target, r.Result)
			if r.Result == probe.Open {
				open = append(open, stranger.name+" "+r.Target)
			}
		}
	}
	s.Journal.Say("The stores are not the stack's: its policies do not cover them, and whoever reaches one of them owns OpenIM.")
	s.Journal.Say("%d of these attempts got through. What stands in the way here is the NetworkPolicy of hack/infra alone; it lets in whatever pod", len(open))
	s.Journal.Say("carries the label %s=%s, as the impostor does.", v1alpha1.LabelPartOf, v1alpha1.PartOf)
	return nil
}
