package audit

import (
	"slices"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
)

// Kinds of findings. The values are stable: programs compare them.
const (
	ForeignPolicyWidens = "ForeignPolicyWidens"
	EgressWidens        = "EgressWidens"
	MetricsUnsealed     = "MetricsUnsealed"
	OwnPolicyMissing    = "OwnPolicyMissing"
	OwnPolicyChanged    = "OwnPolicyChanged"
	ReservedLabels      = "ReservedLabels"
	StrayPod            = "StrayPod"
	ServiceExposes      = "ServiceExposes"
	ServiceSelects      = "ServiceSelects"
	IngressExposes      = "IngressExposes"
	RouteExposes        = "RouteExposes"
	ListenerExposed     = "ListenerExposed"
	TrafficDiverted     = "TrafficDiverted"
	UnknownReference    = "UnknownReference"
	SecondInterface     = "SecondInterface"
	PeerMatchesNothing  = "PeerMatchesNothing"
	HostPort            = "HostPort"
	HostNetwork         = "HostNetwork"
	DebugContainer      = "DebugContainer"
	StoreReachable      = "StoreReachable"
	StoreExposed        = "StoreExposed"
	NotEnforced         = "NotEnforced"
	UnknownPolicyKind   = "UnknownPolicyKind"
	InvalidPolicy       = "InvalidPolicy"
	ConnectionShut      = "ConnectionShut"
	Unexplained         = "Unexplained"
)

// Kind describes a kind of finding, for the documentation.
type Kind struct {
	// Name is the value of Finding.Kind.
	Name string
	// Severities that findings of this kind have, the most severe first.
	Severities []Severity
	// Depends says what decides between the severities.
	Depends string
	// Meaning of such a finding.
	Meaning string
	// Example of a cause.
	Example string
	// Fix in general. A finding's own fix names the object and the command.
	Fix string
	// NeverExcepted says why findings of this kind cannot be excepted. Empty when they can.
	NeverExcepted string
}

// Kinds returns all kinds of findings, in the order of the checks.
func Kinds() []Kind {
	var all []Kind
	for _, c := range checks {
		all = append(all, c.kinds...)
	}
	return all
}

// ranks of severities, the most severe first.
var ranks = []Severity{Critical, High, Medium, Low}

// rank of a severity: 0 is the most severe.
func (s Severity) rank() int { return slices.Index(ranks, s) }

// worse returns the more severe of two severities. An empty one is the least severe.
func worse(a, b Severity) Severity {
	if a == "" || b != "" && b.rank() < a.rank() {
		return b
	}
	return a
}

// impact returns the severity of an unexpected connection to a port of a component.
func impact(c graph.Component, p graph.Port) Severity {
	switch {
	case c.App == v1alpha1.NameWrapper && p.Name == graph.BackendPort:
		return High // the backend accepts calls that the gateway signed, and an intruder lacks the key
	case p.Name == string(openim.GRPC), p.Name == string(openim.HTTP):
		return Critical // callers of an rpc port have administrators' rights; the API issues tokens without a limit on attempts
	case p.Name == string(openim.WebSocket):
		return High
	}
	return Medium // metrics, and the gateway's listeners, which authenticate callers
}

// filtered lowers Critical to High for paths that policies still filter. They may miss packets that arrive with the address of a node.
func filtered(s Severity) Severity {
	if s == Critical {
		return High
	}
	return s
}

// isMetrics reports whether a port serves metrics.
func isMetrics(p graph.Port) bool { return p.ServesMetrics() }
