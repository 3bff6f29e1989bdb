package dependencies

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// Bounds of spec.pods.trust. Mozilla's authorities are about 150 certificates in 230 KiB.
const (
	maxTrustBytes        = 512 << 10
	maxTrustCertificates = 1000
)

// trustReaders returns the components that read spec.pods.trust.
func trustReaders(stack *v1alpha1.OpenIMStack) []string {
	var names []string
	for _, p := range openim.Processes() {
		names = append(names, string(p.Name))
	}
	if stack.Spec.Wrapper.ExternalRef == nil {
		names = append(names, v1alpha1.ComponentGateway, v1alpha1.ComponentBackend)
	}
	return slices.DeleteFunc(names, func(name string) bool { return !openim.UsesSystemAuthorities(&stack.Spec, name) })
}

// trustSteps resolve spec.pods.trust, for the components that read it. Without any, nothing of it is read.
func (r *resolver) trustSteps() []step {
	if r.stack.Spec.Pods == nil || r.stack.Spec.Pods.Trust == nil {
		return nil
	}
	readers := trustReaders(r.stack)
	if len(readers) == 0 {
		return nil
	}
	return []step{{readers, r.trust}}
}

// trust checks the authorities. Go's programs skip what they cannot read of such a file, so that a typing error would show as a store that
// is not trusted: here it is refused.
func (r *resolver) trust() error {
	const field = "spec.pods.trust"
	ref := r.stack.Spec.Pods.Trust
	text, err := r.configMapKey(field, *ref)
	if err != nil || text == nil {
		return err
	}
	digest, problem := authorities(text, time.Now())
	if problem != "" {
		r.invalid(v1alpha1.ReasonConfigMapInvalid, field, "key %q of ConfigMap %q %s", ref.Key, ref.Name, problem)
		return nil
	}
	r.facts.Trust = openim.TrustFacts{Digest: digest, Key: &corev1.ConfigMapKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: ref.Name}, Key: ref.Key,
	}}
	return nil
}

// configMapKey reads one key of a ConfigMap. The value is nil when there is a problem.
func (r *resolver) configMapKey(field string, ref v1alpha1.ConfigMapKeyReference) ([]byte, error) {
	r.facts.ConfigMaps = append(r.facts.ConfigMaps, ref.Name)
	var object corev1.ConfigMap
	name := types.NamespacedName{Namespace: r.stack.Namespace, Name: ref.Name}
	if err := r.reader.Get(r.ctx, name, &object); apierrors.IsNotFound(err) {
		r.missing(v1alpha1.ReasonConfigMapNotFound, field, "ConfigMap %q does not exist in namespace %q: create it", ref.Name, name.Namespace)
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("reading ConfigMap %s: %w", name, err)
	}
	value, ok := object.BinaryData[ref.Key]
	if text, is := object.Data[ref.Key]; is {
		value, ok = []byte(text), true
	}
	switch {
	case !ok:
		r.missing(v1alpha1.ReasonConfigMapKeyNotFound, field, "ConfigMap %q has no key %q: add it", ref.Name, ref.Key)
		return nil, nil
	case len(bytes.TrimSpace(value)) == 0:
		r.missing(v1alpha1.ReasonConfigMapKeyNotFound, field, "key %q of ConfigMap %q is empty: write the PEM certificates of the authorities",
			ref.Key, ref.Name)
		return nil, nil
	}
	return value, nil
}

// authorities returns a digest of the certificates of a PEM text, or what is wrong with it and what to do. Text between the certificates is
// permitted. The order of the certificates, repetitions and that text do not change it. The problem quotes nothing of the text.
func authorities(text []byte, now time.Time) (digest, problem string) {
	if len(text) > maxTrustBytes {
		return "", fmt.Sprintf("has %d bytes, and at most %d are read: leave out the public authorities, which are trusted anyway",
			len(text), maxTrustBytes)
	}
	if bytes.Contains(text, []byte("PRIVATE KEY-----")) {
		return "", "holds a private key, which everybody who may read ConfigMaps has seen: remove it, replace that key, and write " +
			"certificates alone"
	}
	var found []string
	valid, begun := false, bytes.Count(text, []byte("-----BEGIN "))
	if begun > maxTrustCertificates {
		return "", fmt.Sprintf("holds %d certificates, and at most %d are read: leave out the public authorities, which are trusted anyway",
			begun, maxTrustCertificates)
	}
	for number := 1; ; number++ {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		text = rest
		if block.Type != "CERTIFICATE" || len(block.Headers) > 0 {
			return "", fmt.Sprintf("holds a block of another kind than CERTIFICATE, or with headers, as number %d: write certificates alone", number)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return "", fmt.Sprintf("holds as number %d a certificate that cannot be read: correct or remove it", number)
		}
		found, valid = append(found, string(certificate.Raw)), valid || now.Before(certificate.NotAfter)
	}
	switch {
	case begun == 0:
		return "", "holds no certificate: write the PEM certificates of the authorities"
	case len(found) != begun:
		return "", fmt.Sprintf("holds %d beginnings of PEM blocks, of which %d can be read: correct or remove the others", begun, len(found))
	case !valid:
		return "", "holds certificates that have all expired: write those that are valid now"
	}
	slices.Sort(found)
	sum := sha256.Sum256([]byte(strings.Join(slices.Compact(found), ""))) // DER begins with its length
	return hex.EncodeToString(sum[:8]), ""
}
