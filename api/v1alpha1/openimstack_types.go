package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// OpenIMStack runs OpenIM behind a wrapper: OpenIM's twelve processes, the wrapper's gateway and backend, and the network
// policies that let only the wrapper reach OpenIM.
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
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must start with a letter and contain only lower-case letters, digits and '-': the names of the stack's Services are made from it (write for example chat)"
type OpenIMStack struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired state.
	// +required
	Spec OpenIMStackSpec `json:"spec,omitzero"`

	// status is the observed state.
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

// OpenIMStackSpec is the desired state.
// +kubebuilder:validation:XValidation:rule="!has(self.wrapper.redis) || !has(self.wrapper.redis.addresses) || !has(self.dependencies.redis.addresses) || !self.wrapper.redis.addresses.exists(a, a in self.dependencies.redis.addresses)",message="wrapper.redis names an address of dependencies.redis: write the address of another Redis. The gateway must not reach OpenIM's Redis, because access to it is full access to OpenIM"
// +kubebuilder:validation:XValidation:rule="!has(self.wrapper.externalRef) || !has(self.network) || !(has(self.network.clients) || has(self.network.admins))",message="network.clients and network.admins apply to the operator's gateway, which wrapper.externalRef replaces: remove them, and restrict access to your wrapper with your own NetworkPolicies"
// +kubebuilder:validation:XValidation:rule="!has(self.wrapper.externalRef) || !has(self.network) || !has(self.network.extraEgress) || self.network.extraEgress.all(e, !('gateway' in e.components) && !('backend' in e.components))",message="network.extraEgress names gateway or backend, which wrapper.externalRef replaces: remove them from components"
type OpenIMStackSpec struct {
	// version is the tag of the OpenIM release to run. It selects the format of the configuration and is the image's tag.
	// Supported: v3.8.3 and v3.8.3-patch.1 to v3.8.3-patch.16, but for patch.11, whose sources do not compile.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^v[0-9]+[.][0-9]+[.][0-9]+(-[a-z]+[.][0-9]+)?$')",message="version must be an OpenIM release tag such as v3.8.3 or v3.8.3-patch.16"
	Version string `json:"version,omitempty"`

	// image contains OpenIM's twelve binaries. Default: openim/openim-server with the tag of version.
	// +optional
	Image *ImageSpec `json:"image,omitempty"`

	// suspend stops all writes while it is true. The status is still updated, and status.pendingChanges lists the objects that
	// would be written.
	// +optional
	Suspend *bool `json:"suspend,omitempty"`

	// secretRef names a Secret in the stack's namespace whose key "secret" is OpenIM's share.secret. Knowledge of it gives
	// administrator access to OpenIM. When absent, the Secret <name>-share-secret is generated.
	// +optional
	SecretRef *LocalReference `json:"secretRef,omitempty"`

	// dependencies are the stores that OpenIM needs. The operator never deploys them.
	// +required
	Dependencies Dependencies `json:"dependencies,omitzero"`

	// supervision selects how OpenIM's programs are run. Enabled, the default: by a supervisor of the operator's, which tells the kubelet
	// whether a process is started, served and found by the others, restores a registration that was lost with etcd, and deregisters a
	// pod before it stops. An init container checks the stores first. Disabled: as upstream's image runs them, with probes that cannot
	// say whether a process works. Disable it to reproduce a problem without the operator's programs, for a report to upstream.
	// +optional
	Supervision Supervision `json:"supervision,omitempty"`

	// processes sizes OpenIM's processes.
	// +optional
	Processes *Processes `json:"processes,omitempty"`

	// pods are settings of the pods themselves, for example where they run.
	// +optional
	Pods *Pods `json:"pods,omitempty"`

	// settings are OpenIM's own settings. What is absent has the default.
	// +optional
	Settings *Settings `json:"settings,omitempty"`

	// push sends notifications to the devices of users who are offline. Absent: nobody is notified.
	// +optional
	Push *Push `json:"push,omitempty"`

	// webhooks are calls of OpenIM to a service of yours. Absent: none.
	// +optional
	Webhooks *Webhooks `json:"webhooks,omitempty"`

	// wrapper configures the gateway and the backend, the only path to OpenIM.
	// +required
	Wrapper Wrapper `json:"wrapper,omitzero"`

	// upgrade configures how changes reach the running pods.
	// +optional
	Upgrade *Upgrade `json:"upgrade,omitempty"`

	// network declares the peers that may reach the gateway and the metrics ports, and the DNS servers.
	// +optional
	Network *Network `json:"network,omitempty"`
}

// Supervision selects how OpenIM's programs are run.
// +kubebuilder:validation:Enum=Enabled;Disabled
type Supervision string

// Values of Supervision. An empty value means SupervisionEnabled.
const (
	SupervisionEnabled  Supervision = "Enabled"
	SupervisionDisabled Supervision = "Disabled"
)

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

// PullPolicy selects when the kubelet pulls an image.
// +kubebuilder:validation:Enum=Always;IfNotPresent;Never
type PullPolicy string

// ImageSpec is the image with OpenIM's binaries.
type ImageSpec struct {
	// repository without tag and digest. Default openim/openim-server.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="!self.contains('@') && !self.split('/')[self.split('/').size()-1].contains(':')",message="image.repository must not contain a tag or digest: the tag is spec.version; write a digest to image.digest"
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

	// binaryDir is the folder of the image with the twelve binaries (openim-api, openim-msggateway, ...).
	// When absent, the layout of upstream's image openim/openim-server is assumed, which needs the image's /bin/sh.
	// +optional
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self.startsWith('/') && !self.contains('..')",message="image.binaryDir must be an absolute path without '..', for example /openim/bin"
	BinaryDir string `json:"binaryDir,omitempty"`
}
