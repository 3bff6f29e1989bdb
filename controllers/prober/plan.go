package prober

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/netpol/evaluate"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// plan is what a run attempts: every target from every namespace.
type plan struct {
	// namespaces with an intruder and a listener each, the stack's own first.
	namespaces []string
	targets    []target
	// cells hold, for each namespace and target, whether the spec and the live policies permit the connection.
	cells [][]cell
	// digest of the whole plan: "RULES.TARGETS", two hexadecimal numbers.
	digest string
}

// cell is what is known of one attempt before it is made.
type cell struct {
	// intended is true when the spec permits the connection: to a listener that is open to all clients.
	intended bool
	// open is true when the live policies permit the connection.
	open bool
	// leaves is true when the live policies permit the intruder's egress. When they do not, the attempt proves nothing.
	leaves bool
	// because names the policies that permit a connection that is open and not intended.
	because string
}

// newPlan returns the plan for a snapshot and one intruder in each namespace.
func newPlan(g graph.Graph, w *snapshot.Snapshot, intruders []*corev1.Pod) (plan, error) {
	var namespaces []string
	for _, intruder := range intruders {
		namespaces = append(namespaces, intruder.Namespace)
	}
	p := plan{namespaces: namespaces, targets: targets(g, w)}
	intended, err := evaluate.New(w.Namespaces, values(graph.Policies(g)))
	if err != nil {
		return p, fmt.Errorf("compiling the stack's own policies: %w", err)
	}
	live, _ := evaluate.New(w.Namespaces, w.Policies) // an invalid policy permits nothing, and the audit reports it
	for _, intruder := range intruders {
		from := evaluate.End{Pod: intruder}
		row := make([]cell, len(p.targets))
		for i, t := range p.targets {
			to := evaluate.End{Pod: t.pod}
			if t.service == "" {
				to.Address = t.address.Addr()
			}
			verdict := live.Connect(from, to, t.port.Number, t.port.Protocol)
			c := cell{
				intended: intended.Connect(from, to, t.port.Number, t.port.Protocol).Open,
				open:     verdict.Open, leaves: verdict.Egress.Allowed,
			}
			if c.open && !c.intended {
				c.because = because(verdict)
			}
			row[i] = c
		}
		p.cells = append(p.cells, row)
	}
	p.digest = hash(ruleLines(g, w, namespaces)) + "." + hash(p.targetLines())
	return p, nil
}

// expectedIntruders returns the intruders of a future run as policies will select them: by their labels. Their addresses are not known yet.
func expectedIntruders(g graph.Graph, namespaces []string) []*corev1.Pod {
	var all []*corev1.Pod
	for _, namespace := range namespaces {
		labels := podLabels(types.NamespacedName{Namespace: g.Namespace, Name: g.Stack}, "0")
		all = append(all, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: roleIntruder, Namespace: namespace, Labels: labels}})
	}
	return all
}

// because names the policies that permit a connection.
func because(v evaluate.Verdict) string {
	if !v.Ingress.Isolated {
		return "no NetworkPolicy selects the pod"
	}
	var names []string
	for _, r := range v.Ingress.Rules {
		names = append(names, "NetworkPolicy "+r.Policy.String())
	}
	if slices.Sort(names); len(names) > 0 {
		return strings.Join(slices.Compact(names), ", ")
	}
	return v.Ingress.Unenforceable
}

// blockingPolicies names the policies that forbid a connection between two pods of the probe, empty when none does.
func blockingPolicies(w *snapshot.Snapshot, from, to *corev1.Pod, address netip.AddrPort) string {
	live, _ := evaluate.New(w.Namespaces, w.Policies)
	v := live.Connect(evaluate.End{Pod: from}, evaluate.End{Pod: to, Address: address.Addr()}, int32(address.Port()), corev1.ProtocolTCP)
	var names []string
	for _, side := range []evaluate.Side{v.Egress, v.Ingress} {
		if !side.Allowed {
			for _, name := range side.Isolating {
				names = append(names, "NetworkPolicy "+name.String())
			}
		}
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}

// ruleLines returns everything that decides a plan's cells, in lines: live policies, intended policies, policies of other kinds, and
// namespace labels.
func ruleLines(g graph.Graph, w *snapshot.Snapshot, namespaces []string) []string {
	var lines []string
	add := func(name string, spec networkingv1.NetworkPolicySpec) {
		text, _ := json.Marshal(spec) //nolint:errchkjson // plain data
		lines = append(lines, name+string(text))
	}
	for _, p := range w.Policies {
		if slices.Contains(namespaces, p.Namespace) {
			add("live "+p.Namespace+"/"+p.Name, p.Spec)
		}
	}
	for _, p := range graph.Policies(g) {
		add("meant "+p.Name, p.Spec)
	}
	for _, p := range w.OtherPolicies {
		lines = append(lines, fmt.Sprint("other ", p.Kind, " ", p.NamespacedName))
	}
	for _, n := range w.Namespaces {
		if slices.Contains(namespaces, n.Name) {
			text, _ := json.Marshal(n.Labels) //nolint:errchkjson // plain data
			lines = append(lines, "namespace "+n.Name+string(text))
		}
	}
	return lines
}

// targetLines returns the targets and their cells, in lines.
func (p plan) targetLines() []string {
	var lines []string
	for i, t := range p.targets {
		for n := range p.cells {
			lines = append(lines, fmt.Sprint(n, " ", t, " ", t.address, " ", t.pod.UID, " ", p.cells[n][i].intended, " ", p.cells[n][i].open))
		}
	}
	return lines
}

func hash(lines []string) string {
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:12])
}

func values(policies []*networkingv1.NetworkPolicy) []networkingv1.NetworkPolicy {
	all := make([]networkingv1.NetworkPolicy, len(policies))
	for i, p := range policies {
		all[i] = *p
	}
	return all
}
