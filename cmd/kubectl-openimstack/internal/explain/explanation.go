package explain

import (
	"fmt"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/load"
	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/evaluate"
	"github.com/openimstack/openim-operator/netpol/graph"
)

// explainer explains connections of one stack. It compiles the policies once.
type explainer struct {
	stack    *load.Stack
	compiled *compiled
}

// compiled are evaluators of the policies: of the snapshot, of the stack, and of the part of the stack's that lets outsiders in.
type compiled struct {
	live, whole, outsiders *evaluate.Evaluator
	// invalid names policies of the snapshot that the API server would refuse.
	invalid error
}

// explanation of one connection.
type explanation struct {
	*explainer

	from, to end
	port     graph.Port
	// live is the verdict of the policies of the snapshot, intended that of the stack's policies alone.
	live, intended evaluate.Verdict
	// open reports whether the connection is open, meant whether it should be. A connection that no policy can stop is open; that does not
	// make it meant.
	open, meant bool
	// edges of the graph that the connection belongs to.
	edges []graph.Edge
	// decided holds the deciding rules by the audit, where the audit judges more than these two ends.
	decided []string
	// invalid names policies that the API server would refuse.
	invalid error
}

// explain judges one connection, given as on the command line.
func (x *explainer) explain(from, to, port string) (*explanation, error) {
	e := &explanation{explainer: x}
	var err error
	if e.from, err = x.end(from); err != nil {
		return nil, err
	}
	if e.to, err = x.end(to); err != nil {
		return nil, err
	}
	if e.port, err = portOf(port, e.to); err != nil {
		return nil, err
	}
	if e.from.component == "" && e.to.component == "" && !x.isUnexpectedSource(from, to) {
		return nil, fmt.Errorf("neither %s nor %s is a component of OpenIMStack %s: name one of them, or an unexpected source and a store",
			from, to, x.stack.Name())
	}
	// A pod that merely carries the labels of a component gets the rights that outsiders have, and no more: whether it is the component is
	// decided by its controller.
	policies, err := x.compile()
	if err != nil {
		return nil, err
	}
	e.invalid = policies.invalid
	intended := policies.whole
	if e.from.component == "" {
		intended = policies.outsiders
	}
	e.live = judge(policies.live, e.from, e.to, e.port)
	e.intended = judge(intended, e.from, e.to, e.port)
	e.open = e.live.Open
	if e.from.component == "" && e.to.component == "" {
		// For a synthetic source only ingress is evaluated; its egress policies are unknown.
		e.open = e.live.NoPath == "" && e.live.Ingress.Allowed
		return e, nil
	}
	e.meant = e.intended.NoPath == "" && permits(e.intended.Egress) && permits(e.intended.Ingress)
	e.intended = judge(policies.whole, e.from, e.to, e.port) // its rules have the same indexes as the live ones
	if e.meant {
		e.edges = x.edges(e.intended)
	}
	return e, nil
}

// compile returns the evaluators of the policies.
func (x *explainer) compile() (*compiled, error) {
	if x.compiled != nil {
		return x.compiled, nil
	}
	c := &compiled{}
	c.live, c.invalid = evaluate.New(x.stack.Snapshot.Namespaces, x.stack.Snapshot.Policies)
	var err error
	if c.whole, err = x.evaluatorOf(x.stack.Graph); err != nil {
		return nil, err
	}
	// What outsiders may reach is what the policies allow without the edges that begin at a component.
	outside := x.stack.Graph
	outside.Edges = slices.DeleteFunc(slices.Clone(outside.Edges), func(c graph.Edge) bool { return c.From.Inside })
	if c.outsiders, err = x.evaluatorOf(outside); err != nil {
		return nil, err
	}
	x.compiled = c
	return c, nil
}

// evaluatorOf compiles the policies of a graph.
func (x *explainer) evaluatorOf(g graph.Graph) (*evaluate.Evaluator, error) {
	var own []networkingv1.NetworkPolicy
	for _, p := range graph.Policies(g) {
		own = append(own, *p)
	}
	e, err := evaluate.New(x.stack.Snapshot.Namespaces, own)
	if err != nil {
		return nil, fmt.Errorf("the spec of OpenIMStack %s makes invalid policies: %w", x.stack.Name(), err)
	}
	return e, nil
}

// adopt takes the audit's answer for a connection for which the audit has a cell. The audit judges all pods of a component, and all ends
// of a peer.
func (e *explanation) adopt(r audit.Report, from, to string) {
	i := slices.IndexFunc(r.Cells, func(c audit.Cell) bool {
		return c.From == from && c.To == to && c.Port.Number == e.port.Number && c.Port.Protocol == string(e.port.Protocol)
	})
	if i < 0 {
		return
	}
	e.open, e.meant = r.Cells[i].Evaluated, r.Cells[i].Expected
	if e.open != e.live.Open {
		for _, d := range r.Cells[i].Decided {
			e.decided = append(e.decided, decision(d))
		}
	}
}

// decision returns the text of one deciding rule of the audit.
func decision(d audit.Decision) string {
	words := strings.ToLower(d.Direction) + ": " + d.Reason
	if d.Policy != "" {
		words += " (NetworkPolicy " + d.Policy + ")"
	}
	return words
}

// permits reports whether a side lets a connection through by a rule, or is not isolated.
func permits(side evaluate.Side) bool { return !side.Isolated || len(side.Rules) > 0 }

// judge returns the verdict of policies. A connection from a component to itself is judged as one between two replicas: a pod always
// reaches itself.
func judge(evaluator *evaluate.Evaluator, from, to end, port graph.Port) evaluate.Verdict {
	if from.component != "" && from.component == to.component {
		return evaluator.Between(evaluator.ClassOf(from.End), evaluator.ClassOf(to.End), port.Number, port.Protocol)
	}
	return evaluator.Connect(from.End, to.End, port.Number, port.Protocol)
}

// edges returns the edges of the graph whose rules let a connection through, each once.
func (x *explainer) edges(intended evaluate.Verdict) []graph.Edge {
	var found []graph.Edge
	seen := map[string]bool{}
	for _, rule := range append(intended.Egress.Rules, intended.Ingress.Rules...) {
		if c, ok := x.edge(rule); ok && !seen[c.ID] {
			seen[c.ID] = true
			found = append(found, c)
		}
	}
	return found
}

// edge returns the edge from which a rule of the stack's own policies is made. A policy's rules are in the order of its edges.
func (x *explainer) edge(rule evaluate.Rule) (graph.Edge, bool) {
	if rule.Policy.Namespace != x.stack.Object.Namespace {
		return graph.Edge{}, false
	}
	g := x.stack.Graph
	for _, c := range g.Components {
		edges := g.EdgesTo(c.Name)
		if rule.Direction == networkingv1.PolicyTypeEgress {
			edges = g.EdgesFrom(c.Name)
		}
		if g.PolicyName(c.Name, rule.Direction) == rule.Policy.Name && rule.Index < len(edges) {
			return edges[rule.Index], true
		}
	}
	return graph.Edge{}, false
}

// unknown returns what could not be read or is not evaluated, one line each.
func (e *explanation) unknown() []string {
	var why []string
	for _, u := range e.stack.Snapshot.Unread {
		why = append(why, u.Kind+": "+u.Reason)
	}
	for _, p := range e.stack.Snapshot.OtherPolicies {
		object := strings.TrimPrefix(p.Namespace+"/"+p.Name, "/")
		why = append(why, fmt.Sprintf("%s %s is of a kind that is not evaluated", p.Kind, object))
	}
	if e.invalid != nil {
		why = append(why, e.invalid.Error())
	}
	return append(why, e.stack.Problems...)
}

// leak reports whether the connection is open and should be closed. A source on a node's network is not a leak by itself: to policies the
// source is the node, and no policy stops what comes from a pod's own node. The audit reports that in its notes.
func (e *explanation) leak() bool { return e.open && !e.meant && !e.fromNode() }

// broken reports whether the stack needs the connection and it is closed.
func (e *explanation) broken() bool { return !e.open && e.meant && e.from.component != "" }

// fromNode reports whether the connection is open only because the source may be on the node where the component's pod runs.
func (e *explanation) fromNode() bool {
	why := e.live.Ingress
	return e.from.component == "" && why.Isolated && len(why.Rules) == 0 &&
		(why.Unenforceable == evaluate.OwnNode || why.Unenforceable == evaluate.MaybeOwnNode)
}
