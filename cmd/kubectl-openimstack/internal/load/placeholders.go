package load

import (
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// Placeholder replaces every value of a Secret.
const Placeholder = "not-read"

// placeholders returns Secrets as a spec requires them, by name, with placeholders for values. Optional keys are left out. Whether the real
// Secrets exist and are complete is reported by the operator, in the condition DependenciesReady: the plugin reads none.
//
// The addresses behind a connection string are in a Secret, too. The string is made of mongodbAddresses. Without addresses it is left out,
// and the reference does not resolve.
func placeholders(stack *v1alpha1.OpenIMStack, mongodbAddresses []string) map[string]*corev1.Secret {
	p := secrets{}
	spec := stack.Spec
	for _, g := range v1alpha1.GeneratedKeys() {
		p.set(v1alpha1.ChildName(stack.Name, g.Suffix), g.Key, Placeholder)
	}
	if spec.SecretRef != nil {
		p.set(spec.SecretRef.Name, v1alpha1.KeyShareSecret, Placeholder)
	}

	d := spec.Dependencies
	p.named(d.Kafka.CredentialsRef, v1alpha1.KeyUsername, v1alpha1.KeyPassword)
	p.named(d.Redis.CredentialsRef, v1alpha1.KeyPassword)
	p.named(d.Etcd.CredentialsRef, v1alpha1.KeyUsername, v1alpha1.KeyPassword)
	p.mongodb(d.MongoDB, mongodbAddresses)
	if d.ObjectStorage != nil {
		p.named(&d.ObjectStorage.MinIO.CredentialsRef, v1alpha1.KeyAccessKeyID, v1alpha1.KeySecretAccessKey)
	}

	p.push(spec.Push)

	w := spec.Wrapper
	if w.Redis != nil {
		p.named(w.Redis.CredentialsRef, v1alpha1.KeyPassword)
		if w.Redis.TLS != nil {
			p.key(w.Redis.TLS.CASecretRef, Placeholder)
		}
	}
	if w.MongoDB != nil {
		p.mongodb(*w.MongoDB, mongodbAddresses)
	}
	for _, issuer := range w.Auth.Admins.Issuers {
		p.key(issuer.JWKS.SecretRef, `{"keys":[{}]}`)
		p.key(issuer.JWKS.CASecretRef, Placeholder)
	}
	if w.Gateway != nil && w.Gateway.TLS != nil {
		p.named(&w.Gateway.TLS.SecretRef, corev1.TLSCertKey, corev1.TLSPrivateKeyKey)
	}
	if users := w.Auth.Users; users != nil && users.ServerKeys != nil {
		p.named(&users.ServerKeys.SecretRef, v1alpha1.KeyLogin)
	}
	return p
}

// secrets are placeholders by name. A stack refers to Secrets of its own namespace only.
type secrets map[string]*corev1.Secret

// set adds a key to a Secret.
func (p secrets) set(name, key, value string) {
	if p[name] == nil {
		p[name] = &corev1.Secret{Data: map[string][]byte{}}
		p[name].Name = name
	}
	p[name].Data[key] = []byte(value)
}

// key adds the key of an optional reference.
func (p secrets) key(ref *v1alpha1.KeyReference, value string) {
	if ref != nil {
		p.set(ref.Name, ref.Key, value)
	}
}

// named adds keys to the Secret of an optional reference.
func (p secrets) named(ref *v1alpha1.LocalReference, keys ...string) {
	if ref == nil {
		return
	}
	for _, key := range keys {
		p.set(ref.Name, key, Placeholder)
	}
}

// mongodb adds the Secrets of a MongoDB. Both the stack's and the wrapper's may have a connection string.
func (p secrets) mongodb(spec v1alpha1.MongoDB, addresses []string) {
	p.named(spec.CredentialsRef, v1alpha1.KeyUsername, v1alpha1.KeyPassword)
	if spec.URIRef != nil && len(addresses) > 0 {
		p.key(spec.URIRef, "mongodb://"+strings.Join(addresses, ","))
	}
}
