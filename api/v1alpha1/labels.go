package v1alpha1

// Labels that every child carries. All selectors hold the name, instance and component labels, so that two stacks in one
// namespace never select each other's pods.
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
	// AnnotationReason says why a NetworkPolicy lets through what it lets through.
	AnnotationReason = "openimstack.dev/reason"
	// AnnotationExceptions names the exceptions of the spec that lead to a Service.
	AnnotationExceptions = "openimstack.dev/exceptions"
	// AnnotationCredentials is a keyed hash over the credentials a pod runs with: a change of it restarts the pod.
	AnnotationCredentials = "openimstack.dev/credentials"
)

// AnnotationProbeRequested on an OpenIMStack asks for the boundary to be tried now. A new value is a new request, by custom the time in
// RFC 3339; status.boundary.lastProbe.request names the one that was answered.
const AnnotationProbeRequested = "openimstack.dev/probe-requested-at"

// AnnotationGiveUpLoginKey on an OpenIMStack gives up a static key of the login that was lost or replaced, and takes the one that is
// there, or has one generated. Its value is the fingerprint of the key to give up, as status.loginKeys shows it, so that it serves once.
const AnnotationGiveUpLoginKey = "openimstack.dev/give-up-login-key"

// Labels of the probe's pods. They carry no label that a policy of a stack selects or lets in.
const (
	// NameProbe is the value of LabelName.
	NameProbe = "openim-probe"
	// LabelProbe and LabelProbeNamespace name the stack that a pod probes.
	LabelProbe          = "openimstack.dev/probe"
	LabelProbeNamespace = "openimstack.dev/probe-namespace"
	// LabelProbeRun tells the pods of one run from those of another.
	LabelProbeRun = "openimstack.dev/probe-run"
)

// ChildName is the name of a child of a stack.
func ChildName(stack, component string) string { return stack + "-" + component }

// Secrets which the operator generates, and their keys.
const (
	SuffixShareSecret  = "share-secret"
	KeyShareSecret     = "secret"
	SuffixAssertionKey = "assertion"
	KeyAssertionKey    = "key"
	// SuffixLogin holds the static key for logins, the private half of an X25519 key pair. Clients recognise the gateway by it; the
	// backend alone reads it.
	SuffixLogin = "login"
	KeyLogin    = "key"
	// SuffixCustody holds the key with which the backend encrypts OpenIM's tokens and codes, and seals sessions and tickets.
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
