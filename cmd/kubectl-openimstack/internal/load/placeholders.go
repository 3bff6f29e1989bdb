package load

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
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
	p.authority(d.Etcd.TLS)
	p.mongodb(d.MongoDB, mongodbAddresses)
	p.objectStorage(d.ObjectStorage)

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
	if tls := spec.TLS; tls != nil {
		p.key(tls.CASecretRef, pair())
		if client := tls.ClientCertificate; client != nil {
			p.set(client.SecretRef.Name, cmp.Or(client.CertKey, "tls-combined.pem"), pair())
		}
	}
}

// objectStorage adds the Secret of an object store's credentials.
func (p secrets) objectStorage(spec *v1alpha1.ObjectStorage) {
	_, credentials, _ := openim.ObjectStorageOf(spec)
	p.named(credentials, v1alpha1.KeyAccessKeyID, v1alpha1.KeySecretAccessKey)
	if spec != nil && spec.MinIO != nil {
		p.authority(spec.MinIO.TLS)
	}
}

// authority adds the Secret of a store's authority.
func (p secrets) authority(tls *v1alpha1.ServerTLS) {
	if tls != nil {
		p.key(tls.CASecretRef, pair())
	}
}

// pair returns a certificate and its private key as one text.
func pair() string {
	certificate, key := certificateAndKey()
	return certificate + key
}

// certificateAndKey returns a certificate and its private key as PEM, made anew by each run: references to certificates resolve only to
// valid ones.
var certificateAndKey = sync.OnceValues(func() (certificate, private string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Placeholder, "" // the reference then does not resolve, which is said
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour)}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return Placeholder, ""
	}
	text, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Placeholder, ""
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text}))
})
