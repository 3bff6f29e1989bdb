package audit

import (
	networkingv1 "k8s.io/api/networking/v1"
)

// connections are the edges of the graph.
func (s *scene) connections() []Connection {
	all := []Connection{}
	for _, c := range s.graph.Connections {
		k := Connection{
			From: c.From.Name, To: c.To.Name, FromInside: c.From.Inside, ToInside: c.To.Inside,
			Reason: c.Reason, Direction: string(c.Direction), Field: c.Field,
		}
		for _, p := range c.Ports {
			k.Ports = append(k.Ports, port(p))
		}
		switch {
		case !c.From.Inside:
			k.Peers = peersInWords(c.From.Peers)
		case !c.To.Inside:
			k.Peers = peersInWords(c.To.Peers)
		}
		all = append(all, k)
	}
	return all
}

// Directions of a decision.
const (
	ingress = string(networkingv1.PolicyTypeIngress)
	egress  = string(networkingv1.PolicyTypeEgress)
)

// exceptions are what the spec opens beyond what a stack needs.
func (s *scene) exceptions() []Exception {
	all := []Exception{}
	for _, e := range s.graph.Exceptions() {
		all = append(all, Exception{Name: e.Name, Field: e.Field, Lets: e.Lets, Risk: e.Risk})
	}
	return all
}
