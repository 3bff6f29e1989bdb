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

// stores names what the stack's policies do not cover, and observes it.
func (s *show) stores(ctx context.Context) error {
	place, err := s.Stranger(ctx, types.NamespacedName{Namespace: setup.StrangerNamespace, Name: setup.Outsider}, nil)
	if err != nil {
		return err
	}
	d := s.stack.Spec.Dependencies
	var addresses []string
	for _, list := range [][]v1alpha1.Address{d.Kafka.Brokers, d.Redis.Addresses, d.MongoDB.Addresses, d.Etcd.Endpoints} {
		for _, address := range list {
			addresses = append(addresses, string(address))
		}
	}
	results, err := s.Cluster.Probe(ctx, place, 5*time.Second, addresses...)
	if err != nil {
		return err
	}
	open := 0
	for _, r := range results {
		s.Journal.Say("%s -> %-28s %s", setup.Outsider, r.Target, r.Result)
		if r.Result == probe.Open {
			open++
		}
	}
	if open == 0 {
		s.Journal.Say("Somebody else's policies seal them here.")
		return nil
	}
	s.Journal.Say("%d of %d stores are within anybody's reach: they are not the stack's, and its policies do not cover them. Whoever reaches", open, len(results))
	s.Journal.Say("Kafka, Redis, MongoDB or etcd owns OpenIM: give namespace %s policies of its own, and the stores passwords.", setup.StoresNamespace)
	return nil
}
