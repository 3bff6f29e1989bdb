package explain

import (
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/netpol/graph"
)

// portOf parses number, name, number/protocol and name/protocol. Names are those of the destination's ports.
func portOf(word string, to end) (graph.Port, error) {
	text, suffix, given := strings.Cut(word, "/")
	protocol := corev1.ProtocolTCP
	if given {
		protocol = corev1.Protocol(strings.ToUpper(suffix))
		if protocol != corev1.ProtocolTCP && protocol != corev1.ProtocolUDP && protocol != corev1.ProtocolSCTP {
			return graph.Port{}, fmt.Errorf("unknown protocol %q: write TCP, UDP or SCTP", suffix)
		}
	}
	if number, err := strconv.ParseUint(text, 10, 16); err == nil && number > 0 {
		return graph.Port{Name: nameOf(to, int32(number), protocol), Number: int32(number), Protocol: protocol}, nil
	}
	var names []string
	for _, p := range portsOf(to) {
		if p.Name == text && (!given || p.Protocol == protocol) {
			return p, nil
		}
		if p.Name != "" {
			names = append(names, p.Name)
		}
	}
	hint := "write a number from 1 to 65535"
	if len(names) > 0 {
		hint += ", or one of " + strings.Join(names, ", ")
	}
	return graph.Port{}, fmt.Errorf("unknown port %q of %s: %s", word, to.words, hint)
}

// nameOf returns the name of a port of the destination, empty when it has none.
func nameOf(to end, number int32, protocol corev1.Protocol) string {
	for _, p := range portsOf(to) {
		if p.Number == number && p.Protocol == protocol {
			return p.Name
		}
	}
	return ""
}

// portsOf returns the ports of an end: of the catalogue for a component, or else those that the pod declares.
func portsOf(to end) []graph.Port {
	if c, ok := graph.Lookup(to.component); ok {
		return c.Ports
	}
	if to.Pod == nil {
		return nil
	}
	var ports []graph.Port
	for _, containers := range [][]corev1.Container{to.Pod.Spec.Containers, to.Pod.Spec.InitContainers} {
		for _, c := range containers {
			for _, p := range c.Ports {
				ports = append(ports, graph.Port{Name: p.Name, Number: p.ContainerPort, Protocol: p.Protocol})
			}
		}
	}
	return ports
}
