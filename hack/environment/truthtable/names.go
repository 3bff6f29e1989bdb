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

// observeDNS observes the one connection that is not TCP: every component queries the cluster's DNS by UDP. As the control, an intruder
// that no policy selects queries the same server at the same time.
func (o *Observer) observeDNS(ctx context.Context, j *policyCheck, sources []source) ([]Observation, error) {
	if len(o.DNS.NetworkPeers) == 0 {
		return nil, nil
	}
	server, err := o.nameServer(ctx)
	if err != nil {
		return nil, err
	}
	target := Target{Component: o.DNS.Name, Port: o.port(), Address: address(server.Status.PodIP, o.port().Number), Pod: server.Name}
	var control kube.Container
	for _, from := range sources {
		if from.row == graph.Intruder {
			control = from.container
		}
	}
	var all []Observation
	start := time.Now()
	for _, from := range sources {
		if from.row == graph.Intruder {
			continue
		}
		open, err := j.open(
			from.container.Namespace+"/"+from.container.Pod,
			server.Namespace+"/"+server.Name,
			target.Port.Number,
			target.Port.Protocol,
		)
		if err != nil {
			return nil, err
		}
		seen := Observation{Source: from.name, Target: target, Open: true, Evaluated: &open}
		err = wait.PollUntilContextCancel(ctx, retryInterval, true, func(ctx context.Context) (bool, error) {
			answers, err := o.Cluster.ProbeDNS(ctx, control, attemptTimeout, target.Address)
			if err != nil {
				return false, err
			}
			seen.Listening = answers[0].Result == probe.Open
			if answers, err = o.Cluster.ProbeDNS(ctx, from.container, attemptTimeout, target.Address); err != nil {
				return false, err
			}
			seen.Last, seen.Settled = answers[0], time.Since(start)
			seen.Attempts++
			return seen.Agrees() || time.Since(start) >= o.Timeout, nil
		})
		if err != nil {
			return nil, err
		}
		all = append(all, seen)
	}
	return all, nil
}

// port returns the UDP port of the DNS.
func (o *Observer) port() graph.Port {
	for _, p := range o.DNSPorts {
		if p.Protocol == corev1.ProtocolUDP {
			return p
		}
	}
	return graph.Port{}
}

// nameServer returns a DNS pod that the stack's policies admit.
func (o *Observer) nameServer(ctx context.Context) (*corev1.Pod, error) {
	w, err := ReadPods(ctx, o.Cluster)
	if err != nil {
		return nil, err
	}
	for _, peer := range o.DNS.NetworkPeers {
		found, err := w.match(o.Namespace, peer)
		if err != nil {
			return nil, err
		}
		if len(found) > 0 {
			return &found[0], nil
		}
	}
	return nil, errors.New("no pod of the cluster's DNS that the stack may query is ready: check `kubectl -n kube-system get pods`")
}
