package admission

import (
	admissionv1 "k8s.io/api/admissionregistration/v1"
)

// ingresses refuses Ingresses with a backend that is a sealed port of a stack.
func ingresses() spec {
	return spec{
		name:      "ingresses",
		resources: []admissionv1.NamedRuleWithOperations{on("networking.k8s.io", []string{"ingresses"}, admissionv1.Create, admissionv1.Update)},
		variables: append(stackServices(),
			variable("first", "object.spec.?defaultBackend.?service"),
			variable("rules", "object.spec.?rules.orValue([]).map(r, r.?http.?paths.orValue([]))"),
			variable("led", fill(`variables.services.filter(s, variables.first.hasValue() && variables.first.value().name == s && <first> ||
				variables.rules.exists(r, r.exists(p, p.backend.?service.?name.orValue('') == s && <path>)))`,
				"<first>", sealedPort("variables.first.value().?port"), "<path>", sealedPort("p.backend.service.?port"))),
		),
		refusals: []refusal{
			leadsTo("the Ingress leads to sealed ports of an OpenIMStack", "variables.trusted || variables.led.size() == 0 || "+unchanged("spec")),
		},
	}
}

// sealedPort returns an expression that is true when a port of Service s, given by number or name, is sealed. s is a variable of the
// enclosing expression.
func sealedPort(port string) string {
	return fill(`!([string(<port>.?number.orValue(0)), string(<port>.?name.orValue(''))].exists(x, x in variables.open[?s].orValue([])))`,
		"<port>", port)
}

// routes refuses routes of the Gateway API, of all kinds and versions, whose backends or mirror filters lead to sealed ports. It also
// refuses ReferenceGrants that let routes of other namespaces lead to them.
func routes() spec {
	hit := func(ref string) string {
		return fill(`(<ref>.?name.orValue('') == s && <ref>.?kind.orValue('Service') == 'Service' && <ref>.?group.orValue('') == '' &&
			<ref>.?namespace.orValue(request.namespace) == request.namespace &&
			!(string(<ref>.?port.orValue(0)) in variables.open[?s].orValue([])))`, "<ref>", ref)
	}
	filters := func(of string) string {
		return fill(`<of>.?filters.orValue([]).exists(f, f.exists(k, type(f[k]) == map && <hit>))`, "<of>", of, "<hit>", hit("f[k].?backendRef"))
	}
	return spec{
		name: "routes",
		resources: []admissionv1.NamedRuleWithOperations{
			on("gateway.networking.k8s.io", []string{"*"}, admissionv1.Create, admissionv1.Update),
			on("gateway.networking.x-k8s.io", []string{"*"}, admissionv1.Create, admissionv1.Update),
		},
		conditions: []admissionv1.MatchCondition{{
			Name: "kind", Expression: "request.kind.kind.endsWith('Route') || request.kind.kind == 'ReferenceGrant'",
		}},
		variables: append(stackServices(),
			variable("led", fill(`variables.services.filter(s, object.?spec.?rules.orValue([]).exists(r,
				r.?backendRefs.orValue([]).exists(b, <hit> || <filters>) || <rule-filters>))`,
				"<hit>", hit("b"), "<filters>", filters("b"), "<rule-filters>", filters("r"))),
			variable("granted", `request.kind.kind != 'ReferenceGrant' ? variables.services.filter(s, false) :
				variables.services.filter(s, variables.open[?s].orValue([]).size() == 0 && object.?spec.?to.orValue([]).exists(t,
				t.?group.orValue('') == '' && t.?kind.orValue('Service') == 'Service' && t.?name.orValue(s) == s))`),
		),
		refusals: []refusal{
			leadsTo("the route leads to sealed ports of an OpenIMStack", "variables.trusted || variables.led.size() == 0 || "+unchanged("spec")),
			{
				allowed: "variables.trusted || variables.granted.size() == 0 || " + unchanged("spec"),
				summary: "the ReferenceGrant grants sealed Services of an OpenIMStack",
				message: `variables.it + ' grants routes of other namespaces access to sealed Services of OpenIMStack "' + variables.stack + '" (' +
					variables.granted.join(', ') + '): list the granted Services by name, without these'`,
			},
		},
	}
}

// leadsTo returns the refusal of an Ingress or a route. Its message lists the open ports of the stack.
func leadsTo(summary, allowed string) refusal {
	return refusal{
		allowed: allowed,
		summary: summary,
		message: `variables.it + ' leads to sealed ports of OpenIMStack "' + variables.stack + '" (Services ' + variables.led.join(', ') +
			'): use only its open ports, ' +
			variables.open.map(s, s).filter(s, variables.open[s].size() > 0).map(s, s + ' port ' + variables.open[s].join(' or ')).join('; ')`,
	}
}
