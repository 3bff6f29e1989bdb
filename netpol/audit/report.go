package audit

import (
	"time"

	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// Schema is the version of Report as JSON. Fields are added under the same version; one that is removed or changes its meaning makes
// a new one.
const Schema = "openimstack.dev/audit/v1"

// Verdict sums a report up.
type Verdict string

// Verdicts.
const (
	// Sealed: everything that decides was read, and lets through what is intended and nothing else.
	Sealed Verdict = "Sealed"
	// Open: there are findings, of severity Medium or above.
	Open Verdict = "Findings"
	// Unknown: something that decides could not be read, and nothing was found in what could.
	Unknown Verdict = "CouldNotTell"
)

// Severity of a finding.
type Severity string

// Severities. Critical: OpenIM, or a store of it, is reached past the wrapper. High: one step away from that. Medium: the boundary
// is weaker than intended. Low: worth knowing; does not spoil the verdict.
const (
	Critical Severity = "Critical"
	High     Severity = "High"
	Medium   Severity = "Medium"
	Low      Severity = "Low"
)

// Report is the audit of one stack.
type Report struct {
	Schema string          `json:"schema"`
	Stack  Stack           `json:"stack"`
	Source snapshot.Source `json:"source"`
	// Time of the snapshot, RFC 3339, UTC, to the second. Left out when none was given.
	Time time.Time `json:"time,omitzero"`
	// Digest of the objects that were judged, "sha256:" and hexadecimal digits: equal digests, equal verdicts.
	Digest  string  `json:"digest"`
	Verdict Verdict `json:"verdict"`
	Counts  Counts  `json:"counts"`
	// Connections that are intended.
	Connections []Connection `json:"connections"`
	// Cells of the truth table: each source, each port.
	Cells []Cell `json:"cells"`
	// Exceptions are bounded openings that the spec asks for.
	Exceptions []Exception `json:"exceptions"`
	// Findings, the most severe first.
	Findings []Finding `json:"findings"`
	// Unread are kinds that could not be read.
	Unread []snapshot.Unread `json:"unread"`
	// Notes name what an audit of objects cannot see, one sentence each.
	Notes []string `json:"notes"`
}

// Stack names what was audited.
type Stack struct {
	Namespace  string `json:"namespace"`
	Name       string `json:"name"`
	Generation int64  `json:"generation,omitempty"`
	Version    string `json:"version"`
}

// Counts of a report.
type Counts struct {
	Pods        int `json:"pods"`
	Policies    int `json:"policies"`
	Connections int `json:"connections"`
	Cells       int `json:"cells"`
	Open        int `json:"open"`
	Shut        int `json:"shut"`
	// Unexpected cells are open and should be shut, or the reverse.
	Unexpected int              `json:"unexpected"`
	Findings   map[Severity]int `json:"findings"`
}

// Connection is an intended edge.
type Connection struct {
	From string `json:"from"`
	To   string `json:"to"`
	// FromInside and ToInside are true for components of the stack.
	FromInside bool   `json:"fromInside"`
	ToInside   bool   `json:"toInside"`
	Ports      []Port `json:"ports"`
	Reason     string `json:"reason"`
	// Peers in words, for a party outside: "anyone", "pods k8s-app=kube-dns in namespaces kubernetes.io/metadata.name=kube-system".
	Peers []string `json:"peers,omitempty"`
	// Direction as the stack sees it: Ingress, Egress, or Internal.
	Direction string `json:"direction"`
	// Field of the spec that asks for it. Left out when every stack has it.
	Field string `json:"field,omitempty"`
}

// Port of a component or a party.
type Port struct {
	Name     string `json:"name"`
	Number   int32  `json:"number"`
	Protocol string `json:"protocol"`
}

// Cell is one statement of the truth table, expected and evaluated.
type Cell struct {
	// From is a component, a party of the graph, or a kind of stranger such as "intruder".
	From string `json:"from"`
	To   string `json:"to"`
	Port Port   `json:"port"`
	// Expected and Evaluated are true when the connection is open.
	Expected  bool `json:"expected"`
	Evaluated bool `json:"evaluated"`
	// Decided is what decides, egress first: rules that let it through, or policies that deny it.
	Decided []Decision `json:"decided"`
}

// Decision is one side of a verdict.
type Decision struct {
	// Direction is Ingress or Egress.
	Direction string `json:"direction"`
	Allowed   bool   `json:"allowed"`
	// Policy that decides, "namespace/name". Empty when no policy selects the pod.
	Policy string `json:"policy,omitempty"`
	// Rule within it, from 0. Absent when the policy denies by having no rule that matches.
	Rule *int `json:"rule,omitempty"`
	// Reason in words.
	Reason string `json:"reason"`
}

// Exception is an opening that the spec asks for, and that is narrower than none.
type Exception struct {
	// Name, for example "webSocket: Direct".
	Name string `json:"name"`
	// Field of the spec that asks for it.
	Field string `json:"field"`
	// Lets is what it lets through, to whom.
	Lets string `json:"lets"`
	// Risk in words.
	Risk string `json:"risk"`
}

// Finding is an object that opens the stack, or weakens its boundary.
type Finding struct {
	// Kind of finding, a stable word such as ForeignPolicyWidens.
	Kind     string   `json:"kind"`
	Severity Severity `json:"severity"`
	Object   Object   `json:"object"`
	// Reason is what is wrong with the object.
	Reason string `json:"reason"`
	// Lets is what it lets through: who reaches what.
	Lets string `json:"lets"`
	// Fix says how to close it.
	Fix string `json:"fix"`
	// Ports of the stack that are concerned, "component:number".
	Ports []string `json:"ports,omitempty"`
	// store that is concerned, as cells name it. It is in no document: Ports are the stack's own.
	store string
}

// Object of a finding.
type Object struct {
	APIVersion string `json:"apiVersion,omitempty"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name"`
}
