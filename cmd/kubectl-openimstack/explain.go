package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/openimstack/openim-operator/controllers/lockdown"
	"github.com/openimstack/openim-operator/controllers/lockdown/evaluate"
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
	_, err = fmt.Fprint(p.out, e.text())
	return e.exit(), err
}

// explanation of one connection.
type explanation struct {
	view     *view
	from, to end
	port     lockdown.Port
	// live is what the policies of the snapshot say, intended what those of the stack alone would.
	live, intended evaluate.Verdict
	// meant is true when it should be open. What no policy can stop is open, and not for that reason meant.
	meant bool
	// edges of the graph that the connection is one of.
	edges []lockdown.Connection
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
	if e.from.component == "" && e.to.component == "" {
		return nil, fmt.Errorf("neither %s nor %s is a component of OpenIMStack %s: name one of them", from, to, v.name())
	}
	var live *evaluate.Evaluator
	live, e.invalid = evaluate.New(v.world.Namespaces, v.world.Policies)
	var own []networkingv1.NetworkPolicy
	for _, p := range lockdown.Policies(v.graph) {
		own = append(own, *p)
	}
	intended, err := evaluate.New(v.world.Namespaces, own)
	if err != nil {
		return nil, fmt.Errorf("the spec of OpenIMStack %s makes policies that are not valid: %w", v.name(), err)
	}
	e.live = judge(live, e.from, e.to, e.port)
	e.intended = judge(intended, e.from, e.to, e.port)
	e.meant = e.intended.NoPath == "" && asks(e.intended.Egress) && asks(e.intended.Ingress)
	e.edges = v.edges(e.intended)
	return e, nil
}

// asks tells whether a side lets a connection through by a rule, or has nothing to say.
func asks(side evaluate.Side) bool { return !side.Isolated || len(side.Rules) > 0 }

// judge judges a connection. From a component to itself it is one to another replica: a pod always reaches itself.
func judge(evaluator *evaluate.Evaluator, from, to end, port lockdown.Port) evaluate.Verdict {
	if from.component != "" && from.component == to.component {
		return evaluator.Between(evaluator.Single(from.End), evaluator.Single(to.End), port.Number, port.Protocol)
	}
	return evaluator.Connect(from.End, to.End, port.Number, port.Protocol)
}

// edges of the graph whose rules let a connection through. Rules of the stack's policies are in the order of the edges.
func (v *view) edges(intended evaluate.Verdict) []lockdown.Connection {
	var found []lockdown.Connection
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
func (v *view) edge(rule evaluate.Rule) (lockdown.Connection, bool) {
	if rule.Policy.Namespace != v.stack.Namespace {
		return lockdown.Connection{}, false
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
	return lockdown.Connection{}, false
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

// leak is true when it is open and should not be; broken when the stack needs it and it is shut.
func (e *explanation) leak() bool   { return e.live.Open && !e.meant }
func (e *explanation) broken() bool { return !e.live.Open && e.meant && e.from.component != "" }

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
