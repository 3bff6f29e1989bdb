package v1alpha1

import "strings"

// ResourceReference names an object that says where a store is and how to log in: a Kafka of Strimzi, a Secret by the Service Binding
// specification (servicebinding.io), or an object whose status.binding.name names such a Secret. docs/stores.md lists what is read of each.
// An object of another namespace, and its Secrets, need a ReferenceGrant there.
// +kubebuilder:validation:XValidation:rule="self.kind == 'Kafka' || (!has(self.listener) && !has(self.user))",message="resourceRef.listener and resourceRef.user belong to kind Kafka of Strimzi: remove them"
type ResourceReference struct {
	// apiVersion of the object, for example kafka.strimzi.io/v1, or v1 for a Secret.
	// +required
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=128
	APIVersion string `json:"apiVersion,omitempty"`

	// kind of the object, for example Kafka or Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind,omitempty"`

	// name of the object.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// namespace of the object. Default: the stack's own.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// listener of a Kafka of Strimzi. Default: its only one.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Listener string `json:"listener,omitempty"`

	// user is the KafkaUser of Strimzi, in the namespace of the Kafka, as whom OpenIM logs in. Its authentication is tls: no supported release
	// of OpenIM has SCRAM.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	User string `json:"user,omitempty"`
}

// IsStrimzi reports whether a reference is to a Kafka of Strimzi.
func (r *ResourceReference) IsStrimzi() bool {
	return r != nil && r.Kind == KindKafka && strings.HasPrefix(r.APIVersion, GroupStrimzi+"/")
}

// Kinds of Strimzi and their group.
const (
	GroupStrimzi  = "kafka.strimzi.io"
	KindKafka     = "Kafka"
	KindKafkaUser = "KafkaUser"
)
