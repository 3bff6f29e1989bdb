package openim

import (
	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// Size is what a spec says of the number and the size of a component's pods. Nil fields: the spec is silent.
type Size struct {
	// Field of the spec, for example spec.processes.rpc.auth.
	Field     string
	Component string
	Replicas  *int32
	Resources *v1alpha1.Resources
}

// Sizes returns the sizes that a spec has, in the order of its fields.
func Sizes(spec *v1alpha1.OpenIMStackSpec) []Size {
	var all []Size
	add := func(field, component string, own *v1alpha1.ProcessSpec) {
		if own != nil {
			all = append(all, Size{field, component, own.Replicas, own.Resources})
		}
	}
	if p := spec.Processes; p != nil {
		const field = "spec.processes."
		add(field+"api", string(API), p.API)
		add(field+"msgGateway", string(MsgGateway), p.MsgGateway)
		add(field+"msgTransfer", string(MsgTransfer), p.MsgTransfer)
		add(field+"push", string(Push), p.Push)
		if p.CronTask != nil {
			all = append(all, Size{Field: field + "cronTask", Component: string(CronTask), Resources: p.CronTask.Resources})
		}
		if rpc := p.RPC; rpc != nil {
			add(field+"rpc.auth", string(RPCAuth), rpc.Auth)
			add(field+"rpc.conversation", string(RPCConversation), rpc.Conversation)
			add(field+"rpc.friend", string(RPCFriend), rpc.Friend)
			add(field+"rpc.group", string(RPCGroup), rpc.Group)
			add(field+"rpc.msg", string(RPCMsg), rpc.Msg)
			add(field+"rpc.third", string(RPCThird), rpc.Third)
			add(field+"rpc.user", string(RPCUser), rpc.User)
		}
	}
	if gateway := spec.Wrapper.Gateway; gateway != nil {
		add("spec.wrapper.gateway", v1alpha1.ComponentGateway, &gateway.ProcessSpec)
	}
	add("spec.wrapper.backend", v1alpha1.ComponentBackend, spec.Wrapper.Backend)
	return all
}

// SizeOf returns what a spec says of the size of a component. It is empty but for the name when the spec says nothing.
func SizeOf(spec *v1alpha1.OpenIMStackSpec, component string) Size {
	for _, s := range Sizes(spec) {
		if s.Component == component {
			return s
		}
	}
	return Size{Component: component}
}

// DefaultReplicas returns the number of a component's pods when the spec names none: two of gateway and backend, else one. A number that is
// raised later scales the components of existing stacks that nobody ever scaled: one is the API server's default, which nobody owns.
func DefaultReplicas(component string) int32 {
	if component == v1alpha1.ComponentGateway || component == v1alpha1.ComponentBackend {
		return 2
	}
	return 1
}
