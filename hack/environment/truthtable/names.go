package truthtable

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/openimstack/openim-operator/hack/environment/kube"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/probe"
)

// names observes the one connection that is not TCP: every component asks the cluster's DNS by UDP. A stranger whom no policy binds asks
// the same server meanwhile: it is the control.
func (o *Observer) names(ctx context.Context, j *judge, sources []source) ([]Observation, error) {
	if len(o.DNS.Peers) == 0 {
		return nil, nil
	}
	server, err := o.nameServer(ctx)
	if err != nil {
		return nil, err
	}
	target := Target{Component: o.DNS.Name, Port: o.port(), Address: address(server.Status.PodIP, o.port().Number), Pod: server.Name}
	var control kube.Place
	for _, from := range sources {
		if from.row == graph.Intruder {
			control = from.place
		}
	}
	var all []Observation
	start := time.Now()
	for _, from := range sources {
		if from.row == graph.Intruder {
			continue
		}
		open, err := j.open(from.place.Namespace+"/"+from.place.Pod, server.Namespace+"/"+server.Name, target.Port.Number, target.Port.Protocol)
		if err != nil {
			return nil, err
		}
		seen := Observation{Source: from.name, Target: target, Open: true, Evaluated: &open}
		err = wait.PollUntilContextCancel(ctx, again, true, func(ctx context.Context) (bool, error) {
			answers, err := o.Cluster.Ask(ctx, control, attempt, target.Address)
			if err != nil {
				return false, err
			}
			seen.Listening = answers[0].Result == probe.Open
			if answers, err = o.Cluster.Ask(ctx, from.place, attempt, target.Address); err != nil {
				return false, err
			}
			seen.Seen, seen.Settled = answers[0], time.Since(start)
			seen.Attempts++
			return seen.Agrees() || time.Since(start) >= o.Patience, nil
		})
		if err != nil {
			return nil, err
		}
		all = append(all, seen)
	}
	return all, nil
}

// port by which names are asked for, UDP.
func (o *Observer) port() graph.Port {
	for _, p := range o.DNSPorts {
		if p.Protocol == corev1.ProtocolUDP {
			return p
		}
	}
	return graph.Port{}
}

// nameServer is a pod that the stack may ask for names.
func (o *Observer) nameServer(ctx context.Context) (*corev1.Pod, error) {
	w, err := ReadWorld(ctx, o.Cluster)
	if err != nil {
		return nil, err
	}
	for _, peer := range o.DNS.Peers {
		found, err := w.match(o.Namespace, peer)
		if err != nil {
			return nil, err
		}
		if len(found) > 0 {
			return &found[0], nil
		}
	}
	return nil, errors.New("no pod of the cluster's DNS is ready that the stack may ask: look at `kubectl -n kube-system get pods`")
}
