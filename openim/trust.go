package openim

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// Names of the authorities of spec.pods.trust in a pod.
const (
	// TrustVolume is the volume, and the folder below that of the component's other files.
	TrustVolume = "trust"
	// TrustDir is the folder in the pods of OpenIM.
	TrustDir = SecretsDir + "/" + TrustVolume
)

// TrustFacts are the authorities of spec.pods.trust. They are empty without it, and when no component reads them.
type TrustFacts struct {
	// Key is the key of the ConfigMap, or nil.
	Key *corev1.ConfigMapKeySelector `json:",omitempty"`
	// Digest changes when a certificate is added or removed, whatever their order and the text between them. Certificates are no secret, so
	// that it needs no key, unlike the hashes of Secrets.
	Digest string `json:",omitempty"`
}

// UsesSystemAuthorities reports whether a component connects to a server whose certificate it compares with the authorities of its system,
// because the spec names no others for that server: those of the image, of TrustEnv and of spec.pods.trust. For example openim-push does
// with spec.push, and all twelve processes do when etcd has TLS.
func UsesSystemAuthorities(spec *v1alpha1.OpenIMStackSpec, component string) bool {
	if component == v1alpha1.ComponentGateway || component == v1alpha1.ComponentBackend {
		return roleUsesSystemAuthorities(spec, component)
	}
	process, ok := Lookup(Name(component))
	if !ok {
		return false
	}
	return slices.ContainsFunc(process.Dependencies, func(d Dependency) bool { return storeUsesSystemAuthorities(spec.Dependencies, d) }) ||
		process.PushVendor && spec.Push != nil || // each vendor's URL is https
		len(HooksOf(process.Name, spec.Webhooks)) > 0 && isHTTPS(WebhookURL(*spec.Webhooks, ""))
}

// storeUsesSystemAuthorities reports it for the clients of one of OpenIM's stores.
func storeUsesSystemAuthorities(spec v1alpha1.Dependencies, d Dependency) bool {
	switch d {
	case Kafka:
		// A Secret may say that the connection is encrypted and name no authority. A listener of Strimzi always has one.
		return systemVerifies(spec.Kafka.TLS) || spec.Kafka.ResourceRef != nil && !spec.Kafka.ResourceRef.IsStrimzi()
	case MongoDB:
		return mongoUsesSystemAuthorities(spec.MongoDB)
	case Etcd:
		return spec.Etcd.TLS != nil // TrustsOfSystem
	case ObjectStorage:
		storage, _, _ := ObjectStorageOf(spec.ObjectStorage)
		return storage != nil && isHTTPS(storage.URL()) // TrustsOfSystem
	case Redis, WrapperRedis: // OpenIM's client of Redis has no TLS
	}
	return false
}

// roleUsesSystemAuthorities reports it for gateway or backend.
func roleUsesSystemAuthorities(spec *v1alpha1.OpenIMStackSpec, component string) bool {
	w := spec.Wrapper
	if slices.ContainsFunc(w.Auth.Admins.Issuers, func(i v1alpha1.Issuer) bool { return i.JWKS.URL != "" && i.JWKS.CASecretRef == nil }) ||
		w.Tracing != nil && isHTTPS(w.Tracing.Endpoint) {
		return true
	}
	if w.Auth.Users == nil {
		return false // neither role has a store
	}
	if w.Redis != nil && w.Redis.TLS != nil && w.Redis.TLS.CASecretRef == nil {
		return true
	}
	return component == v1alpha1.ComponentBackend && mongoUsesSystemAuthorities(ptr.Deref(w.MongoDB, spec.Dependencies.MongoDB))
}

// mongoUsesSystemAuthorities reports it for clients of a MongoDB. A connection string of a Secret may say tls=true.
func mongoUsesSystemAuthorities(spec v1alpha1.MongoDB) bool {
	return systemVerifies(spec.TLS) || spec.TLS == nil && (spec.URIRef != nil || spec.ResourceRef != nil)
}

func systemVerifies(tls *v1alpha1.StoreTLS) bool {
	return tls != nil && tls.CASecretRef == nil && tls.Verification != v1alpha1.TLSVerificationNone
}

func isHTTPS(url string) bool { return strings.HasPrefix(url, "https://") }
