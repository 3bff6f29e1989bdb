package dependencies

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// wrapperSteps resolve the Secrets that gateway and backend mount, and the servers that they call besides OpenIM. A missing Secret would
// keep their pods pending without a message. Gateway and backend check the contents themselves; the resolver refuses only contents that
// can never work.
func (r *resolver) wrapperSteps() []step {
	gateway, backend := []string{v1alpha1.ComponentGateway}, []string{v1alpha1.ComponentBackend}
	roles := slices.Concat(gateway, backend)
	steps := []step{{roles, r.keySets}, {gateway, r.certificate}, {roles, r.tracing}}
	if r.stack.Spec.Wrapper.Auth.Users == nil {
		return steps
	}
	users := []step{{backend, r.serverKeys}, {backend, r.custodyKey}, {roles, r.wrapperRedis}, {backend, r.wrapperMongoDB}}
	return append(steps, users...)
}

// keySets resolves the sources of the issuers' public keys. All issuers are one party.
func (r *resolver) keySets() error {
	at := openim.Location{Party: openim.PartyJWKS}
	var failures []error
	for i, issuer := range r.stack.Spec.Wrapper.Auth.Admins.Issuers {
		set, address, err := r.keySet(fmt.Sprintf("spec.wrapper.auth.admins.issuers[%d].jwks", i), issuer.JWKS)
		failures = append(failures, err)
		r.facts.Wrapper.KeySets = append(r.facts.Wrapper.KeySets, set)
		if address != nil {
			at.Addresses = append(at.Addresses, *address)
		}
	}
	r.facts.Locations = append(r.facts.Locations, at)
	return errors.Join(failures...)
}

// keySet resolves the source of one issuer's keys. The address is nil for keys in a Secret.
func (r *resolver) keySet(field string, spec v1alpha1.JWKSSource) (set openim.KeySet, address *openim.Address, err error) {
	if ref := spec.SecretRef; ref != nil {
		selector, value, err := r.key(field+".secretRef", ref.Name, ref.Key)
		if value != nil && !isKeySet(value) {
			r.invalid(v1alpha1.ReasonSecretInvalid, field+".secretRef",
				"key %q of Secret %q is not a JSON Web Key Set: write {\"keys\":[...]} with public keys", ref.Key, ref.Name)
		}
		set.File = &selector
		return set, nil, err
	}
	var unread, unplaced error
	set.CA, unread = r.optionalKey(field+".caSecretRef", spec.CASecretRef)
	address, unplaced = r.placeURL(field+".url", field+".peers", spec.URL, peers{spec.Peers, spec.PeerPort})
	if address != nil {
		set.Endpoints = address.Endpoints
	}
	return set, address, errors.Join(unread, unplaced)
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

func (r *resolver) tracing() error {
	tracing := r.stack.Spec.Wrapper.Tracing
	if tracing == nil {
		return nil
	}
	const field = "spec.wrapper.tracing"
	address, err := r.placeURL(field+".endpoint", field+".peers", tracing.Endpoint, peers{tracing.Peers, tracing.PeerPort})
	if address != nil {
		r.facts.Wrapper.Tracing = address.Endpoints
		r.facts.Locations = append(r.facts.Locations, openim.Location{Party: openim.PartyTracing, Addresses: []openim.Address{*address}})
	}
	return err
}

// placeURL resolves the host of a URL. The address is nil for text that is not a URL.
func (r *resolver) placeURL(field, peersField, text string, given peers) (*openim.Address, error) {
	parsed, err := url.Parse(text)
	if err != nil || parsed.Hostname() == "" {
		r.invalid(v1alpha1.ReasonInvalidSpec, field, "not a URL: write for example https://id.example.com/jwks.json")
		return nil, nil //nolint:nilerr // an invalid spec is a Problem, not a failed read
	}
	address, err := r.address(field, peersField, hostPortOf(parsed), given)
	return &address, err
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
