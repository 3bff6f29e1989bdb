package v1alpha1

// Labels of every child. All selectors contain the name, instance and component labels, so that two stacks in one namespace
// never select each other's pods.
const (
	LabelName      = "app.kubernetes.io/name"
	LabelInstance  = "app.kubernetes.io/instance"
	LabelComponent = "app.kubernetes.io/component"
	LabelPartOf    = "app.kubernetes.io/part-of"
	LabelManagedBy = "app.kubernetes.io/managed-by"
)

// Values of the labels.
const (
	NameOpenIM        = "openim"
	NameWrapper       = "openim-wrapper"
	PartOf            = "openimstack"
	ManagedBy         = "openim-operator"
	ComponentGateway  = "gateway"
	ComponentBackend  = "backend"
	ComponentBoundary = "boundary"
)

// Annotations of children.
const (
	// AnnotationReason holds the reasons for the rules of a NetworkPolicy.
	AnnotationReason = "openimstack.dev/reason"
	// AnnotationExceptions names the exceptions of the spec that open a Service.
	AnnotationExceptions = "openimstack.dev/exceptions"
	// AnnotationCredentials is a keyed hash of the credentials of a pod. A change of the hash restarts the pod.
	AnnotationCredentials = "openimstack.dev/credentials"
)

// AnnotationProbeRequested on an OpenIMStack requests a probe now. A new value is a new request; by convention the value is the time in
// RFC 3339. status.boundary.lastProbe.request holds the value of the request that the last probe answers.
const AnnotationProbeRequested = "openimstack.dev/probe-requested-at"

// AnnotationGiveUpLoginKey on an OpenIMStack gives up a static key of the login that was lost or replaced. The operator then accepts the
// existing key or generates one. The value is the fingerprint of the key to give up, as in status.loginKeys, so that the annotation has
// an effect only once.
const AnnotationGiveUpLoginKey = "openimstack.dev/give-up-login-key"

// Labels of the probe's pods. No policy of a stack selects or allows pods with these labels.
const (
	// NameProbe is the value of LabelName.
	NameProbe = "openim-probe"
	// LabelProbe and LabelProbeNamespace name the stack that a pod probes.
	LabelProbe          = "openimstack.dev/probe"
	LabelProbeNamespace = "openimstack.dev/probe-namespace"
	// LabelProbeRun identifies the pods of one run.
	LabelProbeRun = "openimstack.dev/probe-run"
)

// ChildName returns the name of a child of a stack.
func ChildName(stack, component string) string { return stack + "-" + component }

// Secrets that the operator generates, and their keys.
const (
	SuffixShareSecret  = "share-secret"
	KeyShareSecret     = "secret"
	SuffixAssertionKey = "assertion"
	KeyAssertionKey    = "key"
	// SuffixLogin is the Secret with the static key for logins, the private half of an X25519 key pair. Clients recognise the gateway by
	// this key. Only the backend reads it.
	SuffixLogin = "login"
	KeyLogin    = "key"
	// SuffixCustody is the Secret with the key with which the backend encrypts OpenIM's tokens and codes, and seals sessions and tickets.
	SuffixCustody = "custody"
	KeyCustody    = "key"
)

// Keys of the Secrets that a spec refers to.
const (
	KeyUsername        = "username"
	KeyPassword        = "password"
	KeyAccessKeyID     = "accessKeyID"
	KeySecretAccessKey = "secretAccessKey"
)
