package audit

import (
	"time"

	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// Schema is the version of Report as JSON. New fields keep the version; a field that is removed or changes its meaning makes a new version.
const Schema = "openimstack.dev/audit/v1"

// Verdict sums a report up.
type Verdict string

// Verdicts.
const (
	// VerdictSealed means that everything that decides was read, and lets through what is intended and nothing else.
	VerdictSealed Verdict = "Sealed"
	// VerdictFindings means that there are findings of severity Medium or above.
	VerdictFindings Verdict = "Findings"
	// VerdictCouldNotTell means that something that decides could not be read, and that no finding of Medium or above is in the rest.
	VerdictCouldNotTell Verdict = "CouldNotTell"
)

// Severity of a finding.
type Severity string

// Severities. Critical: OpenIM, or one of its stores, is reached past the wrapper. High: one step away from that. Medium: the lockdown is
// weaker than intended. Low: worth knowing; does not change the verdict.
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
	Source snapshot.Origin `json:"source"`
	// Time of the snapshot, RFC 3339, UTC, to the second. Left out when none was given.
	Time time.Time `json:"time,omitzero"`
	// Digest of the objects that decide, "sha256:" and hexadecimal digits: equal digests, equal verdicts.
	Digest  string  `json:"digest"`
	Verdict Verdict `json:"verdict"`
	Counts  Counts  `json:"counts"`
	// Connections that the stack intends.
	Connections []Connection `json:"connections"`
	// Cells of the truth table: each source, each port.
	Cells []Cell `json:"cells"`
	// Exceptions are bounded openings that the spec requests.
	Exceptions []Exception `json:"exceptions"`
	// Findings, the most severe first.
	Findings []Finding `json:"findings"`
	// Unread are kinds of objects that could not be read.
	Unread []snapshot.Unread `json:"unread"`
	// Notes hold what an audit of objects cannot see, a few sentences each.
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
	// Unexpected cells are open and should be denied, or the reverse.
	Unexpected int              `json:"unexpected"`
	Findings   map[Severity]int `json:"findings"`
	// Excepted findings. They are counted by severity, too.
	Excepted int `json:"excepted,omitempty"`
}

// Connection is an edge of the graph: an intended connection.
type Connection struct {
	From string `json:"from"`
	To   string `json:"to"`
	// FromInside and ToInside are true for components of the stack.
	FromInside bool   `json:"fromInside"`
	ToInside   bool   `json:"toInside"`
	Ports      []Port `json:"ports"`
	Reason     string `json:"reason"`
	// Peers describe the end that is outside: "anyone", "pods k8s-app=kube-dns in namespaces kubernetes.io/metadata.name=kube-system".
	Peers []string `json:"peers,omitempty"`
	// Direction as the stack sees it: Ingress, Egress, or Internal.
	Direction string `json:"direction"`
	// Field of the spec that requests it. Left out when every stack has it.
	Field string `json:"field,omitempty"`
}

// Port of a component or a peer.
type Port struct {
	Name     string `json:"name"`
	Number   int32  `json:"number"`
	Protocol string `json:"protocol"`
}

// Cell is one statement of the truth table, expected and evaluated.
type Cell struct {
	// From is a component, a peer, or an unexpected source such as "intruder".
	From string `json:"from"`
	To   string `json:"to"`
	Port Port   `json:"port"`
	// Expected and Evaluated are true when the connection is open.
	Expected  bool `json:"expected"`
	Evaluated bool `json:"evaluated"`
	// Decided holds what decides, egress first: rules that let the connection through, or policies that deny it.
	Decided []Decision `json:"decided"`
}

// Decision is one side of a verdict.
type Decision struct {
	// Direction is Ingress or Egress.
	Direction string `json:"direction"`
	Allowed   bool   `json:"allowed"`
	// Policy that decides, "namespace/name". Empty when no policy selects the pod.
	Policy string `json:"policy,omitempty"`
	// Rule of the policy, from 0. Absent when the policy denies because no rule of it matches.
	Rule *int `json:"rule,omitempty"`
	// Reason for people.
	Reason string `json:"reason"`
}

// Exception is a bounded opening that the spec requests.
type Exception struct {
	// Name, for example "WebSocketDirect".
	Name string `json:"name"`
	// Field of the spec that requests it.
	Field string `json:"field"`
	// Lets says what it lets through, and to which sources.
	Lets string `json:"lets"`
	// Risk that the opening brings.
	Risk string `json:"risk"`
}

// Finding is one fault: an object that opens the stack, or weakens its lockdown.
type Finding struct {
	// Kind of finding, a stable name such as ForeignPolicyWidens.
	Kind     string   `json:"kind"`
	Severity Severity `json:"severity"`
	Object   Object   `json:"object"`
	// Reason says what is wrong with the object.
	Reason string `json:"reason"`
	// Lets says what the object lets through: which sources reach which ports.
	Lets string `json:"lets"`
	// Fix says how to close it.
	Fix string `json:"fix"`
	// Ports of the stack that are concerned, "component:number".
	Ports []string `json:"ports,omitempty"`
	// Location of the object's manifest. Left out for a cluster, and for objects that no manifest holds.
	Location *snapshot.Location `json:"location,omitempty"`
	// Excepted is set when somebody has accepted the finding for a time. The finding stays in the report and does not fail an audit.
	Excepted *Acceptance `json:"excepted,omitempty"`
	// store that is concerned, as cells name it. It is not part of the JSON: Ports are the stack's own.
	store string
}

// Acceptance of a finding, by somebody who reviewed it.
type Acceptance struct {
	Reason string `json:"reason"`
	// Expires is the day, in UTC, from which the acceptance no longer counts: "2026-12-31".
	Expires string `json:"expires"`
}

// Object of a finding.
type Object struct {
	APIVersion string `json:"apiVersion,omitempty"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name"`
}
