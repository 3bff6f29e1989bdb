package audit

import (
	"slices"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
)

// Kinds of findings. The words are stable.
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

// ranks of severities, the most severe first.
var ranks = []Severity{Critical, High, Medium, Low}

// rank of a severity: 0 is the most severe.
func (s Severity) rank() int { return slices.Index(ranks, s) }

// worse returns the more severe one. An empty one is the least severe.
func worse(a, b Severity) Severity {
	if a == "" || b != "" && b.rank() < a.rank() {
		return b
	}
	return a
}

// impact is how severe it is that somebody reaches a port of a component who should not.
func impact(c graph.Component, p graph.Port) Severity {
	switch {
	case c.App == v1alpha1.NameWrapper && p.Name == graph.BackendPort:
		return High // it believes the gateway alone, whose signature an intruder lacks
	case p.Name == string(openim.GRPC), p.Name == string(openim.HTTP):
		return Critical // whoever reaches an rpc port is administrator; the API mints tokens without a limit on attempts
	case p.Name == string(openim.WebSocket):
		return High
	}
	return Medium // metrics, and the gateway's doors, which authenticate
}

// stepAway is how severe a way in is at which policies still stand: packets that come by it may look as if they came from a node.
func stepAway(s Severity) Severity {
	if s == Critical {
		return High
	}
	return s
}

// isMetrics tells whether a port serves metrics.
func isMetrics(p graph.Port) bool {
	return p.Name == string(openim.Metrics) || p.Name == graph.TelemetryPort
}
