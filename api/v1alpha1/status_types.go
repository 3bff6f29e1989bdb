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

	// boundary is what guards the stack, and what was seen of it.
	// +optional
	Boundary *Boundary `json:"boundary,omitempty"`

	// stores lists what the stack holds in its stores, as store, address and name, for example
	// redis redis.infra.svc:6379 database 0. No other stack gets it while this one has it.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=512
	Stores []string `json:"stores,omitempty"`

	// loginKeys are the fingerprints of the login's static keys, which clients have pinned: sha256: and the SHA-256 of the
	// public key in hexadecimal. Its first 16 digits are the key's id.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=4
	// +kubebuilder:validation:items:MaxLength=71
	LoginKeys []string `json:"loginKeys,omitempty"`

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

	// webSocket is the URL of OpenIM's own WebSocket inside the cluster. Empty unless network.webSocket is Direct or
	// wrapper.externalRef is set.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	WebSocket string `json:"webSocket,omitempty"`

	// api is the URL of OpenIM's HTTP API inside the cluster. Empty unless wrapper.externalRef is set.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	API string `json:"api,omitempty"`
}

// Boundary is what guards the stack, and what was seen of it.
type Boundary struct {
	// policies is the number of NetworkPolicies which the operator keeps for the stack.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Policies *int32 `json:"policies,omitempty"`

	// connections is the number of connections that they let through.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Connections *int32 `json:"connections,omitempty"`

	// lastProbe is what came of trying it with real connections.
	// +optional
	LastProbe *ProbeResult `json:"lastProbe,omitempty"`

	// findings open the stack or weaken its boundary, the most severe first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Findings []BoundaryFinding `json:"findings,omitempty"`

	// findingsTotal is the number of all findings.
	// +optional
	// +kubebuilder:validation:Minimum=0
	FindingsTotal *int32 `json:"findingsTotal,omitempty"`

	// exceptions are openings that the spec asks for: name, what they let through, the risk.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=512
	Exceptions []string `json:"exceptions,omitempty"`
}

// ProbeTrigger is why the boundary was tried.
// +kubebuilder:validation:Enum=Interval;Change;Request
type ProbeTrigger string

// Triggers.
const (
	// ProbeInterval: it was time.
	ProbeInterval ProbeTrigger = "Interval"
	// ProbeChange: something changed that decides who reaches the stack.
	ProbeChange ProbeTrigger = "Change"
	// ProbeRequest: somebody asked for it by the annotation AnnotationProbeRequested.
	ProbeRequest ProbeTrigger = "Request"
)

// ProbeResult is what came of trying the boundary.
type ProbeResult struct {
	// time when it began.
	// +optional
	Time metav1.Time `json:"time,omitempty,omitzero"`

	// durationMilliseconds that it took.
	// +optional
	// +kubebuilder:validation:Minimum=0
	DurationMilliseconds *int32 `json:"durationMilliseconds,omitempty"`

	// trigger is why it was tried.
	// +optional
	Trigger ProbeTrigger `json:"trigger,omitempty"`

	// request is the value of annotation openimstack.dev/probe-requested-at that it answers.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Request string `json:"request,omitempty"`

	// outcome: Enforced, Breached, NotEnforcedByCNI or NotVerified.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Outcome string `json:"outcome,omitempty"`

	// message says in a sentence what was seen.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// attempted connections.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Attempted *int32 `json:"attempted,omitempty"`

	// blocked, as intended.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Blocked *int32 `json:"blocked,omitempty"`

	// allowed, as intended: the doors.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Allowed *int32 `json:"allowed,omitempty"`

	// unexpected ones passed and should have been blocked, or the reverse.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Unexpected *int32 `json:"unexpected,omitempty"`

	// digest of what was tried, and of the policies.
	// +optional
	// +kubebuilder:validation:MaxLength=80
	Digest string `json:"digest,omitempty"`
}

// BoundaryFinding is an object that opens the stack or weakens its boundary.
type BoundaryFinding struct {
	// kind of the finding, for example ForeignPolicyWidens.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Kind string `json:"kind,omitempty"`

	// severity: Critical, High, Medium or Low.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	Severity string `json:"severity,omitempty"`

	// object as Kind/namespace/name.
	// +optional
	// +kubebuilder:validation:MaxLength=400
	Object string `json:"object,omitempty"`

	// message says what is wrong with the object and what it lets through.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Message string `json:"message,omitempty"`
}
