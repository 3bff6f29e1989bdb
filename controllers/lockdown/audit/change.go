package audit

import (
	"fmt"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/lockdown"
	"github.com/openimstack/openim-operator/controllers/lockdown/evaluate"
	"github.com/openimstack/openim-operator/controllers/openim"
)

// closing says what would shut a connection that is open. One side is enough.
func (s *scene) closing(e Explanation, v evaluate.Verdict) []string {
	changes := []string{}
	if e.Intended && e.Field != "" {
		changes = append(changes, fmt.Sprintf("The spec asks for it: change %s of OpenIMStack %s/%s.", e.Field, s.graph.Namespace, s.graph.Stack))
	}
	if e.Intended && e.Field == "" {
		changes = append(changes, "Every stack needs it: the operator puts it back when it is taken away.")
	}
	for _, judged := range []struct {
		direction string
		side      evaluate.Side
	}{{egress, v.Egress}, {ingress, v.Ingress}} {
		switch side := judged.side; {
		case !side.Allowed:
		case side.Unenforceable != "":
			changes = append(changes, fmt.Sprintf("%s: no policy can shut it here: %s.", judged.direction, side.Unenforceable))
		case !side.Isolated:
			changes = append(changes, fmt.Sprintf("%s: a NetworkPolicy that selects the pod with policyTypes [%s] would shut it.", judged.direction, judged.direction))
		default:
			changes = append(changes, fmt.Sprintf("%s: it shuts when no rule lets it through any more; these do: %s.", judged.direction, list(s.rulesOf(side))))
		}
	}
	return changes
}

func (s *scene) rulesOf(side evaluate.Side) []string {
	var words []string
	for _, r := range side.Rules {
		owner := ""
		if r.Policy.Namespace == s.graph.Namespace && s.wanted[r.Policy.Name] != nil {
			owner = " (the stack's own)"
		}
		words = append(words, fmt.Sprintf("rule %d of %s%s", r.Index, text(r.Policy), owner))
	}
	return words
}

// opening says what would open a connection that is shut. Each side that denies needs it.
func (s *scene) opening(from, to party, p lockdown.Port, v evaluate.Verdict) []string {
	changes := []string{}
	if v.NoPath != "" {
		changes = append(changes, "Nothing opens it: "+v.NoPath+".")
	}
	if s.intends(from, to, p) {
		changes = append(changes, "It is intended: a policy of the stack's is missing or changed, or a policy at the other end denies it. The audit's findings say which.")
	} else {
		changes = append(changes, s.bySpec(from, to, p)...)
	}
	if !v.Egress.Allowed {
		changes = append(changes, fmt.Sprintf("Egress: a rule to %s, port %s, in a NetworkPolicy that selects %s.", to.name, p, from.name))
	}
	if !v.Ingress.Allowed {
		changes = append(changes, fmt.Sprintf("Ingress: a rule from %s, port %s, in a NetworkPolicy that selects %s.", from.name, p, to.name))
	}
	if !v.Egress.Allowed && !v.Ingress.Allowed {
		changes = append(changes, "Both sides must let it through.")
	}
	return changes
}

// bySpec names the field with which the operator itself would open a connection, or says that there is none.
func (s *scene) bySpec(from, to party, p lockdown.Port) []string {
	field := ""
	switch {
	case from.component != nil && to.component == nil:
		field = "spec.network.extraEgress"
	case from.component != nil || to.component == nil:
	case isMetrics(p):
		field = "spec.network.monitoring"
	case to.component.Name == v1alpha1.ComponentGateway && p.Name == lockdown.UsersPort:
		field = "spec.network.clients"
	case to.component.Name == v1alpha1.ComponentGateway && p.Name == lockdown.AdminPort:
		field = "spec.network.admins"
	case to.component.Name == string(openim.MsgGateway) && p.Name == string(openim.WebSocket):
		field = "spec.network.webSocket: Direct with spec.network.webSocketClients, an exception whose risk the audit lists"
	case to.component.Name == string(openim.API) && p.Name == string(openim.HTTP):
		field = "spec.wrapper.externalRef, which puts a wrapper of your own in the place of gateway and backend"
	}
	if field != "" {
		return []string{fmt.Sprintf("By the spec: %s.", field)}
	}
	if to.component == nil {
		return nil
	}
	return []string{"Nothing in the spec opens it, on purpose: a NetworkPolicy that does is a finding of the audit."}
}
