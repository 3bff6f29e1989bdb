package admission

import (
	admissionv1 "k8s.io/api/admissionregistration/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// services refuses Services of any type that lead to a sealed port. Traffic of a Service of type NodePort or LoadBalancer, or with
// externalIPs, arrives from the node, and many networks allow it. A Service that leads only to open ports of the stack is admitted.
func services() spec {
	return spec{
		name:      "services",
		resources: []admissionv1.NamedRuleWithOperations{on("", []string{"services"}, admissionv1.Create, admissionv1.Update)},
		variables: append(append([]admissionv1.Variable{stackPods()}, stackServices()...),
			variable("selector", "object.spec.?selector.orValue({})"),
			variable("ports", "object.spec.?ports.orValue([]).map(p, string(p.?targetPort.orValue(p.port)))"),
			// A component without open ports may not be selected at all: even a Service without ports publishes the addresses of its pods.
			variable("led", `variables.pods.filter(p, variables.selector.size() > 0 &&
				variables.selector.all(k, k in <loose> || p[?k].orValue('') == variables.selector[k])).map(p, p['<component>']).filter(c,
				variables.open[?(variables.stack + '-' + c)].orValue([]).size() == 0 ||
				!variables.ports.all(p, p in variables.open[variables.stack + '-' + c]))`,
				"<loose>", texts(unknownValueLabels), "<component>", v1alpha1.LabelComponent),
			variable("alias", "object.spec.?externalName.orValue('')"),
			variable("aliased", `variables.services.filter(s, variables.open[?s].orValue([]).size() == 0 &&
				(variables.alias + '.').startsWith(s + '.' + request.namespace + '.svc.'))`),
		),
		refusals: []refusal{
			{
				allowed: "variables.trusted || variables.led.size() == 0 || " + unchanged("spec"),
				summary: "the Service leads to sealed ports of an OpenIMStack",
				message: `variables.it + ' leads to sealed ports of OpenIMStack "' + variables.stack + '" (' + variables.led.join(', ') +
					'): select other pods, or only the gateway with targetPort ' +
					variables.open.map(s, s).filter(s, s.endsWith('` + suffix(v1alpha1.ComponentGateway) + `')).map(s, variables.open[s].join(' or ')).join('')`,
			},
			{
				allowed: "variables.trusted || variables.aliased.size() == 0 || " + unchanged("spec"),
				summary: "the Service is an alias of a sealed Service of an OpenIMStack",
				message: `variables.it + ' is an alias of sealed Services of OpenIMStack "' + variables.stack + '" (' + variables.aliased.join(', ') +
					'): write another externalName'`,
			},
		},
	}
}

// endpointMakers are the users that write the Endpoints and EndpointSlices of Services.
var endpointMakers = []string{
	"system:kube-controller-manager",
	"system:serviceaccount:kube-system:endpoint-controller",
	"system:serviceaccount:kube-system:endpointslice-controller",
	"system:serviceaccount:kube-system:endpointslicemirroring-controller",
}

// endpoints refuses Endpoints and EndpointSlices of other users that add addresses to a stack's Service, or that have the number of a port
// of OpenIM. An expression cannot determine which pod has an address.
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
			variable("service", "request.kind.kind == 'Endpoints' ? object.metadata.name : "+
				"object.metadata.?labels[?'kubernetes.io/service-name'].orValue('')"),
			variable("openim", numbers(openimPorts())+".filter(n, !variables.open.exists(s, string(n) in variables.open[s]))"),
			variable("led", `variables.openim.filter(n, object.?ports.orValue([]).exists(p, p.?port.orValue(0) == n) ||
				object.?subsets.orValue([]).exists(s, s.?ports.orValue([]).exists(p, p.?port.orValue(0) == n)))`),
			variable("kept", unchanged("endpoints")+" && "+unchanged("subsets")+" && "+unchanged("ports")+" && "+unchanged("metadata.?labels")),
		),
		refusals: []refusal{
			{
				allowed: "variables.trusted || !(variables.service in variables.services) || variables.kept",
				summary: "only Kubernetes may write the addresses of an OpenIMStack's Service",
				message: `variables.it + ' adds addresses to Service "' + variables.service + '" of OpenIMStack "' + variables.stack +
					'", to which the stack\'s components would connect: name another Service'`,
			},
			{
				allowed: "variables.trusted || variables.led.size() == 0 || variables.kept",
				summary: "the addresses lead to sealed ports of an OpenIMStack",
				message: `variables.it + ' leads to sealed ports of OpenIMStack "' + variables.stack + '" (' + variables.led.map(n, string(n)).join(', ') +
					'): if its addresses are not those of the stack\'s pods, use another namespace'`,
			},
		},
	}
}
