package dependencies

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// sized is a field of the spec with the requests and limits of a component.
type sized struct {
	field, component string
	resources        *v1alpha1.Resources
}

// sizeSteps check the size of each component by itself.
func (r *resolver) sizeSteps() []step {
	var steps []step
	for _, s := range sizedFields(r.stack) {
		if s.resources != nil {
			steps = append(steps, step{[]string{s.component}, func() error { r.size(s); return nil }})
		}
	}
	return steps
}

// size refuses requests above their limits and negative quantities. The API server would refuse the Deployment, and name the Deployment's
// field instead of the spec's. A limit of 0 means no limit.
func (r *resolver) size(s sized) {
	for _, list := range []struct {
		name       string
		quantities map[string]resource.Quantity
	}{{"requests", s.resources.Requests}, {"limits", s.resources.Limits}} {
		for _, name := range slices.Sorted(maps.Keys(list.quantities)) {
			if quantity := list.quantities[name]; quantity.Sign() < 0 {
				r.invalid(v1alpha1.ReasonInvalidSpec, fmt.Sprintf("%s.%s", s.field, list.name), "%s is %s: write 0 or more", name, quantity.String())
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.resources.Requests)) {
		request, limit := s.resources.Requests[name], s.resources.Limits[name]
		if limit.Sign() > 0 && request.Cmp(limit) > 0 {
			r.invalid(v1alpha1.ReasonInvalidSpec, s.field, "the request of %s (%s) is more than its limit (%s): lower the request, "+
				"raise the limit, or write a limit of 0 for none", name, request.String(), limit.String())
		}
	}
}

// sizedFields returns all fields of a spec with requests and limits, in their order.
func sizedFields(stack *v1alpha1.OpenIMStack) []sized {
	var all []sized
	add := func(field, component string, spec *v1alpha1.ProcessSpec) {
		if spec != nil {
			all = append(all, sized{field + ".resources", component, spec.Resources})
		}
	}
	if p := stack.Spec.Processes; p != nil {
		const field = "spec.processes."
		add(field+"api", string(openim.API), p.API)
		add(field+"msgGateway", string(openim.MsgGateway), p.MsgGateway)
		add(field+"msgTransfer", string(openim.MsgTransfer), p.MsgTransfer)
		add(field+"push", string(openim.Push), p.Push)
		if p.CronTask != nil {
			all = append(all, sized{field + "cronTask.resources", string(openim.CronTask), p.CronTask.Resources})
		}
		if rpc := p.RPC; rpc != nil {
			add(field+"rpc.auth", string(openim.RPCAuth), rpc.Auth)
			add(field+"rpc.conversation", string(openim.RPCConversation), rpc.Conversation)
			add(field+"rpc.friend", string(openim.RPCFriend), rpc.Friend)
			add(field+"rpc.group", string(openim.RPCGroup), rpc.Group)
			add(field+"rpc.msg", string(openim.RPCMsg), rpc.Msg)
			add(field+"rpc.third", string(openim.RPCThird), rpc.Third)
			add(field+"rpc.user", string(openim.RPCUser), rpc.User)
		}
	}
	if gateway := stack.Spec.Wrapper.Gateway; gateway != nil {
		add("spec.wrapper.gateway", v1alpha1.ComponentGateway, &gateway.ProcessSpec)
	}
	add("spec.wrapper.backend", v1alpha1.ComponentBackend, stack.Spec.Wrapper.Backend)
	return all
}
