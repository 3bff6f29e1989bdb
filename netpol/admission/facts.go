package admission

import (
	"slices"
	"strconv"
	"strings"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
)

// unknownValueLabels are labels of a stack's pods whose values the admission policies do not know: the release, the ReplicaSet's hash,
// and the node's region and zone, which the API server copies to pods. A selector with these labels is assumed to match.
var unknownValueLabels = []string{
	"app.kubernetes.io/version",
	"pod-template-hash",
	"topology.kubernetes.io/region",
	"topology.kubernetes.io/zone",
}

// selectorLabels are the labels that the selectors of the stack's NetworkPolicies use.
var selectorLabels = []string{v1alpha1.LabelName, v1alpha1.LabelInstance, v1alpha1.LabelComponent, v1alpha1.LabelPartOf}

// app is a value of the label app.kubernetes.io/name, with the components that have it.
type app struct {
	name       string
	components []string
}

func apps() []app {
	var all []app
	for _, c := range graph.Components() {
		i := slices.IndexFunc(all, func(a app) bool { return a.name == c.App })
		if i < 0 {
			i, all = len(all), append(all, app{name: c.App})
		}
		all[i].components = append(all[i].components, c.Name)
	}
	return all
}

// served returns the components that have a Service.
func served() []string {
	var names []string
	for _, c := range graph.Components() {
		if len(c.ServicePorts()) > 0 {
			names = append(names, c.Name)
		}
	}
	return names
}

// openimPorts returns the numbers of all ports of OpenIM's processes, in ascending order.
func openimPorts() []int32 {
	var numbers []int32
	for _, c := range graph.Components() {
		if c.App != v1alpha1.NameOpenIM {
			continue
		}
		for _, p := range c.Ports {
			numbers = append(numbers, p.Number)
		}
	}
	slices.Sort(numbers)
	return slices.Compact(numbers)
}

// openPort is a port that sources outside the stack may reach.
type openPort struct {
	component string
	port      graph.Port
}

// references returns the number and the name by which a Service, an Ingress or a route may refer to the port.
func (p openPort) references() []string {
	return []string{strconv.Itoa(int(p.port.Number)), p.port.Name}
}

// openPorts returns the ports of a stack with users that sources outside may reach: always, and only when network.webSocket is Direct.
func openPorts() (always, direct []openPort) {
	stack := &v1alpha1.OpenIMStack{Spec: v1alpha1.OpenIMStackSpec{Network: &v1alpha1.Network{}}}
	stack.Spec.Wrapper.Auth.Users = &v1alpha1.UserAuth{}
	always = openPortsOf(stack)
	stack.Spec.Network.WebSocket = v1alpha1.WebSocketDirect
	stack.Spec.Network.WebSocketClients = []v1alpha1.Peer{{NamespaceSelector: &v1alpha1.Selector{}}}
	direct = slices.DeleteFunc(openPortsOf(stack), func(p openPort) bool { return slices.Contains(always, p) })
	return always, direct
}

func openPortsOf(stack *v1alpha1.OpenIMStack) []openPort {
	var found []openPort
	for _, c := range graph.New(stack, openim.Facts{}).Edges {
		if c.From.Inside || !c.To.Inside || c.From.Name == graph.Monitoring {
			continue
		}
		for _, p := range c.Ports {
			found = append(found, openPort{component: c.To.Name, port: p})
		}
	}
	return found
}

// suffix returns the part of a child's name that follows the stack's name.
func suffix(component string) string {
	return strings.TrimPrefix(v1alpha1.ChildName("stack", component), "stack")
}
