package truthtable

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/hack/environment/kube"
	"github.com/openimstack/openim-operator/netpol/graph"
)

// plan is the truth table applied to the running pods: one observation for each source, port and address.
type plan struct {
	mu           sync.Mutex
	observations []Observation
	containers   []kube.Container // of the observations' sources
	controls     []string         // pod in which the observation's port must answer
}

// newPlan joins each cell with the sources that represent its row and with the addresses of its port. service returns the ClusterIP by
// which the port is dialled, too, or "".
func newPlan(table []graph.Cell, sources []source, pods map[string][]corev1.Pod, service func(graph.Cell) string) *plan {
	p := &plan{}
	for _, cell := range table {
		for _, from := range sources {
			if from.row != cell.From {
				continue
			}
			p.add(cell, from, pods)
			if ip := service(cell); ip != "" && from.name != cell.To {
				target := p.observations[len(p.observations)-1].Target
				target.Service, target.Address, target.Pod = true, address(ip, cell.Port.Number), ""
				p.append(Observation{Source: from.name, Target: target, Open: cell.Open}, from.container, pods[cell.To][0].Name)
			}
		}
	}
	return p
}

// add adds one cell. A component calls another pod of its own kind, never itself: such a connection does not leave the pod's network
// namespace, so no policy applies.
func (p *plan) add(cell graph.Cell, from source, pods map[string][]corev1.Pod) {
	pod := pods[cell.To][0]
	var skipped string
	if from.name == cell.To {
		if len(pods[cell.To]) < 2 {
			skipped = fmt.Sprintf("%s runs one pod", cell.To)
		} else {
			pod = pods[cell.To][1]
		}
	}
	p.append(Observation{
		Source: from.name, Open: cell.Open, Skipped: skipped,
		Target: Target{Component: cell.To, Port: cell.Port, Address: address(pod.Status.PodIP, cell.Port.Number), Pod: pod.Name},
	}, from.container, pod.Name)
}

func (p *plan) append(o Observation, container kube.Container, control string) {
	p.observations = append(p.observations, o)
	p.containers = append(p.containers, container)
	p.controls = append(p.controls, control)
}

// pending returns the observations that do not agree yet, by the container from which they are attempted.
func (p *plan) pending() map[kube.Container][]*Observation {
	found := map[kube.Container][]*Observation{}
	for i := range p.observations {
		if o := &p.observations[i]; !o.Agrees() {
			found[p.containers[i]] = append(found[p.containers[i]], o)
		}
	}
	return found
}

// silent returns the addresses that have not answered inside their own pods yet, by pod.
func (p *plan) silent() map[string][]string {
	found := map[string][]string{}
	for i, o := range p.observations {
		if o.Listening || o.Skipped != "" || o.Target.Pod == "" {
			continue
		}
		if pod := p.controls[i]; !slices.Contains(found[pod], o.Target.Address) {
			found[pod] = append(found[pod], o.Target.Address)
		}
	}
	return found
}

// answered records that a port answers inside its pod, for every observation of that port, at any address.
func (p *plan) answered(pod, dialled string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, port, _ := net.SplitHostPort(dialled)
	for i := range p.observations {
		if p.controls[i] == pod && strconv.Itoa(int(p.observations[i].Target.Port.Number)) == port {
			p.observations[i].Listening = true
		}
	}
}

func address(ip string, port int32) string { return net.JoinHostPort(ip, strconv.Itoa(int(port))) }
