package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/evaluate"
	"github.com/openimstack/openim-operator/netpol/graph"
)

func explainCommand() command {
	return command{
		name: "explain", usage: "FROM TO PORT", least: 3, most: 3,
		short: "say which rules decide about one connection, and what would change it",
		long: `Says whether one connection is open, which policies and rules decide it on each side, whether it is meant to be so, and what would
change it.

  ` + name + ` explain backend api 10002 -n im
  ` + name + ` explain monitoring/prometheus-0 msggateway metrics -n im
  ` + name + ` explain intruder redis 6379 -n im

FROM and TO are components (gateway, api, ...), parties of the stack (dns, kafka, ...), strangers as the audit names them (intruder,
outside-ipv4, ...), IP addresses, or pods as [namespace/]name. PORT is a number or a name, with /UDP or /SCTP where it is not TCP.`,
		exit: "0 it is as intended, 2 it is open and should not be, or the stack needs it and it is shut, 1 it could not be told.",
		flags: func(flags *pflag.FlagSet, o *options) {
			clusterFlags(flags, o)
			fileFlags(flags, o)
			flags.StringVar(&o.stack, "stack", "", "the stack, when the namespace has several")
		},
		run: runExplain,
	}
}

func runExplain(ctx context.Context, p *program, o *options, args []string) (int, error) {
	var names []string
	if o.stack != "" {
		names = []string{o.stack}
	}
	s, err := p.gather(ctx, o, names)
	if err != nil {
		return exitUnknown, err
	}
	if len(s.views) > 1 {
		return exitUnknown, fmt.Errorf("there are several stacks: choose one of %s with --stack and -n", s.names())
	}
	e, err := s.views[0].explain(args[0], args[1], args[2])
	if err != nil {
		return exitUnknown, err
	}
	e.agree(s.audit(s.views[0]), args[0], args[1])
	_, err = fmt.Fprint(p.out, e.text())
	return e.exit(), err
}

// explanation of one connection.
type explanation struct {
	view     *view
	from, to end
	port     graph.Port
	// live is what the policies of the snapshot say, intended what those of the stack alone would.
	live, intended evaluate.Verdict
	// open is true when it is, meant when it should be. What no policy can stop is open, and not for that reason meant.
	open, meant bool
	// edges of the graph that the connection is one of.
	edges []graph.Connection
	// decided is what decides by the audit, where that looks at more than these two ends.
	decided []string
	// invalid names policies that the API server would refuse.
	invalid error
}

func (v *view) explain(from, to, port string) (*explanation, error) {
	e := &explanation{view: v}
	var err error
	if e.from, err = v.end(from); err != nil {
		return nil, err
	}
	if e.to, err = v.end(to); err != nil {
		return nil, err
	}
	if e.port, err = portOf(port, e.to); err != nil {
		return nil, err
	}
	if e.from.component == "" && e.to.component == "" && !v.stranger(from, to) {
		return nil, fmt.Errorf("neither %s nor %s is a component of OpenIMStack %s: name one of them, or a stranger and a store", from, to, v.name())
	}
	policies, err := v.compile()
	if err != nil {
		return nil, err
	}
	live := policies.live
	e.invalid = policies.invalid
	intended := policies.whole
	if e.from.component == "" { // the labels of a component that it may carry give it no right
		intended = policies.outsiders
	}
	e.live = judge(live, e.from, e.to, e.port)
	e.intended = judge(intended, e.from, e.to, e.port)
	e.open = e.live.Open
	if e.from.component == "" && e.to.component == "" {
		e.open = e.live.NoPath == "" && e.live.Ingress.Allowed // who does not exist yet picks what its own policies are
		return e, nil
	}
	e.meant = e.intended.NoPath == "" && asks(e.intended.Egress) && asks(e.intended.Ingress)
	e.intended = judge(policies.whole, e.from, e.to, e.port) // its rules have the places that the live ones have
	if e.meant {
		e.edges = v.edges(e.intended)
	}
	return e, nil
}

// compiled are the policies of a view: those of the snapshot, those of the stack, and what of these lets outsiders in.
type compiled struct {
	live, whole, outsiders *evaluate.Evaluator
	// invalid names policies of the snapshot that the API server would refuse.
	invalid error
}

func (v *view) compile() (*compiled, error) {
	if v.compiled != nil {
		return v.compiled, nil
	}
	c := &compiled{}
	c.live, c.invalid = evaluate.New(v.world.Namespaces, v.world.Policies)
	var err error
	if c.whole, err = v.policiesOf(v.graph); err != nil {
		return nil, err
	}
	outside := v.graph
	outside.Connections = slices.DeleteFunc(slices.Clone(outside.Connections), func(c graph.Connection) bool { return c.From.Inside })
	if c.outsiders, err = v.policiesOf(outside); err != nil {
		return nil, err
	}
	v.compiled = c
	return c, nil
}

// policiesOf compiles the policies of a graph.
func (v *view) policiesOf(g graph.Graph) (*evaluate.Evaluator, error) {
	var own []networkingv1.NetworkPolicy
	for _, p := range graph.Policies(g) {
		own = append(own, *p)
	}
	e, err := evaluate.New(v.world.Namespaces, own)
	if err != nil {
		return nil, fmt.Errorf("the spec of OpenIMStack %s makes policies that are not valid: %w", v.name(), err)
	}
	return e, nil
}

// stranger reports whether a connection is one from a stranger to a store, of which the audit has a cell.
func (v *view) stranger(from, to string) bool {
	_, is := strangers(v.stack.Namespace)[from]
	return is && slices.ContainsFunc(v.graph.Connections, func(c graph.Connection) bool { return !c.To.Inside && c.To.Name == to })
}

// agree takes the audit's word for a connection of which it has a cell: it tries all pods of a component, and all ends of a party.
func (e *explanation) agree(r audit.Report, from, to string) {
	i := slices.IndexFunc(r.Cells, func(c audit.Cell) bool {
		return c.From == from && c.To == to && c.Port.Number == e.port.Number && c.Port.Protocol == string(e.port.Protocol)
	})
	if i < 0 {
		return
	}
	e.open, e.meant = r.Cells[i].Evaluated, r.Cells[i].Expected
	if e.open != e.live.Open {
		for _, d := range r.Cells[i].Decided {
			e.decided = append(e.decided, decided(d))
		}
	}
}

func decided(d audit.Decision) string {
	words := strings.ToLower(d.Direction) + ": " + d.Reason
	if d.Policy != "" {
		words += " (NetworkPolicy " + d.Policy + ")"
	}
	return words
}

// asks tells whether a side lets a connection through by a rule, or has nothing to say.
func asks(side evaluate.Side) bool { return !side.Isolated || len(side.Rules) > 0 }

// judge judges a connection. From a component to itself it is one to another replica: a pod always reaches itself.
func judge(evaluator *evaluate.Evaluator, from, to end, port graph.Port) evaluate.Verdict {
	if from.component != "" && from.component == to.component {
		return evaluator.Between(evaluator.Single(from.End), evaluator.Single(to.End), port.Number, port.Protocol)
	}
	return evaluator.Connect(from.End, to.End, port.Number, port.Protocol)
}

// edges of the graph whose rules let a connection through. Rules of the stack's policies are in the order of the edges.
func (v *view) edges(intended evaluate.Verdict) []graph.Connection {
	var found []graph.Connection
	seen := map[string]bool{}
	for _, rule := range append(intended.Egress.Rules, intended.Ingress.Rules...) {
		if c, ok := v.edge(rule); ok && !seen[c.ID] {
			seen[c.ID] = true
			found = append(found, c)
		}
	}
	return found
}

// edge for which a rule of the stack's own policies stands.
func (v *view) edge(rule evaluate.Rule) (graph.Connection, bool) {
	if rule.Policy.Namespace != v.stack.Namespace {
		return graph.Connection{}, false
	}
	for _, c := range v.graph.Components {
		edges := v.graph.To(c.Name)
		if rule.Direction == networkingv1.PolicyTypeEgress {
			edges = v.graph.From(c.Name)
		}
		if v.graph.PolicyName(c.Name, rule.Direction) == rule.Policy.Name && rule.Index < len(edges) {
			return edges[rule.Index], true
		}
	}
	return graph.Connection{}, false
}

func (e *explanation) unknown() []string {
	var why []string
	for _, u := range e.view.world.Unread {
		why = append(why, u.Kind+": "+u.Reason)
	}
	for _, p := range e.view.world.OtherPolicies {
		why = append(why, fmt.Sprintf("%s %s is of a kind that is not evaluated", p.Kind, strings.TrimPrefix(p.Namespace+"/"+p.Name, "/")))
	}
	if e.invalid != nil {
		why = append(why, e.invalid.Error())
	}
	return append(why, e.view.problems...)
}

// leak is true when it is open and should not be; broken when the stack needs it and it is shut. What comes from a node's network is no
// leak by itself: to policies it is the node, and what comes from a pod's own node no policy stops (the audit says so in its notes).
func (e *explanation) leak() bool   { return e.open && !e.meant && !e.ofNode() }
func (e *explanation) broken() bool { return !e.open && e.meant && e.from.component != "" }

// ofNode reports whether it is open only because the other end may be on the node where the component's pod runs.
func (e *explanation) ofNode() bool {
	why := e.live.Ingress
	return e.from.component == "" && (why.Unenforceable == evaluate.OwnNode || why.Unenforceable == evaluate.MaybeOwnNode) && why.Isolated && len(why.Rules) == 0
}

func (e *explanation) exit() int {
	switch {
	case e.leak() || e.broken():
		return exitFindings
	case len(e.unknown()) > 0:
		return exitUnknown
	default:
		return exitSealed
	}
}
