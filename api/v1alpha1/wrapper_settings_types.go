package v1alpha1

import "k8s.io/apimachinery/pkg/api/resource"

// WrapperRedis is the wrapper's own Redis. More than one address means a Redis cluster.
// +kubebuilder:validation:XValidation:rule="has(self.credentialsRef) || has(self.resourceRef)",message="wrapper.redis.credentialsRef is needed: without a password, access to this Redis gives access to every session. Name a Secret with the key password"
type WrapperRedis struct {
	Redis `json:",inline"`
}

// RedisTLS configures how the server's certificate is verified.
type RedisTLS struct {
	// caSecretRef is the key of a Secret with the PEM certificates of the authorities that sign the server's certificate.
	// Default: the public authorities, and those of pods.trust.
	// +optional
	CASecretRef *KeyReference `json:"caSecretRef,omitempty"`
}

// Limits are the rate limits of calls.
type Limits struct {
	// classes of calls, each with its limit. A class that is not listed keeps its default.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=10
	Classes []LimitClass `json:"classes,omitempty"`
}

// LimitKey is the key by which calls are counted.
// +kubebuilder:validation:Enum=User;Device;IP
type LimitKey string

// Keys by which calls are counted.
const (
	LimitByUser   LimitKey = "User"
	LimitByDevice LimitKey = "Device"
	LimitByIP     LimitKey = "IP"
)

// LimitClass is the limit of one class of calls. Calls are counted separately for each user, device or address.
type LimitClass struct {
	// name of the class. docs/wrapper.md lists the calls of each class.
	// +required
	// +kubebuilder:validation:Enum=login;refused;self;admin;socket;message;read;write;bulk;search
	Name string `json:"name,omitempty"`

	// perSecond is the sustained number of calls per second. It may be a fraction, such as 500m.
	// +required
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).isGreaterThan(quantity('0'))",message="perSecond must be more than 0: write for example 5, or 500m for one call in two seconds"
	PerSecond resource.Quantity `json:"perSecond,omitzero"`

	// burst is the number of calls that may arrive at once.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	Burst int32 `json:"burst,omitempty"`

	// by lists the keys by which calls are counted.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=3
	By []LimitKey `json:"by,omitempty"`
}

// Policy holds rules in addition to those of the wrapper.
type Policy struct {
	// rules in CEL (Common Expression Language). A call is allowed when all of them are true.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Rules []PolicyRule `json:"rules,omitempty"`
}

// PolicyRule is one rule.
type PolicyRule struct {
	// name of the rule, as the audit log shows it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="a rule's name must be made of lower-case letters, digits and '-', for example no-calls-at-night"
	Name string `json:"name,omitempty"`

	// expression in CEL that is true when the call is allowed. docs/wrapper.md lists the variables of the expression.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Expression string `json:"expression,omitempty"`

	// message that the caller receives when the rule refuses a call.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Message string `json:"message,omitempty"`
}

// AuditOutput is the destination of the audit log.
// +kubebuilder:validation:Enum=Stdout
type AuditOutput string

// AuditStdout is the standard output of the containers, which also carries their log.
const AuditStdout AuditOutput = "Stdout"

// Audit is the audit log of all calls and messages.
type Audit struct {
	// output is the destination of the audit log. Default Stdout: one line of JSON for each event, chained by hashes.
	// +optional
	Output AuditOutput `json:"output,omitempty"`
}

// Tracing sends traces to a collector.
// +kubebuilder:validation:XValidation:rule="!has(self.peerPort) || has(self.peers)",message="tracing.peerPort is the port of peers: write peers, or remove peerPort"
type Tracing struct {
	// endpoint of the collector, OTLP over HTTP, for example http://otel-collector.monitoring.svc:4318.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://([a-zA-Z0-9_]([-a-zA-Z0-9_]*[a-zA-Z0-9_])?([.][a-zA-Z0-9_]([-a-zA-Z0-9_]*[a-zA-Z0-9_])?)*[.]?|[[][0-9a-fA-F:.]+[]])(:[1-9][0-9]{0,4})?$')",message="tracing.endpoint must be a URL of scheme, host and port, for example http://otel-collector.monitoring.svc:4318"
	Endpoint string `json:"endpoint,omitempty"`

	// sampleRatio is the ratio of calls that are traced, from 0 to 1, as text. Default 0.01, one call in a hundred.
	// +optional
	// +kubebuilder:validation:MaxLength=8
	// +kubebuilder:validation:XValidation:rule="self.matches('^(0([.][0-9]{1,6})?|1([.]0{1,6})?)$')",message="tracing.sampleRatio must be a number from 0 to 1 with at most six decimals, in quotes, for example \"0.01\""
	SampleRatio string `json:"sampleRatio,omitempty"`

	// peers select the collector on the network, when the endpoint's host is not a Service or an address.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Peers []Peer `json:"peers,omitempty"`

	// peerPort is the port of the peers' pods. With peers and peerPort nothing is read of a Service. Default: the Service's target port, or
	// the port of the address.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	PeerPort *int32 `json:"peerPort,omitempty"`
}
