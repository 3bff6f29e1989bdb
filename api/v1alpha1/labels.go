package v1alpha1

import (
	"regexp"
	"slices"
	"strings"
)

// Labels of every child. All selectors contain the name, instance and component labels, so that two stacks in one namespace
// never select each other's pods.
const (
	LabelName      = "app.kubernetes.io/name"
	LabelInstance  = "app.kubernetes.io/instance"
	LabelComponent = "app.kubernetes.io/component"
	LabelPartOf    = "app.kubernetes.io/part-of"
	LabelManagedBy = "app.kubernetes.io/managed-by"
	// LabelVersion is the release of OpenIM that a pod runs. Only pods of OpenIM's processes have it.
	LabelVersion = "app.kubernetes.io/version"
)

// Values of the labels.
const (
	NameOpenIM       = "openim"
	NameWrapper      = "openim-wrapper"
	PartOf           = "openimstack"
	ManagedBy        = "openim-operator"
	ComponentGateway = "gateway"
	ComponentBackend = "backend"
	// ComponentCheck is the check of OpenIM at its boundary. It has a pod only during a rollout.
	ComponentCheck    = "check"
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
	// AnnotationInitialReplicas on a Deployment holds the number of replicas at its creation. It is present when the spec names no number:
	// the operator then never writes spec.replicas again.
	AnnotationInitialReplicas = "openimstack.dev/initial-replicas"
	// AnnotationCheck on a pod names the run of the check that the pod makes.
	AnnotationCheck = "openimstack.dev/check"
	// AnnotationTemplate on a pod holds the hash of the template that the pod was made from.
	AnnotationTemplate = "openimstack.dev/template"
	// AnnotationRevision on a Deployment names the run revision that the Deployment was built from.
	AnnotationRevision = "openimstack.dev/revision"
)

// AnnotationReferencedBy on a Service lists the namespaces whose stacks may refer to it, separated by commas.
const AnnotationReferencedBy = "openimstack.dev/referenced-by"

// Annotations of the run revisions.
const (
	// AnnotationGeneration is the generation of the spec that the revision was made for.
	AnnotationGeneration = "openimstack.dev/generation"
	// AnnotationSecretVersions has the versions of the Secrets that the hashes of a run revision were made of: name=UID/resourceVersion,
	// separated by commas.
	AnnotationSecretVersions = "openimstack.dev/secret-versions"
	// AnnotationImages has the operator's images of a run revision and their formats, as JSON, when they were recorded after it was made.
	AnnotationImages = "openimstack.dev/images"
	// AnnotationConfigMaps names the ConfigMaps that stay while the revision is kept, separated by commas.
	AnnotationConfigMaps = "openimstack.dev/configmaps"
	// AnnotationRolledOut is "true" once a rollout to the revision was completed.
	AnnotationRolledOut = "openimstack.dev/rolled-out"
)

// VolumeCertificate is the volume of the gateway's pods with the Secret of spec.wrapper.gateway.tls. Pods without it serve plain HTTP.
const VolumeCertificate = "tls"

// AnnotationRetryRollout on an OpenIMStack requests that a rollout which is Held or RolledBack is tried again. A new value is a new
// request; status.requests.retryRollout holds the value that was answered last.
const AnnotationRetryRollout = "openimstack.dev/retry-rollout-at"

// AnnotationUpdate on an OpenIMStack requests the images and templates of the present operator, which UpdateAvailable tells of. A new
// value is a new request; status.requests.update holds the value that was answered last.
const AnnotationUpdate = "openimstack.dev/update-at"

// AnnotationRotateShareSecret on an OpenIMStack requests another generated share.secret, which replaces the present one step by step. The
// value is a time in RFC 3339 after the creation of the stack; status.requests.rotateShareSecret holds the value that was answered last.
const AnnotationRotateShareSecret = "openimstack.dev/rotate-share-secret-at"

// AnnotationProbeRequested on an OpenIMStack requests a probe now. A new value is a new request; by convention the value is the time in
// RFC 3339. status.boundary.lastProbe.request holds the value of the request that the last probe answers.
const AnnotationProbeRequested = "openimstack.dev/probe-requested-at"

// Annotations on an OpenIMStack that accept another key for a lost one. Each new value is one request: the time of the request in RFC
// 3339, not before the creation of the stack. status.generatedSecrets[].answeredRequest holds the request that was answered last.
const (
	// AnnotationRegenerateLogin gives up the static keys of the login that clients have pinned. The operator then accepts the keys that
	// are in the Secret, or generates one when the Secret does not exist.
	AnnotationRegenerateLogin = "openimstack.dev/regenerate-login-at"
	// AnnotationRegenerateCustody lets the operator generate the custody key when its Secret does not exist.
	AnnotationRegenerateCustody = "openimstack.dev/regenerate-custody-at"
)

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

// Labels of the ControllerRevisions of a stack.
const (
	// LabelRevision says what a revision keeps.
	LabelRevision = "openimstack.dev/revision"
	// RevisionSeal is the value of LabelRevision for the places that the NetworkPolicies of a stack open for egress.
	RevisionSeal = "seal"
	// RevisionRun is the value of LabelRevision for what the Deployments of a stack are built from.
	RevisionRun = "run"
)

// LabelReference on a Secret says of which store it is a copy: the Secrets and authorities that the store's resourceRef leads to.
const LabelReference = "openimstack.dev/reference"

// AnnotationCopiedFrom on a copy names the objects of another namespace that it was made from: the namespace, and group/kind/name of each,
// separated by spaces. A copy without it was made from objects of the stack's namespace.
// Example: kafka kafka.strimzi.io/Kafka/events /Secret/openim.
const AnnotationCopiedFrom = "openimstack.dev/copied-from"

// ReferenceName returns the name of a copy for a store with a digest of its content. Example: chat-ref-kafka-0123456789abcdef.
func ReferenceName(stack, store, digest string) string {
	return ChildName(stack, "ref-"+store+"-"+digest)
}

// referenceForm is the end of the names of copies.
var referenceForm = regexp.MustCompile(`.-ref-(kafka|redis|mongodb|wrapper-redis|wrapper-mongodb)-[0-9a-f]{16}$`)

// IsReference reports whether a Secret has a name of a copy, whatever the stack's name.
func IsReference(secret string) bool { return referenceForm.MatchString(secret) }

// ChildName returns the name of a child of a stack.
func ChildName(stack, component string) string { return stack + "-" + component }

// ListenerName returns the name of the Service that brings a listener of the gateway out of the cluster, and of the objects that lead to
// that Service.
func ListenerName(stack string, listener Listener) string {
	return ChildName(stack, strings.ToLower(string(listener)))
}

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
	// SuffixDigest is the Secret with the key of the hashes in AnnotationCredentials. Only the operator reads it.
	SuffixDigest = "digest"
	KeyDigest    = "key"
)

// GeneratedKey is a Secret that the operator generates: what follows the stack's name in its name, and its key.
// +kubebuilder:object:generate=false
type GeneratedKey struct{ Suffix, Key string }

// GeneratedKeys returns the Secrets that the operator generates for a stack with all settings. A share.secret that replaces another has a
// number after its suffix.
func GeneratedKeys() []GeneratedKey {
	return []GeneratedKey{
		{SuffixDigest, KeyDigest}, {SuffixShareSecret, KeyShareSecret}, {SuffixAssertionKey, KeyAssertionKey},
		{SuffixLogin, KeyLogin}, {SuffixCustody, KeyCustody},
	}
}

// IsGenerated reports whether a Secret has a name under which the operator keeps a generated key or a copy of a stack, whatever the stack's
// name: a login key outlives its stack, and a stack that is made tomorrow gets its keys under such names. Example: chat-share-secret-2.
func IsGenerated(secret string) bool {
	if _, ok := ShareSecretOf(secret); ok || IsReference(secret) {
		return true
	}
	return slices.ContainsFunc(GeneratedKeys(), func(g GeneratedKey) bool {
		stack, ok := strings.CutSuffix(secret, ChildName("", g.Suffix))
		return ok && stack != ""
	})
}

// ShareSecretOf returns the stack whose share.secret the operator keeps under a name: the first one or, with a number, one that replaced
// it. ok is false for another name. Example: chat-share-secret-2 is of chat.
func ShareSecretOf(secret string) (stack string, ok bool) {
	if first, number, numbered := cutLast(secret, "-"); numbered && number != "" && strings.Trim(number, "0123456789") == "" {
		secret = first
	}
	stack, ok = strings.CutSuffix(secret, ChildName("", SuffixShareSecret))
	return stack, ok && stack != ""
}

// cutLast cuts a text around the last instance of a separator.
func cutLast(text, separator string) (before, after string, found bool) {
	if i := strings.LastIndex(text, separator); i >= 0 {
		return text[:i], text[i+len(separator):], true
	}
	return text, "", false
}

// Keys of the Secrets that a spec refers to.
const (
	KeyUsername        = "username"
	KeyPassword        = "password"
	KeyAccessKeyID     = "accessKeyID"
	KeySecretAccessKey = "secretAccessKey"
)
