package dependencies

import (
	"encoding/json"
	"fmt"
	"net"
	"net/url"

	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// wrapper resolves the Secrets that gateway and backend mount, and the servers that they call besides OpenIM. A missing Secret would keep
// their pods pending without a message. Gateway and backend check the contents themselves; the resolver refuses only contents that can
// never work.
func (r *resolver) wrapper() error {
	for _, step := range []func() error{r.keySets, r.certificate, r.tracing, r.users} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (r *resolver) keySets() error {
	for i, issuer := range r.stack.Spec.Wrapper.Auth.Admins.Issuers {
		set, err := r.keySet(fmt.Sprintf("spec.wrapper.auth.admins.issuers[%d].jwks", i), issuer.JWKS)
		if err != nil {
			return err
		}
		r.facts.Wrapper.KeySets = append(r.facts.Wrapper.KeySets, set)
	}
	return nil
}

func (r *resolver) keySet(field string, spec v1alpha1.JWKSSource) (set openim.KeySet, err error) {
	if ref := spec.SecretRef; ref != nil {
		selector, value, err := r.key(field+".secretRef", ref.Name, ref.Key)
		if value != nil && !isKeySet(value) {
			r.invalid(v1alpha1.ReasonSecretInvalid, field+".secretRef",
				"key %q of Secret %q is not a JSON Web Key Set: write {\"keys\":[...]} with public keys", ref.Key, ref.Name)
		}
		set.File = &selector
		return set, err
	}
	if set.CA, err = r.optionalKey(field+".caSecretRef", spec.CASecretRef); err != nil {
		return set, err
	}
	set.Endpoints, err = r.placeURL(field+".url", field+".peers", spec.URL, spec.Peers)
	return set, err
}

func (r *resolver) certificate() error {
	gateway := r.stack.Spec.Wrapper.Gateway
	if gateway == nil || gateway.TLS == nil {
		return nil
	}
	var values [2][]byte
	for i, key := range []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey} {
		_, value, err := r.key("spec.wrapper.gateway.tls.secretRef", gateway.TLS.SecretRef.Name, key)
		if err != nil {
			return err
		}
		values[i] = value
	}
	if values[0] != nil && values[1] != nil {
		r.facts.Wrapper.Certificate = pair(values[0], values[1])
	}
	return nil
}

func (r *resolver) tracing() (err error) {
	tracing := r.stack.Spec.Wrapper.Tracing
	if tracing == nil {
		return nil
	}
	const field = "spec.wrapper.tracing"
	r.facts.Wrapper.Tracing, err = r.placeURL(field+".endpoint", field+".peers", tracing.Endpoint, tracing.Peers)
	return err
}

// placeURL resolves the host of a URL to endpoints.
func (r *resolver) placeURL(field, peersField, text string, peers []v1alpha1.Peer) ([]openim.Endpoint, error) {
	parsed, err := url.Parse(text)
	if err != nil || parsed.Hostname() == "" {
		r.invalid(v1alpha1.ReasonInvalidSpec, field, "not a URL: write for example https://id.example.com/jwks.json")
		return nil, nil //nolint:nilerr // an invalid spec is a Problem, not a failed read
	}
	port := parsed.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[parsed.Scheme]
	}
	return r.place(field, peersField, net.JoinHostPort(parsed.Hostname(), port), openim.NetworkPeers(r.stack.Namespace, peers))
}

// optionalKey checks a key of a Secret that the spec may omit.
func (r *resolver) optionalKey(field string, ref *v1alpha1.KeyReference) (*corev1.SecretKeySelector, error) {
	if ref == nil {
		return nil, nil
	}
	selector, _, err := r.key(field, ref.Name, ref.Key)
	return &selector, err
}

func isKeySet(text []byte) bool {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	return json.Unmarshal(text, &set) == nil && len(set.Keys) > 0
}
