package prober

import (
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/probe"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// maxTargets leaves space in a plan for the controls.
const maxTargets = probe.MaxAttempts - 16

// target is a port of a component at one address.
type target struct {
	component string
	port      graph.Port
	address   netip.AddrPort
	// service whose ClusterIP leads to the port; empty for a pod's own address.
	service string
	// pod behind the address; one of them for a Service.
	pod *corev1.Pod
}

func (t target) String() string {
	if t.service != "" {
		return fmt.Sprintf("%s:%d by Service %s", t.component, t.port.Number, t.service)
	}
	return fmt.Sprintf("%s:%d", t.component, t.port.Number)
}

// targets returns all ports of all ready pods of a stack, at every address of the pods and at the ClusterIPs of the Services that lead to
// them. When a plan cannot hold all of them, each component keeps its first pods.
func targets(g graph.Graph, w *snapshot.Snapshot) []target {
	byComponent := readyPods(g, w)
	var all []target
	for _, c := range g.Components {
		if pods := byComponent[c.Name]; len(pods) > 0 {
			all = append(all, serviceTargets(g.Namespace, c, pods, w.Services)...)
		}
	}
	for replica, more := 0, true; more; replica++ {
		more = false
		for _, c := range g.Components {
			if pods := byComponent[c.Name]; replica < len(pods) {
				more = true
				all = append(all, podTargets(c, pods[replica])...)
			}
		}
	}
	return all[:min(len(all), maxTargets)]
}

// readyPods returns the ready pods of a stack by component, in the order of their names.
func readyPods(g graph.Graph, w *snapshot.Snapshot) map[string][]*corev1.Pod {
	found := map[string][]*corev1.Pod{}
	for _, c := range g.Components {
		selector := labels.SelectorFromSet(c.Labels(g.Stack))
		for i := range w.Pods {
			if pod := &w.Pods[i]; pod.Namespace == g.Namespace && selector.Matches(labels.Set(pod.Labels)) && ready(pod) {
				found[c.Name] = append(found[c.Name], pod)
			}
		}
	}
	return found
}

func ready(pod *corev1.Pod) bool {
	isReady := func(c corev1.PodCondition) bool { return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue }
	return pod.DeletionTimestamp == nil && len(pod.Status.PodIPs) > 0 && slices.ContainsFunc(pod.Status.Conditions, isReady)
}

func podTargets(c graph.Component, pod *corev1.Pod) []target {
	var found []target
	for _, port := range c.Ports {
		for _, address := range addresses(pod) {
			found = append(found, target{component: c.Name, port: port, address: at(address, port.Number), pod: pod})
		}
	}
	return found
}

func addresses(pod *corev1.Pod) []netip.Addr {
	var found []netip.Addr
	for _, ip := range pod.Status.PodIPs {
		if address, err := netip.ParseAddr(ip.IP); err == nil {
			found = append(found, address)
		}
	}
	return found
}

// at returns a port of an address. The API server accepts ports from 1 to 65535 alone.
func at(address netip.Addr, port int32) netip.AddrPort {
	return netip.AddrPortFrom(address, uint16(port)) //nolint:gosec // see above
}

// serviceTargets returns the ClusterIPs that lead to a component's ports, of every Service in the namespace, the stack's own or not.
func serviceTargets(namespace string, c graph.Component, pods []*corev1.Pod, services []corev1.Service) []target {
	var found []target
	for i := range services {
		s := &services[i]
		if s.Namespace != namespace || len(s.Spec.Selector) == 0 || s.Spec.Type == corev1.ServiceTypeExternalName {
			continue
		}
		selector := labels.SelectorFromSet(s.Spec.Selector)
		behind := slices.IndexFunc(pods, func(p *corev1.Pod) bool { return selector.Matches(labels.Set(p.Labels)) })
		if behind < 0 {
			continue
		}
		for _, servicePort := range s.Spec.Ports {
			port, ok := componentPort(c, pods[behind], servicePort)
			if !ok {
				continue
			}
			for _, ip := range s.Spec.ClusterIPs {
				if address, err := netip.ParseAddr(ip); err == nil { // not None
					found = append(found, target{
						component: c.Name, port: port, address: at(address, servicePort.Port), service: s.Name, pod: pods[behind],
					})
				}
			}
		}
	}
	return found
}

// componentPort returns the component's port that a Service's port leads to.
func componentPort(c graph.Component, pod *corev1.Pod, p corev1.ServicePort) (graph.Port, bool) {
	number := p.TargetPort.IntVal
	if number == 0 && p.TargetPort.Type == intstr.Int {
		number = p.Port
	}
	if p.TargetPort.Type == intstr.String {
		for _, container := range pod.Spec.Containers {
			for _, port := range container.Ports {
				if port.Name == p.TargetPort.StrVal {
					number = port.ContainerPort
				}
			}
		}
	}
	i := slices.IndexFunc(c.Ports, func(port graph.Port) bool {
		return port.Number == number && port.Protocol == corev1.ProtocolTCP && (p.Protocol == corev1.ProtocolTCP || p.Protocol == "")
	})
	if i < 0 {
		return graph.Port{}, false
	}
	return c.Ports[i], true
}

// uids returns the UIDs of the pods behind targets.
func uids(all []target) map[types.UID]bool {
	found := map[types.UID]bool{}
	for _, t := range all {
		found[t.pod.UID] = true
	}
	return found
}
