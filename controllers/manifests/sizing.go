package manifests

import (
	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
)

// Replicas when the spec names none. A number that is raised later scales the components of existing stacks that nobody ever scaled: one
// replica is the API server's default, which nobody owns.
const (
	processReplicas int32 = 1
	wrapperReplicas int32 = 2
)

// size is the effective size of a component.
type size struct {
	replicas int32
	// initial is true when the spec names no number of replicas: the number then counts at creation alone.
	initial   bool
	resources *v1alpha1.Resources
}

// sizeOf returns the effective size of a process. crontask always has one replica.
func sizeOf(stack *v1alpha1.OpenIMStack, name openim.Name) size {
	processes := stack.Spec.Processes
	if processes == nil {
		processes = &v1alpha1.Processes{}
	}
	if name == openim.CronTask {
		s := size{replicas: 1}
		if processes.CronTask != nil {
			s.resources = processes.CronTask.Resources
		}
		return s
	}
	rpc := processes.RPC
	if rpc == nil {
		rpc = &v1alpha1.RPCProcesses{}
	}
	return effective(map[openim.Name]*v1alpha1.ProcessSpec{
		openim.API: processes.API, openim.MsgGateway: processes.MsgGateway, openim.MsgTransfer: processes.MsgTransfer,
		openim.Push: processes.Push, openim.RPCAuth: rpc.Auth, openim.RPCConversation: rpc.Conversation,
		openim.RPCFriend: rpc.Friend, openim.RPCGroup: rpc.Group, openim.RPCMsg: rpc.Msg, openim.RPCThird: rpc.Third,
		openim.RPCUser: rpc.User,
	}[name], processReplicas)
}

func effective(wanted *v1alpha1.ProcessSpec, replicas int32) size {
	s := size{replicas: replicas, initial: true}
	if wanted == nil {
		return s
	}
	s.resources = wanted.Resources
	if wanted.Replicas != nil {
		s.replicas, s.initial = *wanted.Replicas, false
	}
	return s
}

// size returns the effective size of a component.
func (b *builder) size(c graph.Component) size {
	switch wrapper := b.stack.Spec.Wrapper; c.Name {
	case v1alpha1.ComponentBackend:
		return effective(wrapper.Backend, wrapperReplicas)
	case v1alpha1.ComponentCheck: // one pod, as large as one of the backend's
		one := effective(wrapper.Backend, 1)
		one.replicas, one.initial = 1, false
		return one
	case v1alpha1.ComponentGateway:
		if wrapper.Gateway == nil {
			return effective(nil, wrapperReplicas)
		}
		return effective(&wrapper.Gateway.ProcessSpec, wrapperReplicas)
	default:
		return sizeOf(b.stack, openim.Name(c.Name))
	}
}
