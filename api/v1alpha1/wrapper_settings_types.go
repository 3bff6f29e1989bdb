package v1alpha1

import "k8s.io/apimachinery/pkg/api/resource"

// WrapperRedis is the Redis of the wrapper's own. More than one address means a Redis cluster.
// +kubebuilder:validation:XValidation:rule="has(self.credentialsRef)",message="wrapper.redis.credentialsRef is needed: whoever reaches a Redis without a password is everybody's session. Name a Secret with the key password"
type WrapperRedis struct {
	Redis `json:",inline"`

	// tls encrypts the connections. Default: plain.
	// +optional
	TLS *RedisTLS `json:"tls,omitempty"`
}

// RedisTLS says whom to believe.
type RedisTLS struct {
	// caSecretRef is the key of a Secret with the PEM certificates of the authorities that vouch for the server. Default: the
	// well-known public ones.
	// +optional
	CASecretRef *KeyReference `json:"caSecretRef,omitempty"`
}

// Limits bounds how often callers may call.
type Limits struct {
	// classes of calls, each with its limit. A class that is not named keeps its default.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=10
	Classes []LimitClass `json:"classes,omitempty"`
}

// LimitKey is by what calls are counted.
// +kubebuilder:validation:Enum=User;Device;IP
type LimitKey string

// Keys by which calls are counted.
const (
	LimitByUser   LimitKey = "User"
	LimitByDevice LimitKey = "Device"
	LimitByIP     LimitKey = "IP"
)

// LimitClass is the limit of one class of calls. Each user, device or address has one of its own.
type LimitClass struct {
	// name of the class. docs/wrapper.md says what belongs to each.
	// +required
	// +kubebuilder:validation:Enum=login;refused;self;admin;socket;message;read;write;bulk;search
	Name string `json:"name,omitempty"`

	// perSecond is how many calls a second are let through for long. It may be a fraction, such as 500m.
	// +required
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).isGreaterThan(quantity('0'))",message="perSecond must be more than 0: write for example 5, or 500m for one call in two seconds"
	PerSecond resource.Quantity `json:"perSecond,omitzero"`

	// burst is how many calls may come at once.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	Burst int32 `json:"burst,omitempty"`

	// by what calls are counted.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=3
	By []LimitKey `json:"by,omitempty"`
}

// Policy is rules of one's own, on top of those of the wrapper.
type Policy struct {
	// rules in CEL (Common Expression Language). A call is let through when all of them are true.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Rules []PolicyRule `json:"rules,omitempty"`
}

// PolicyRule is one rule.
type PolicyRule struct {
	// name of the rule, as the audit trail shows it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="a rule's name must be made of lower-case letters, digits and '-', for example no-calls-at-night"
	Name string `json:"name,omitempty"`

	// expression in CEL that is true when the call is allowed. docs/wrapper.md lists what it may look at.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Expression string `json:"expression,omitempty"`

	// message that the caller gets when it is refused.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Message string `json:"message,omitempty"`
}

// AuditOutput is where the trail goes.
// +kubebuilder:validation:Enum=Stdout
type AuditOutput string

// AuditStdout is the containers' standard output, beside the log.
const AuditStdout AuditOutput = "Stdout"

// Audit is the trail of all calls and messages.
type Audit struct {
	// output is where the trail goes. Default Stdout: one line of JSON for each event, chained by hashes.
	// +optional
	Output AuditOutput `json:"output,omitempty"`
}

// Tracing sends traces to a collector.
type Tracing struct {
	// endpoint of the collector, OTLP over HTTP, for example http://otel-collector.monitoring.svc:4318.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://[^/?#@ ]+$')",message="tracing.endpoint must be a URL of scheme, host and port, for example http://otel-collector.monitoring.svc:4318"
	Endpoint string `json:"endpoint,omitempty"`

	// sampleRatio is the share of calls that are traced, from 0 to 1, as text. Default 0.01, one in a hundred.
	// +optional
	// +kubebuilder:validation:MaxLength=8
	// +kubebuilder:validation:XValidation:rule="self.matches('^(0([.][0-9]{1,6})?|1([.]0{1,6})?)$')",message="tracing.sampleRatio must be a number from 0 to 1 with at most six decimals, in quotes, for example \"0.01\""
	SampleRatio string `json:"sampleRatio,omitempty"`

	// peers are where the collector is on the network, when the endpoint's host cannot tell.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Peers []Peer `json:"peers,omitempty"`
}
