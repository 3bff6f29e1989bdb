package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// OpenIMStack runs OpenIM as a sealed box: its twelve processes, the wrapper in front of them, and the network policies
// under which nothing but the wrapper reaches them.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=openimstacks,shortName=oims,categories=all,scope=Namespaced
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.status.version`
// +kubebuilder:printcolumn:name="Isolated",type=string,JSONPath=`.status.conditions[?(@.type=="NetworkIsolated")].status`
// +kubebuilder:printcolumn:name="Gateway",type=string,JSONPath=`.status.endpoints.gateway`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 40",message="metadata.name must be at most 40 characters: the names of the stack's Services are made from it (write a shorter name)"
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must start with a letter and hold only lower-case letters, digits and '-': the names of the stack's Services are made from it (write for example chat)"
type OpenIMStack struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what is wanted.
	// +required
	Spec OpenIMStackSpec `json:"spec,omitzero"`

	// status is what was seen.
	// +optional
	Status OpenIMStackStatus `json:"status,omitempty,omitzero"`
}

// OpenIMStackList is a list of OpenIMStacks.
//
// +kubebuilder:object:root=true
type OpenIMStackList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []OpenIMStack `json:"items"`
}

// OpenIMStackSpec is what is wanted.
// +kubebuilder:validation:XValidation:rule="!has(self.wrapper.redis) || !self.wrapper.redis.addresses.exists(a, a in self.dependencies.redis.addresses)",message="wrapper.redis names an address of dependencies.redis: write a Redis of the wrapper's own. The gateway must not reach OpenIM's, because whoever does owns OpenIM"
// +kubebuilder:validation:XValidation:rule="!has(self.wrapper.externalRef) || !has(self.network) || !(has(self.network.clients) || has(self.network.admins))",message="network.clients and network.admins say who reaches the operator's own gateway, and wrapper.externalRef runs instead of it: remove them, and guard your wrapper's own door"
// +kubebuilder:validation:XValidation:rule="!has(self.wrapper.externalRef) || !has(self.network) || !has(self.network.extraEgress) || self.network.extraEgress.all(e, !('gateway' in e.components) && !('backend' in e.components))",message="network.extraEgress names gateway or backend, and wrapper.externalRef runs instead of them: remove them from components"
type OpenIMStackSpec struct {
	// version is the OpenIM release to run, as upstream writes its tags. It picks the dialect of the configuration
	// and is the image's tag. Supported: v3.8.3 and v3.8.3-patch.1 to v3.8.3-patch.16.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^v[0-9]+[.][0-9]+[.][0-9]+(-[a-z]+[.][0-9]+)?$')",message="version must be an OpenIM release tag such as v3.8.3 or v3.8.3-patch.16"
	Version string `json:"version,omitempty"`

	// image is where OpenIM's twelve binaries are. Default: openim/openim-server with the tag of version.
	// +optional
	Image *ImageSpec `json:"image,omitempty"`

	// suspend stops all writes while it is true. Status goes on, and status.pendingChanges lists what would be written.
	// +optional
	Suspend *bool `json:"suspend,omitempty"`

	// secretRef names a Secret in the stack's namespace whose key "secret" is OpenIM's share.secret: whoever knows it is
	// administrator of OpenIM. When absent, one is generated as <name>-share-secret.
	// +optional
	SecretRef *LocalReference `json:"secretRef,omitempty"`

	// dependencies are the stores which OpenIM needs. They are referenced, never deployed.
	// +required
	Dependencies Dependencies `json:"dependencies,omitzero"`

	// processes sizes OpenIM's processes.
	// +optional
	Processes *Processes `json:"processes,omitempty"`

	// wrapper is the gateway and the backend, the only way in.
	// +required
	Wrapper Wrapper `json:"wrapper,omitzero"`

	// network says who may reach the gateway and the metrics ports, and where DNS is.
	// +optional
	Network *Network `json:"network,omitempty"`
}

// LocalReference names an object in the stack's own namespace.
type LocalReference struct {
	// name of the object.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
}

// KeyReference names one key of a Secret in the stack's own namespace.
type KeyReference struct {
	// name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// key in the Secret's data.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key,omitempty"`
}

// PullPolicy says when the kubelet pulls an image.
// +kubebuilder:validation:Enum=Always;IfNotPresent;Never
type PullPolicy string

// ImageSpec is where OpenIM's binaries are.
type ImageSpec struct {
	// repository without tag or digest. Default openim/openim-server.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="!self.contains('@') && !self.split('/')[self.split('/').size()-1].contains(':')",message="image.repository must not hold a tag or digest: the tag is spec.version, a digest goes to image.digest"
	Repository string `json:"repository,omitempty"`

	// digest pins the image, for example sha256:0123... of 64 hexadecimal digits.
	// +optional
	// +kubebuilder:validation:MaxLength=71
	// +kubebuilder:validation:XValidation:rule="self.matches('^sha256:[0-9a-f]{64}$')",message="image.digest must be sha256: followed by 64 hexadecimal digits"
	Digest string `json:"digest,omitempty"`

	// pullPolicy of the containers. Default IfNotPresent.
	// +optional
	PullPolicy PullPolicy `json:"pullPolicy,omitempty"`

	// pullSecrets are image pull secrets in the stack's namespace.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	PullSecrets []LocalReference `json:"pullSecrets,omitempty"`

	// binaryDir is the folder of the image that holds the twelve binaries (openim-api, openim-msggateway, ...).
	// When absent, the layout of upstream's openim/openim-server image is taken, which needs the image's /bin/sh.
	// +optional
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self.startsWith('/') && !self.contains('..')",message="image.binaryDir must be an absolute path without '..', for example /openim/bin"
	BinaryDir string `json:"binaryDir,omitempty"`
}
