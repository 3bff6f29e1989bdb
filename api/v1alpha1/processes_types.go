package v1alpha1

import "k8s.io/apimachinery/pkg/api/resource"

// Processes sizes OpenIM's processes. Each is optional.
type Processes struct {
	// api is OpenIM's HTTP API.
	// +optional
	API *ProcessSpec `json:"api,omitempty"`
	// msgGateway holds the clients' WebSockets.
	// +optional
	MsgGateway *ProcessSpec `json:"msgGateway,omitempty"`
	// msgTransfer moves messages from Kafka to Redis and MongoDB.
	// +optional
	MsgTransfer *ProcessSpec `json:"msgTransfer,omitempty"`
	// push delivers messages to sockets and to push vendors.
	// +optional
	Push *ProcessSpec `json:"push,omitempty"`
	// cronTask deletes expired data. It always has one replica, because it takes no lock.
	// +optional
	CronTask *SingletonSpec `json:"cronTask,omitempty"`
	// rpc are the seven services behind the API.
	// +optional
	RPC *RPCProcesses `json:"rpc,omitempty"`
}

// RPCProcesses sizes the seven rpc services.
type RPCProcesses struct {
	// auth issues and checks OpenIM's tokens.
	// +optional
	Auth *ProcessSpec `json:"auth,omitempty"`
	// conversation stores conversations.
	// +optional
	Conversation *ProcessSpec `json:"conversation,omitempty"`
	// friend stores friends and blacklists.
	// +optional
	Friend *ProcessSpec `json:"friend,omitempty"`
	// group stores groups and members.
	// +optional
	Group *ProcessSpec `json:"group,omitempty"`
	// msg accepts and serves messages.
	// +optional
	Msg *ProcessSpec `json:"msg,omitempty"`
	// third stores objects, logs and badges.
	// +optional
	Third *ProcessSpec `json:"third,omitempty"`
	// user stores users.
	// +optional
	User *ProcessSpec `json:"user,omitempty"`
}

// ProcessSpec sizes one process.
type ProcessSpec struct {
	// replicas is the number of pods, which the operator then keeps. When absent, the number is set once at creation, to 1 (gateway and
	// backend: 2), and belongs to whoever scales the Deployment: kubectl scale, or a HorizontalPodAutoscaler.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	Replicas *int32 `json:"replicas,omitempty"`

	// resources of the container.
	// +optional
	Resources *Resources `json:"resources,omitempty"`
}

// SingletonSpec sizes a process that must not have two replicas.
type SingletonSpec struct {
	// resources of the container.
	// +optional
	Resources *Resources `json:"resources,omitempty"`
}

// Resources are a container's requests and limits, by resource name. An absent entry keeps its default, unless that contradicts an entry:
// a default limit below a request does not apply, and a default request above a limit becomes the limit.
type Resources struct {
	// requests, for example cpu: 50m.
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	Requests map[string]resource.Quantity `json:"requests,omitempty"`

	// limits, for example memory: 512Mi. A limit of 0 means no limit.
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	Limits map[string]resource.Quantity `json:"limits,omitempty"`
}
