package graph

import (
	"fmt"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Exception is an opening that the spec asks for beyond what a stack needs to work. It is bounded to what Lets says; the audit and
// the status list it for as long as it is there.
type Exception struct {
	// Name is one of the constants below; that of a way out is ExtraEgress/ and its own.
	Name string
	// Field of the spec that asks for it.
	Field string
	// Lets says who reaches what by it.
	Lets string
	// Risk says what that may do.
	Risk string
}

// Names of exceptions.
const (
	ExceptionWebSocketDirect        = "WebSocketDirect"
	ExceptionOwnWrapper             = "OwnWrapper"
	ExceptionUnauthenticatedMetrics = "UnauthenticatedMetrics"
	ExceptionExtraEgress            = "ExtraEgress"
)

// risks in words, by kind. The first two were observed on OpenIM v3.8.3: its WebSocket checks whose socket it is, but not the sender
// inside a message, nor whose messages are pulled.
var risks = map[string]string{
	ExceptionWebSocketDirect: "OpenIM's WebSocket does not check for whom a frame speaks: whoever reaches it with any user's OpenIM token can send as another user " +
		"and read others' chats. The gateway's limits, rules and audit trail see nothing of it",
	ExceptionOwnWrapper: "the operator's gateway and backend do not stand before OpenIM: the pods that are let in must themselves keep users from calling OpenIM " +
		"as another, and whoever can make a pod with their labels is let in, too",
	ExceptionUnauthenticatedMetrics: "OpenIM's metrics ports ask nobody who they are: whoever is let in reads how much is sent and called, and which versions run",
	ExceptionExtraEgress:            "whoever breaks into one of these components can send what it knows to these peers",
}

// Exceptions lists what the spec has opened, in the order of the graph. What every stack has is none: its stores, DNS, and the
// gateway's doors, which check who enters.
func (g Graph) Exceptions() []Exception {
	byName := map[string][]Connection{}
	var names []string
	for _, c := range g.Connections {
		if c.Exception == "" {
			continue
		}
		if byName[c.Exception] == nil {
			names = append(names, c.Exception)
		}
		byName[c.Exception] = append(byName[c.Exception], c)
	}
	var all []Exception
	for _, name := range names {
		all = append(all, exception(name, byName[name]))
	}
	return all
}

// exception sums up the connections that it consists of. They all are of one party outside, and in one direction.
func exception(name string, connections []Connection) Exception {
	first := connections[0]
	kind, _, _ := strings.Cut(name, "/")
	e := Exception{Name: name, Field: first.Field, Risk: risks[kind]}
	var ends []string
	for _, c := range connections {
		if c.Direction == Egress {
			ends = append(ends, c.From.Name)
			continue
		}
		ends = append(ends, c.To.Name+":"+portList(c.Ports))
	}
	if first.Direction == Egress {
		e.Lets = fmt.Sprintf("%s out to %s, port %s (%s)", strings.Join(ends, ", "), Place(first.To), portList(first.Ports), first.Reason)
		return e
	}
	e.Lets = fmt.Sprintf("%s in to %s", Place(first.From), strings.Join(ends, ", "))
	return e
}

// Place says in words where a party is.
func Place(p Party) string {
	if p.Inside {
		return "component " + p.Name
	}
	if p.Anyone() {
		return "anyone"
	}
	var all []string
	for _, peer := range p.Peers {
		all = append(all, describeNetworkPeer(peer))
	}
	return strings.Join(all, "; ")
}

func describeNetworkPeer(peer networkingv1.NetworkPolicyPeer) string {
	if b := peer.IPBlock; b != nil {
		if len(b.Except) > 0 {
			return b.CIDR + " except " + strings.Join(b.Except, ", ")
		}
		return b.CIDR
	}
	pods, namespaces := "all pods", "in the stack's namespace"
	if s := peer.PodSelector; s != nil && !selectsAll(s) {
		pods = "pods " + metav1.FormatLabelSelector(s)
	}
	if s := peer.NamespaceSelector; s != nil {
		namespaces = "in namespaces " + metav1.FormatLabelSelector(s)
		if selectsAll(s) {
			namespaces = "in all namespaces"
		}
	}
	return pods + " " + namespaces
}

func selectsAll(s *metav1.LabelSelector) bool { return len(s.MatchLabels)+len(s.MatchExpressions) == 0 }
