package dependencies

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// combinedKey is the key of certificate and private key in one file, as cert-manager names it.
const combinedKey = "tls-combined.pem"

// storeFiles checks the Secrets of a store's TLS and returns the files that its clients read, with a hash of them. combined is true for
// clients that read certificate and private key from one file. A process would end at its start with a file that holds something else.
func (r *resolver) storeFiles(field string, from *v1alpha1.ResourceReference, spec *v1alpha1.StoreTLS, combined bool) (
	files []openim.StoreFile, digest string, err error,
) {
	if spec == nil {
		return nil, "", nil
	}
	sum := r.digest()
	read := func(field, secret, key, file string) ([]byte, error) {
		selector, value, err := r.key(field, secret, key)
		if err != nil || value == nil {
			return nil, err
		}
		files = append(files, openim.StoreFile{Key: selector, Name: file})
		fmt.Fprintf(sum, "%s=%d:%s\n", file, len(value), value)
		return value, nil
	}
	if ref := spec.CASecretRef; ref != nil {
		field := fieldOf(field, from, "tls.caSecretRef")
		value, err := read(field, ref.Name, ref.Key, openim.CAFile)
		if err != nil {
			return nil, "", err
		}
		r.checkAuthority(field, ref, value)
	}
	if client := spec.ClientCertificate; client != nil {
		field, secret := fieldOf(field, from, "tls.clientCertificate"), client.SecretRef.Name
		certificate, key, err := clientPair(field, client, combined, read)
		if err != nil {
			return nil, "", err
		}
		r.checkPair(field, secret, certificate, key)
	}
	if len(files) == 0 {
		return nil, "", nil
	}
	return files, hex.EncodeToString(sum.Sum(nil)[:8]), nil
}

// clientPair reads a client's certificate and its key: one file that holds both, or two.
func clientPair(
	field string, client *v1alpha1.ClientCertificate, combined bool, read func(field, secret, key, file string) ([]byte, error),
) (certificate, key []byte, err error) {
	secret := client.SecretRef.Name
	if combined {
		both, err := read(field, secret, cmp.Or(client.CertKey, combinedKey), openim.CombinedFile)
		return both, both, err
	}
	certificate, err = read(field, secret, cmp.Or(client.CertKey, corev1.TLSCertKey), openim.CertificateFile)
	if err != nil {
		return nil, nil, err
	}
	key, err = read(field, secret, cmp.Or(client.KeyKey, corev1.TLSPrivateKeyKey), openim.PrivateKeyFile)
	return certificate, key, err
}

// checkAuthority refuses a value without a certificate. A nil value is a problem of its own.
func (r *resolver) checkAuthority(field string, ref *v1alpha1.KeyReference, value []byte) {
	if value != nil && !x509.NewCertPool().AppendCertsFromPEM(value) {
		r.invalid(v1alpha1.ReasonSecretInvalid, field,
			"key %q of Secret %q holds no certificate: write the PEM certificates of the authorities", ref.Key, r.shown(ref.Name))
	}
}

// checkPair refuses a client's certificate that does not belong to its private key. The error of the library may quote neither.
func (r *resolver) checkPair(field, secret string, certificate, key []byte) {
	if certificate == nil || key == nil {
		return
	}
	if _, err := tls.X509KeyPair(certificate, key); err != nil {
		r.invalid(v1alpha1.ReasonSecretInvalid, field,
			"Secret %q does not hold a certificate and its private key: write both as PEM, the key without a password", r.shown(secret))
	}
}

// setFiles adds the files of a store to the facts.
func (r *resolver) setFiles(d openim.Dependency, files []openim.StoreFile) {
	if len(files) == 0 {
		return
	}
	if r.facts.Files == nil {
		r.facts.Files = map[openim.Dependency][]openim.StoreFile{}
	}
	r.facts.Files[d] = files
}

// addHash makes the pods that use a store restart when the files of the store change.
func (r *resolver) addHash(d openim.Dependency, digest string) {
	if digest != "" {
		r.facts.CredentialHashes[d] = joinHashes(r.facts.CredentialHashes[d], digest)
	}
}

func joinHashes(hashes ...string) string {
	var all []string
	for _, h := range hashes {
		if h != "" {
			all = append(all, h)
		}
	}
	return strings.Join(all, "-")
}
