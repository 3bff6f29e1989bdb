package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// OpenIMStackStatus is what was seen.
type OpenIMStackStatus struct {
	// conditions of the stack. Ready, Reconciling and Stalled have the meaning of kstatus.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the generation of the spec which this status speaks of.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// version is the OpenIM release that all processes run.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Version string `json:"version,omitempty"`

	// processes lists what runs.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Processes []ProcessStatus `json:"processes,omitempty"`

	// endpoints are where the stack is reached.
	// +optional
	Endpoints *Endpoints `json:"endpoints,omitempty"`

	// boundary counts what guards the stack.
	// +optional
	Boundary *Boundary `json:"boundary,omitempty"`

	// pendingChanges lists what would be written if the stack were not suspended, as kind/name.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=128
	// +kubebuilder:validation:items:MaxLength=320
	PendingChanges []string `json:"pendingChanges,omitempty"`
}

// ProcessStatus is one process.
type ProcessStatus struct {
	// name of the process, which is also the value of the label app.kubernetes.io/component.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`

	// ready replicas of the current revision.
	// +required
	// +kubebuilder:validation:Minimum=0
	Ready *int32 `json:"ready,omitempty"`

	// desired replicas.
	// +required
	// +kubebuilder:validation:Minimum=0
	Desired *int32 `json:"desired,omitempty"`
}

// Endpoints are where the stack is reached.
type Endpoints struct {
	// gateway is the URL of the gateway's administrators' port inside the cluster.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Gateway string `json:"gateway,omitempty"`

	// users is the URL of the gateway's users' port inside the cluster. Empty unless users may log in.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Users string `json:"users,omitempty"`

	// realtime is the URL of the users' WebSocket inside the cluster. Empty unless users may log in.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Realtime string `json:"realtime,omitempty"`
}

// Boundary counts what guards the stack.
type Boundary struct {
	// policies is the number of NetworkPolicies which the operator keeps for the stack.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Policies *int32 `json:"policies,omitempty"`

	// connections is the number of connections that they let through.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Connections *int32 `json:"connections,omitempty"`
}
