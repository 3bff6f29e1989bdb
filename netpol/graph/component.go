package graph

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// Port is a port of a component's containers. Services may map it to another number.
type Port struct {
	Name     string
	Number   int32
	Protocol corev1.Protocol
}

// Component is one Deployment of a stack: one of OpenIM's processes, or a role of the wrapper.
type Component struct {
	// Name is the value of the label app.kubernetes.io/component.
	Name string
	// App is the value of the label app.kubernetes.io/name.
	App string
	// Ports that it listens on.
	Ports []Port
	// Wave is its place in the order of an upgrade: those of openim, then the wrapper's.
	Wave int
	// OnDemand is true for a component that has a Deployment only at times. Its policies are always there.
	OnDemand bool
}

// Waves of the wrapper. The backend verifies what the gateway sends, so it is upgraded first.
const (
	WaveBackend = openim.WaveFront + 1
	WaveGateway = openim.WaveFront + 2
)

// Names of the wrapper's ports. OpenIM's are named by openim.PortKind.
const (
	// AdminPort is the port of the administrators' listener of the gateway.
	AdminPort = "admin"
	// UsersPort is the port of the users' listener of the gateway. It exists when spec.wrapper.auth.users is set.
	UsersPort = "users"
	// BackendPort is the port of the backend to which the gateway forwards authenticated requests.
	BackendPort = "http"
	// TelemetryPort serves health and metrics.
	TelemetryPort = "telemetry"
)

// wrapperComponents is the table of the wrapper's ports. Their numbers are above 1024 because the containers have no capabilities.
var wrapperComponents = []Component{
	{
		Name: v1alpha1.ComponentGateway, App: v1alpha1.NameWrapper, Wave: WaveGateway,
		Ports: []Port{tcp(AdminPort, 8081), tcp(UsersPort, 8082), tcp(TelemetryPort, 9090)},
	},
	{
		Name: v1alpha1.ComponentBackend, App: v1alpha1.NameWrapper, Wave: WaveBackend,
		Ports: []Port{tcp(BackendPort, 8080), tcp(TelemetryPort, 9090)},
	},
	// The check of OpenIM between the waves of an upgrade. It listens on no port.
	{Name: v1alpha1.ComponentCheck, App: v1alpha1.NameWrapper, OnDemand: true},
}

// Components returns every component that a stack may run, with every port that the component may have: OpenIM's processes in the
// order of the catalogue, then gateway, backend and the check.
func Components() []Component {
	all := slices.Clone(components)
	for i := range all {
		all[i].Ports = slices.Clone(all[i].Ports)
	}
	return all
}

// components is computed once: each reconciliation looks components up hundreds of times.
var components = everyComponent()

func everyComponent() []Component {
	var all []Component
	for _, p := range openim.Processes() {
		c := Component{Name: string(p.Name), App: v1alpha1.NameOpenIM, Wave: p.Wave}
		for _, port := range p.Ports {
			c.Ports = append(c.Ports, tcp(string(port.Kind), port.Number))
		}
		all = append(all, c)
	}
	return append(all, wrapperComponents...)
}

// ComponentsOf returns the components that a stack may run, with the ports that its spec requests. A stack with
// spec.wrapper.externalRef runs OpenIM's processes only.
func ComponentsOf(stack *v1alpha1.OpenIMStack) []Component {
	all := Components()
	if stack.Spec.Supervision == v1alpha1.SupervisionDisabled {
		all = without(all, string(openim.Health))
	}
	if stack.Spec.Wrapper.ExternalRef != nil {
		return slices.DeleteFunc(all, func(c Component) bool { return c.App == v1alpha1.NameWrapper })
	}
	if stack.Spec.Wrapper.Auth.Users == nil {
		all = without(all, UsersPort)
	}
	if CheckOf(stack) == v1alpha1.CheckNone {
		all = slices.DeleteFunc(all, func(c Component) bool { return c.Name == v1alpha1.ComponentCheck })
	}
	return all
}

// DeploymentsOf returns the components of a stack that always have a Deployment.
func DeploymentsOf(stack *v1alpha1.OpenIMStack) []Component {
	return slices.DeleteFunc(ComponentsOf(stack), func(c Component) bool { return c.OnDemand })
}

// CheckOf returns what is checked between the waves of an upgrade. Where no user may log in, no message is sent, and nothing of the wrapper
// reaches OpenIM's WebSocket.
func CheckOf(stack *v1alpha1.OpenIMStack) v1alpha1.CheckMode {
	mode := v1alpha1.CheckMessages
	if upgrade := stack.Spec.Upgrade; upgrade != nil && upgrade.Check != "" {
		mode = upgrade.Check
	}
	switch {
	case stack.Spec.Wrapper.ExternalRef != nil:
		return v1alpha1.CheckNone
	case mode == v1alpha1.CheckMessages && stack.Spec.Wrapper.Auth.Users == nil:
		return v1alpha1.CheckContract
	}
	return mode
}

// without returns components without the ports of a name.
func without(all []Component, name string) []Component {
	for i := range all {
		all[i].Ports = slices.DeleteFunc(slices.Clone(all[i].Ports), func(p Port) bool { return p.Name == name })
	}
	return all
}

// ServicePorts returns the ports that the component's Service has: all but the one for the kubelet, which calls each pod by its address.
func (c Component) ServicePorts() []Port {
	return slices.DeleteFunc(slices.Clone(c.Ports), func(p Port) bool { return p.Name == string(openim.Health) })
}

// Lookup returns a component by name. It reports false for an unknown name.
func Lookup(name string) (Component, bool) {
	i := slices.IndexFunc(components, func(c Component) bool { return c.Name == name })
	if i < 0 {
		return Component{}, false
	}
	c := components[i]
	c.Ports = slices.Clone(c.Ports)
	return c, true
}

// Port returns the component's port of a name, or the zero Port.
func (c Component) Port(name string) Port {
	i := slices.IndexFunc(c.Ports, func(p Port) bool { return p.Name == name })
	if i < 0 {
		return Port{}
	}
	return c.Ports[i]
}

// MetricsPorts returns the ports that serve Prometheus metrics without authentication.
func (c Component) MetricsPorts() []Port {
	return slices.DeleteFunc(slices.Clone(c.Ports), func(p Port) bool { return !p.ServesMetrics() })
}

// ServesMetrics reports whether Prometheus metrics are served on the port: those of OpenIM, of its supervisor, or of the wrapper.
func (p Port) ServesMetrics() bool {
	return p.Name == string(openim.Metrics) || p.Name == string(openim.Health) || p.Name == TelemetryPort
}

// ListenerPort returns the name of the gateway's port on which a listener serves, "" for an unknown listener.
func ListenerPort(l v1alpha1.Listener) string {
	return map[v1alpha1.Listener]string{v1alpha1.ListenerUsers: UsersPort, v1alpha1.ListenerAdmins: AdminPort}[l]
}

// Labels returns the labels by which selectors match the pods of a component.
func (c Component) Labels(stack string) map[string]string {
	return map[string]string{
		v1alpha1.LabelName:      c.App,
		v1alpha1.LabelInstance:  stack,
		v1alpha1.LabelComponent: c.Name,
	}
}

func tcp(name string, number int32) Port {
	return Port{Name: name, Number: number, Protocol: corev1.ProtocolTCP}
}
