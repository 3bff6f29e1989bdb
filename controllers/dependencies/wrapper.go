package dependencies

import (
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// wrapper checks the Secrets which the gateway mounts: it would wait for them without a word otherwise. Their content is
// the gateway's to judge, save for what can never work.
func (r *resolver) wrapper() error {
	for i, issuer := range r.stack.Spec.Wrapper.Auth.Admins.Issuers {
		field := fmt.Sprintf("spec.wrapper.auth.admins.issuers[%d].jwks.secretRef", i)
		ref := issuer.JWKS.SecretRef
		_, value, err := r.key(field, ref.Name, ref.Key)
		if err != nil {
			return err
		}
		if value != nil && !isKeySet(value) {
			r.invalid(v1alpha1.ReasonSecretInvalid, field, "key %q of Secret %q is not a JSON Web Key Set: write {\"keys\":[...]} with public keys", ref.Key, ref.Name)
		}
	}
	gateway := r.stack.Spec.Wrapper.Gateway
	if gateway == nil || gateway.TLS == nil {
		return nil
	}
	for _, key := range []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey} {
		if _, _, err := r.key("spec.wrapper.gateway.tls.secretRef", gateway.TLS.SecretRef.Name, key); err != nil {
			return err
		}
	}
	return nil
}

func isKeySet(text []byte) bool {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	return json.Unmarshal(text, &set) == nil && len(set.Keys) > 0
}
