package admission

import (
	admissionv1 "k8s.io/api/admissionregistration/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// services refuses Services that lead to a sealed port, of whatever type: one of type NodePort or LoadBalancer, or with externalIPs,
// comes in from the node, which many networks let through. A Service that leads to the stack's doors alone may be anyone's.
func services() spec {
	return spec{
		name:      "services",
		resources: []admissionv1.NamedRuleWithOperations{on("", []string{"services"}, admissionv1.Create, admissionv1.Update)},
		variables: append(append([]admissionv1.Variable{stackPods()}, stackServices()...),
			variable("selector", "object.spec.?selector.orValue({})"),
			variable("ports", "object.spec.?ports.orValue([]).map(p, string(p.?targetPort.orValue(p.port)))"),
			// To a component without a door: by any port, and by none, which gives away its pods' addresses.
			variable("led", `variables.pods.filter(p, variables.selector.size() > 0 &&
				variables.selector.all(k, k in <loose> || p[?k].orValue('') == variables.selector[k])).map(p, p['<component>']).filter(c,
				variables.doors[?(variables.stack + '-' + c)].orValue([]).size() == 0 ||
				!variables.ports.all(p, p in variables.doors[variables.stack + '-' + c]))`,
				"<loose>", texts(unknownValueLabels), "<component>", v1alpha1.LabelComponent),
			variable("alias", "object.spec.?externalName.orValue('')"),
			variable("aliased", `variables.services.filter(s, variables.doors[?s].orValue([]).size() == 0 &&
				(variables.alias + '.').startsWith(s + '.' + request.namespace + '.svc.'))`),
		),
		refusals: []refusal{
			{
				allowed: "variables.trusted || variables.led.size() == 0 || " + unchanged("spec"),
				summary: "the Service leads to sealed ports of an OpenIMStack",
				message: `variables.it + ' leads to sealed ports of OpenIMStack "' + variables.stack + '" (' + variables.led.join(', ') +
					'): select other pods, or only the gateway with targetPort ' + variables.doors.map(s, s).filter(s, s.endsWith('` + suffix(v1alpha1.ComponentGateway) + `')).map(s, variables.doors[s].join(' or ')).join('')`,
			},
			{
				allowed: "variables.trusted || variables.aliased.size() == 0 || " + unchanged("spec"),
				summary: "the Service is another name of a sealed Service of an OpenIMStack",
				message: `variables.it + ' is another name of sealed Services of OpenIMStack "' + variables.stack + '" (' + variables.aliased.join(', ') +
					'): write another externalName'`,
			},
		},
	}
}

// endpointMakers fill Endpoints and EndpointSlices from Services and their pods.
var endpointMakers = []string{
	"system:kube-controller-manager",
	"system:serviceaccount:kube-system:endpoint-controller",
	"system:serviceaccount:kube-system:endpointslice-controller",
	"system:serviceaccount:kube-system:endpointslicemirroring-controller",
}

// endpoints refuses Endpoints and EndpointSlices, written by hand, that put addresses behind a stack's Service, or lead to a port of
// OpenIM's. Which address is whose is nothing that an expression can find out.
func endpoints() spec {
	return spec{
		name: "endpoints",
		resources: []admissionv1.NamedRuleWithOperations{
			on("discovery.k8s.io", []string{"endpointslices"}, admissionv1.Create, admissionv1.Update),
			on("", []string{"endpoints"}, admissionv1.Create, admissionv1.Update),
		},
		conditions: []admissionv1.MatchCondition{{
			Name: "by-hand", Expression: "!(request.userInfo.username in " + texts(endpointMakers) + ")",
		}},
		variables: append(stackServices(),
			variable("service", "request.kind.kind == 'Endpoints' ? object.metadata.name : object.metadata.?labels[?'kubernetes.io/service-name'].orValue('')"),
			variable("openim", numbers(openimPorts())+".filter(n, !variables.doors.exists(s, string(n) in variables.doors[s]))"),
			variable("led", `variables.openim.filter(n, object.?ports.orValue([]).exists(p, p.?port.orValue(0) == n) ||
				object.?subsets.orValue([]).exists(s, s.?ports.orValue([]).exists(p, p.?port.orValue(0) == n)))`),
			variable("kept", unchanged("endpoints")+" && "+unchanged("subsets")+" && "+unchanged("ports")+" && "+unchanged("metadata.?labels")),
		),
		refusals: []refusal{
			{
				allowed: "variables.trusted || !(variables.service in variables.services) || variables.kept",
				summary: "the addresses behind an OpenIMStack's Service are Kubernetes' own to write",
				message: `variables.it + ' puts addresses behind Service "' + variables.service + '" of OpenIMStack "' + variables.stack +
					'", whose components would talk to them: name a Service of your own'`,
			},
			{
				allowed: "variables.trusted || variables.led.size() == 0 || variables.kept",
				summary: "the addresses lead to sealed ports of an OpenIMStack",
				message: `variables.it + ' leads to ports that OpenIMStack "' + variables.stack + '" seals (' + variables.led.map(n, string(n)).join(', ') +
					'): write it in another namespace if it is not meant for the stack\'s pods'`,
			},
		},
	}
}
