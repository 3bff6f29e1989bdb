package v1alpha1

import "k8s.io/apimachinery/pkg/runtime"

// Pods are settings of the pods themselves: where they run, and what runs beside the components.
type Pods struct {
	// template is merged into the pod template of every component: a PodTemplateSpec of Kubernetes, without what docs/pods.md lists as
	// refused. At most 16 KiB, and 32 KiB in all templates. The container named component is the component's own.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	Template *runtime.RawExtension `json:"template,omitempty"`

	// components are settings of single components, and of groups of them.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=17
	Components []ComponentPods `json:"components,omitempty"`
}

// ComponentPods are settings of the pods of one component, or of the components of a group.
type ComponentPods struct {
	// name of a component, or of a group: openim (the twelve processes), rpc (the seven rpc services), wrapper (gateway and backend).
	// +required
	Name PodsName `json:"name,omitempty"`

	// template is merged after that of all components; that of a component after those of its groups.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	Template *runtime.RawExtension `json:"template,omitempty"`
}

// PodsName is a component or a group of components.
// +kubebuilder:validation:Enum=openim;rpc;wrapper;api;msggateway;msgtransfer;push;crontask;rpc-auth;rpc-conversation;rpc-friend;rpc-group;rpc-msg;rpc-third;rpc-user;gateway;backend
type PodsName string

// Groups of components.
const (
	GroupOpenIM  PodsName = "openim"
	GroupRPC     PodsName = "rpc"
	GroupWrapper PodsName = "wrapper"
)
