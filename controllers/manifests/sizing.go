package manifests

import (
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// Replicas when the spec names none.
const (
	processReplicas int32 = 1
	wrapperReplicas int32 = 2
)

// Sizing returns the effective size of a process.
func Sizing(stack *v1alpha1.OpenIMStack, name openim.Name) v1alpha1.ProcessSpec {
	processes := stack.Spec.Processes
	if processes == nil {
		processes = &v1alpha1.Processes{}
	}
	if name == openim.CronTask {
		size := v1alpha1.ProcessSpec{Replicas: ptr.To[int32](1)}
		if processes.CronTask != nil {
			size.Resources = processes.CronTask.Resources
		}
		return size
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

func effective(wanted *v1alpha1.ProcessSpec, replicas int32) v1alpha1.ProcessSpec {
	size := v1alpha1.ProcessSpec{Replicas: ptr.To(replicas)}
	if wanted == nil {
		return size
	}
	size.Resources = wanted.Resources
	if wanted.Replicas != nil {
		size.Replicas = wanted.Replicas
	}
	return size
}
