package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// OpenIMStackStatus is the observed state.
type OpenIMStackStatus struct {
	// conditions of the stack. Ready, Reconciling and Stalled have the meaning of kstatus.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the last generation of the spec that was applied, or refused for a reason that only a user can remove.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// version is the OpenIM release that all processes run. Empty while they run different releases.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Version string `json:"version,omitempty"`

	// currentRevision is the run revision (a ControllerRevision) to which the last rollout was completed.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	CurrentRevision string `json:"currentRevision,omitempty"`

	// updateRevision is the run revision of the spec. It equals currentRevision at rest.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	UpdateRevision string `json:"updateRevision,omitempty"`

	// rollout is the rollout under way. Absent at rest.
	// +optional
	Rollout *Rollout `json:"rollout,omitempty"`

	// requests are the requests by annotation that were answered last.
	// +optional
	Requests *Requests `json:"requests,omitempty"`

	// processes lists the replicas of each component.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Processes []ProcessStatus `json:"processes,omitempty"`

	// effective lists values that hold for the stack although the spec may not name them, as paths of the spec: of the newest spec that was
	// accepted. They stay while a spec is refused or a reference does not resolve. It holds no secret.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Effective []EffectiveValue `json:"effective,omitempty"`

	// endpoints are the URLs at which the stack serves now: their Services exist and have a ready pod.
	// +optional
	Endpoints *Endpoints `json:"endpoints,omitempty"`

	// boundary is the observed state of the lockdown: NetworkPolicies, the last probe and the findings of the audit.
	// +optional
	Boundary *Boundary `json:"boundary,omitempty"`

	// stores lists the parts of stores that the stack occupies, as store, address and name, for example
	// redis redis.infra.svc:6379 database 0. No other stack can occupy the same part.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=512
	Stores []string `json:"stores,omitempty"`

	// loginKeys are the fingerprints of the login's static keys, which clients have pinned: sha256: and the SHA-256 of the
	// public key in hexadecimal. The first 16 digits are the key's ID.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=4
	// +kubebuilder:validation:items:MaxLength=71
	LoginKeys []string `json:"loginKeys,omitempty"`

	// unusedSecrets names the Secrets that the operator generated and the spec no longer uses. The operator never deletes them: delete
	// them when the stack will not need them again.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=253
	UnusedSecrets []string `json:"unusedSecrets,omitempty"`

	// generatedSecrets are the Secrets that the operator generated for the stack. One that is listed and does not exist is lost: it is
	// not generated as on its first use.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	GeneratedSecrets []GeneratedSecret `json:"generatedSecrets,omitempty"`

	// pendingChanges lists the objects that would be written if the stack were not suspended, as kind/name.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=128
	// +kubebuilder:validation:items:MaxLength=320
	PendingChanges []string `json:"pendingChanges,omitempty"`
}

// EffectiveValue is a value that holds for a stack.
type EffectiveValue struct {
	// name is a path of the spec without spec, for example settings.retention.messageDays.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Name string `json:"name,omitempty"`

	// value as text.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Value string `json:"value,omitempty"`
}

// GeneratedSecret is a Secret that the operator generated.
type GeneratedSecret struct {
	// name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// uid of the Secret when it was last seen. Empty when the Secret was never seen.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	UID string `json:"uid,omitempty"`

	// answeredRequest is the value of annotation openimstack.dev/regenerate-login-at or openimstack.dev/regenerate-custody-at that was
	// answered last.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	AnsweredRequest string `json:"answeredRequest,omitempty"`
}

// ProcessStatus is the status of one component.
type ProcessStatus struct {
	// name of the process, which is also the value of the label app.kubernetes.io/component.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`

	// ready replicas of the current template.
	// +required
	// +kubebuilder:validation:Minimum=0
	Ready *int32 `json:"ready,omitempty"`

	// updated replicas: pods of the current template, ready or not.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Updated *int32 `json:"updated,omitempty"`

	// desired replicas.
	// +required
	// +kubebuilder:validation:Minimum=0
	Desired *int32 `json:"desired,omitempty"`

	// version is the OpenIM release that all ready pods run. Empty for gateway and backend, while no pod is ready, and while pods of two
	// releases are.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Version string `json:"version,omitempty"`

	// revision is the run revision that the component's Deployment was built from. A component whose pods are the same in a later revision
	// gets its name when the rollout is complete.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Revision string `json:"revision,omitempty"`

	// restarts is the number of container restarts of the present pods.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Restarts *int32 `json:"restarts,omitempty"`

	// reason for which not all replicas are available, for example ImagePull. Empty when all are.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`

	// message describes the reason and names the remedy.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Message string `json:"message,omitempty"`
}

// Endpoints are the URLs of the stack.
type Endpoints struct {
	// gateway is the URL of the gateway's administrators' listener inside the cluster.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Gateway string `json:"gateway,omitempty"`

	// users is the URL of the gateway's users' listener inside the cluster. Empty unless users may log in.
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

// Boundary is the observed state of the lockdown.
type Boundary struct {
	// policies is the number of NetworkPolicies of the stack.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Policies *int32 `json:"policies,omitempty"`

	// connections is the number of connections that these policies allow.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Connections *int32 `json:"connections,omitempty"`

	// lastProbe is the result of the last probe.
	// +optional
	LastProbe *ProbeResult `json:"lastProbe,omitempty"`

	// findings of the audit, the most severe first: objects that open the stack or weaken the lockdown.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Findings []BoundaryFinding `json:"findings,omitempty"`

	// findingsTotal is the number of all findings.
	// +optional
	// +kubebuilder:validation:Minimum=0
	FindingsTotal *int32 `json:"findingsTotal,omitempty"`

	// exceptions are what the spec requests beyond what a stack needs, connections and logs with secrets: name, sources and targets, risk.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=512
	Exceptions []string `json:"exceptions,omitempty"`
}

// ProbeTrigger is the reason for a probe.
// +kubebuilder:validation:Enum=Interval;Change;Request
type ProbeTrigger string

// Triggers.
const (
	// ProbeInterval: the interval has passed.
	ProbeInterval ProbeTrigger = "Interval"
	// ProbeChange: an object that affects reachability of the stack changed.
	ProbeChange ProbeTrigger = "Change"
	// ProbeRequest: a user requested the probe by the annotation AnnotationProbeRequested.
	ProbeRequest ProbeTrigger = "Request"
)

// ProbeResult is the result of a probe.
type ProbeResult struct {
	// time at which the probe started.
	// +optional
	Time metav1.Time `json:"time,omitempty,omitzero"`

	// durationMilliseconds is the duration of the probe.
	// +optional
	// +kubebuilder:validation:Minimum=0
	DurationMilliseconds *int32 `json:"durationMilliseconds,omitempty"`

	// trigger is the reason for the probe.
	// +optional
	Trigger ProbeTrigger `json:"trigger,omitempty"`

	// request is the value of annotation openimstack.dev/probe-requested-at that the probe answers.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Request string `json:"request,omitempty"`

	// outcome: Enforced, Breached, NotEnforcedByCNI or NotVerified.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Outcome string `json:"outcome,omitempty"`

	// message describes the outcome in one sentence.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// attempted is the number of connection attempts.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Attempted *int32 `json:"attempted,omitempty"`

	// blocked is the number of attempts that were blocked as intended.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Blocked *int32 `json:"blocked,omitempty"`

	// allowed is the number of attempts that succeeded as intended, at open ports.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Allowed *int32 `json:"allowed,omitempty"`

	// unexpected is the number of attempts that succeeded and must be blocked, or the reverse.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Unexpected *int32 `json:"unexpected,omitempty"`

	// digest of the attempts and of the policies.
	// +optional
	// +kubebuilder:validation:MaxLength=80
	Digest string `json:"digest,omitempty"`
}

// BoundaryFinding is an object that opens the stack or weakens the lockdown.
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

	// message describes the fault of the object and the connections that it allows.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Message string `json:"message,omitempty"`
}
