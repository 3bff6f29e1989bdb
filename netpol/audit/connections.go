package audit

import (
	networkingv1 "k8s.io/api/networking/v1"
)

// Directions of a decision.
const (
	ingress = string(networkingv1.PolicyTypeIngress)
	egress  = string(networkingv1.PolicyTypeEgress)
)

// connectionsOf returns the edges of the graph.
func connectionsOf(m *Model) []Connection {
	all := []Connection{}
	for _, c := range m.graph.Edges {
		k := Connection{
			From: c.From.Name, To: c.To.Name, FromInside: c.From.Inside, ToInside: c.To.Inside,
			Reason: c.Reason, Direction: string(c.Direction), Field: c.Field,
		}
		for _, p := range c.Ports {
			k.Ports = append(k.Ports, reportPort(p))
		}
		switch {
		case !c.From.Inside:
			k.Peers = describePeers(c.From.NetworkPeers)
		case !c.To.Inside:
			k.Peers = describePeers(c.To.NetworkPeers)
		}
		all = append(all, k)
	}
	return all
}

// exceptionsOf returns what the spec opens beyond what every stack needs.
func exceptionsOf(m *Model) []Exception {
	all := []Exception{}
	for _, e := range m.graph.Exceptions() {
		all = append(all, Exception{Name: e.Name, Field: e.Field, Lets: e.Lets, Risk: e.Risk})
	}
	return all
}
