package explain

import (
	"fmt"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/netpol/evaluate"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
)

func openOrClosed(open bool) string {
	if open {
		return "open"
	}
	return "closed"
}

// text returns the explanation as it is printed.
func (e *explanation) text() string {
	var b strings.Builder
	port := e.port.String()
	if e.port.Name != "" {
		port += " (" + e.port.Name + ")"
	}
	fmt.Fprintf(&b, "%s -> %s, port %s: %s\n", e.from.words, e.to.words, port, strings.ToUpper(openOrClosed(e.open)))
	fmt.Fprintf(&b, "intended: %s\n", e.intent())
	if e.fromNode() {
		fmt.Fprintf(&b, "warning: %s is on its node's network, or a node: no selector of a policy matches it, "+
			"and from its own node no policy stops it\n", e.from.words)
	}
	for _, line := range e.decided {
		fmt.Fprintf(&b, "decided by %s\n", line)
	}
	if e.live.NoPath != "" {
		fmt.Fprintf(&b, "no path, whatever the policies are: %s\n", e.live.NoPath)
	}
	e.side(&b, "leaving "+e.from.words, "out", e.live.Egress, e.intended.Egress, e.from)
	e.side(&b, "arriving at "+e.to.words, "in", e.live.Ingress, e.intended.Ingress, e.to)
	fmt.Fprintf(&b, "\nwhat would change it:\n")
	for _, line := range e.advice() {
		fmt.Fprintf(&b, "  - %s\n", line)
	}
	if why := e.unknown(); len(why) > 0 {
		fmt.Fprintf(&b, "\nnot everything that decides could be read:\n")
		for _, line := range why {
			fmt.Fprintf(&b, "  - %s\n", line)
		}
	}
	return b.String()
}

// intent returns whether the connection should be open, and why.
func (e *explanation) intent() string {
	words := openOrClosed(e.meant)
	if !e.meant {
		return words
	}
	for _, c := range e.edges {
		words += fmt.Sprintf("; %s", c.Reason)
		if c.Exception != "" {
			words += fmt.Sprintf(" (exception %s)", c.Exception)
		}
	}
	return words
}

// side writes how the policies of one end decide.
func (e *explanation) side(b *strings.Builder, where, way string, side, intended evaluate.Side, at end) {
	fmt.Fprintf(b, "\n%s: %s\n", where, map[bool]string{true: "let " + way, false: "blocked"}[side.Allowed])
	switch {
	case side.Unenforceable != "":
		fmt.Fprintf(b, "  no policy is enforced here: %s\n", side.Unenforceable)
	case at.Pod == nil:
		fmt.Fprintf(b, "  no policy applies to an address outside the cluster\n")
	case !side.Isolated:
		fmt.Fprintf(b, "  no policy selects the pod, so everything is let %s\n", way)
	}
	if side.Isolated {
		fmt.Fprintf(b, "  selected by %s\n", list(side.Isolating))
	}
	for _, rule := range side.Rules {
		why := ""
		if c, ok := e.edge(rule); ok && slices.Contains(intended.Rules, rule) {
			why = ": " + c.Reason
		}
		fmt.Fprintf(b, "  let %s by rule %d of NetworkPolicy %s%s\n", way, rule.Index, rule.Policy, why)
	}
	if side.Isolated && len(side.Rules) == 0 && side.Unenforceable == "" {
		fmt.Fprintf(b, "  none of their rules lets the connection %s\n", way)
	}
}

// list returns names, separated by commas.
func list(names []types.NamespacedName) string {
	var all []string
	for _, n := range names {
		all = append(all, n.String())
	}
	return strings.Join(all, ", ")
}

// advice returns what would change the present state, one line each.
func (e *explanation) advice() []string {
	switch {
	case e.open && e.meant:
		return e.toRevoke()
	case e.open:
		return e.toClose()
	case e.meant:
		return e.toRepair()
	default:
		return e.toOpen()
	}
}

// toRevoke returns how to close a connection that is intended: the fields of the spec that request it.
func (e *explanation) toRevoke() []string {
	var lines []string
	for _, c := range e.edges {
		if c.Field != "" {
			lines = append(lines, fmt.Sprintf("the connection is open because of %s: change that", c.Field))
		}
	}
	if len(lines) == 0 {
		return []string{"nothing in the spec: every stack needs the connection"}
	}
	return lines
}

// toClose returns how to close a connection that is not intended: the rules that are not the stack's, and the sides on which the stack's
// policies are missing.
func (e *explanation) toClose() []string {
	var lines []string
	for _, s := range []struct {
		live, intended evaluate.Side
		at             end
	}{{e.live.Egress, e.intended.Egress, e.from}, {e.live.Ingress, e.intended.Ingress, e.to}} {
		if !s.live.Allowed || permits(s.intended) {
			continue
		}
		if s.live.Unenforceable != "" {
			lines = append(lines, fmt.Sprintf("no policy: %s. Take the other end off its node's network, or keep it from the nodes of %s",
				s.live.Unenforceable, s.at.words))
		}
		if !s.live.Isolated {
			lines = append(lines, fmt.Sprintf("restore NetworkPolicy %s/%s: the operator does, unless the stack is suspended",
				e.stack.Object.Namespace, v1alpha1.ChildName(e.stack.Object.Name, graph.DefaultDeny)))
		}
		for _, rule := range s.live.Rules {
			if e.isOwn(rule.Policy) {
				lines = append(lines, fmt.Sprintf(
					"NetworkPolicy %s is the stack's own and was changed: the operator restores it, unless the stack is suspended", rule.Policy))
				continue
			}
			lines = append(lines, fmt.Sprintf("delete NetworkPolicy %s, or narrow its %s rule %d",
				rule.Policy, strings.ToLower(string(rule.Direction)), rule.Index))
		}
	}
	if len(lines) == 0 { // each side is intended for another connection, and this pair is not
		lines = append(lines, "see `"+cli.Name+" audit` for what lets the connection through")
	}
	return slices.Compact(lines)
}

// isOwn reports whether a policy has the name of one of the stack's.
func (x *explainer) isOwn(policy types.NamespacedName) bool {
	return slices.ContainsFunc(graph.Policies(x.stack.Graph), func(p *networkingv1.NetworkPolicy) bool {
		return p.Namespace == policy.Namespace && p.Name == policy.Name
	})
}

// toRepair returns how to open a connection that the stack needs.
func (e *explanation) toRepair() []string {
	var lines []string
	for _, s := range []struct {
		words          string
		live, intended evaluate.Side
	}{{e.from.words, e.live.Egress, e.intended.Egress}, {e.to.words, e.live.Ingress, e.intended.Ingress}} {
		if s.live.Allowed {
			continue
		}
		if !s.intended.Isolated {
			lines = append(lines, fmt.Sprintf("%s is blocked by policies of its own, %s: allow the connection there",
				s.words, list(s.live.Isolating)))
			continue
		}
		for _, rule := range s.intended.Rules {
			lines = append(lines, fmt.Sprintf(
				"rule %d of NetworkPolicy %s is missing or changed: the operator restores it, unless the stack is suspended", rule.Index, rule.Policy))
		}
	}
	if len(lines) == 0 && e.live.NoPath != "" {
		lines = append(lines, "the pods themselves: "+e.live.NoPath)
	}
	return lines
}

// toOpen returns how to open a connection that is closed as intended: the field of the spec for it, or the intended path.
func (e *explanation) toOpen() []string {
	if e.to.component == "" && e.from.component == "" {
		return []string{"nothing in the spec: a store is for the stack alone"}
	}
	if e.to.component == "" {
		return []string{fmt.Sprintf("spec.network.extraEgress, which lets %s reach the destinations that it names. It is an exception, "+
			"and the audit lists it", e.from.component)}
	}
	for _, d := range exposedPorts() {
		if d.component == e.to.component && d.port == e.port.Name && e.from.component == "" {
			return []string{fmt.Sprintf("%s: %s", d.field, d.what)}
		}
	}
	if e.port.ServesMetrics() && e.from.component == "" {
		return []string{"spec.network.monitoring: name the pods that may read metrics"}
	}
	lines := []string{"nothing in the spec: the lockdown exists to keep this closed"}
	if allowed := e.allowedSources(); len(allowed) > 0 {
		lines = append(lines, fmt.Sprintf("%s may reach this port: connect through that", strings.Join(allowed, ", ")))
	}
	return lines
}

// exposure is a field of the spec that opens a port to sources outside the stack.
type exposure struct{ component, port, field, what string }

// exposedPorts returns the ports that a field of the spec opens.
func exposedPorts() []exposure {
	return []exposure{
		{v1alpha1.ComponentGateway, graph.UsersPort, "spec.network.clients", "name the client there"},
		{v1alpha1.ComponentGateway, graph.AdminPort, "spec.network.admins", "name the administrator there"},
		{
			string(openim.MsgGateway), string(openim.WebSocket), "spec.network.webSocket",
			"Direct opens the port to spec.network.webSocketClients, past the gateway. It is an exception, and the audit lists it with its risk",
		},
	}
}

// allowedSources returns the names of the sources that may reach the port, without components that nobody can connect through.
func (e *explanation) allowedSources() []string {
	var names []string
	for _, c := range e.stack.Graph.EdgesTo(e.to.component) {
		if from, ok := graph.Lookup(c.From.Name); ok && c.From.Inside && from.OnDemand {
			continue
		}
		for _, p := range c.Ports {
			if p.Number == e.port.Number && p.Protocol == e.port.Protocol && !slices.Contains(names, c.From.Name) {
				names = append(names, c.From.Name)
			}
		}
	}
	return names
}
