package v1alpha1

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

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

	// userIDs is who chooses the users and groups of the pods. Fixed: the operator, with 65532. Platform: the platform, by an admission
	// that sets them, as OpenShift does with the constraint restricted-v2. Default: Platform where the API server has OpenShift's
	// SecurityContextConstraints, else Fixed.
	// +optional
	UserIDs UserIDs `json:"userIDs,omitempty"`

	// pullSecrets for the images of all pods, beside image.pullSecrets: those of gateway and backend, of added containers, of the check and
	// of the probe in the stack's namespace, too.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	PullSecrets []LocalReference `json:"pullSecrets,omitempty"`

	// serviceAccountAnnotations are annotations of the components' ServiceAccounts, by which cloud providers give pods an identity of their
	// own, for example eks.amazonaws.com/role-arn. Names below openimstack.dev, kubernetes.io and k8s.io are refused.
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	ServiceAccountAnnotations map[string]AnnotationValue `json:"serviceAccountAnnotations,omitempty"`

	// trust is a key of a ConfigMap with certificates of authorities of your own, as PEM: at most 1000 in 512 KiB. The components that
	// connect by TLS to a server for which the spec names no authority of its own trust them beside the public ones. A changed certificate
	// restarts these components.
	// +optional
	Trust *ConfigMapKeyReference `json:"trust,omitempty"`
}

// ConfigMapKeyReference names a key of a ConfigMap in the stack's namespace.
type ConfigMapKeyReference struct {
	// name of the ConfigMap.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// key in the ConfigMap's data.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key,omitempty"`
}

// UserIDs is who chooses the users and groups of pods.
// +kubebuilder:validation:Enum=Fixed;Platform
type UserIDs string

// Who chooses the users and groups of pods.
const (
	UserIDsFixed    UserIDs = "Fixed"
	UserIDsPlatform UserIDs = "Platform"
)

// EffectiveUserIDs returns userIDs, or its default. platform is true where the API server has OpenShift's SecurityContextConstraints.
func (p *Pods) EffectiveUserIDs(platform bool) UserIDs {
	switch {
	case p != nil && p.UserIDs != "":
		return p.UserIDs
	case platform:
		return UserIDsPlatform
	default:
		return UserIDsFixed
	}
}

// ComponentPods are settings of the pods of one component, or of the components of a group.
// +kubebuilder:validation:XValidation:rule="!has(self.autoscaling) || self.name != 'crontask'",message="crontask has one pod at any time, because two would do each task twice: remove its autoscaling"
type ComponentPods struct {
	// name of a component, or of a group: openim (the twelve processes), rpc (the seven rpc services), wrapper (gateway and backend).
	// +required
	Name PodsName `json:"name,omitempty"`

	// template is merged after that of all components; that of a component after those of its groups.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	Template *runtime.RawExtension `json:"template,omitempty"`

	// autoscaling is who sets the number of the pods. That of a component counts before those of its groups, and rpc before openim;
	// crontask has none. A component with it must have no replicas.
	// +optional
	Autoscaling *Autoscaling `json:"autoscaling,omitempty"`

	// maxUnavailable of the disruption budget: how many pods of a component may be evicted at a time, as a number from 1, or as a share of
	// the wanted pods from 1% to 100%, which Kubernetes rounds up. That of a component counts before those of its groups. Default 1.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=4
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 1 && self <= 1000 : self.matches('^([1-9][0-9]?|100)%$')",message="maxUnavailable must be a number from 1 to 1000, or a share such as 25%: without an eviction no node can be drained"
	MaxUnavailable *intstr.IntOrString `json:"maxUnavailable,omitempty"`
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
