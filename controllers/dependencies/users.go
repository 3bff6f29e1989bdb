package dependencies

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/openim"
)

// maxServerKeys is how many static keys the gateway takes: one in use, and others on their way in or out.
const maxServerKeys = 4

// users resolves what the gateway and the backend need when users may log in.
func (r *resolver) users() error {
	if r.stack.Spec.Wrapper.Auth.Users == nil {
		return nil
	}
	for _, step := range []func() error{r.serverKeys, r.custodyKey, r.wrapperRedis, r.wrapperMongoDB} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (r *resolver) serverKeys() error {
	name, field := v1alpha1.ChildName(r.stack.Name, v1alpha1.SuffixLogin), "metadata.name"
	if own := r.stack.Spec.Wrapper.Auth.Users.ServerKeys; own != nil {
		name, field = own.SecretRef.Name, "spec.wrapper.auth.users.serverKeys.secretRef"
	}
	secret, err := r.secret(field, name)
	if err != nil || secret == nil {
		return err
	}
	if n := len(secret.Data); n < 1 || n > maxServerKeys {
		r.invalid(v1alpha1.ReasonSecretInvalid, field, "Secret %q holds %d keys: write 1 to %d, each 32 random bytes as base64url or hexadecimal", name, n, maxServerKeys)
	}
	r.facts.Wrapper.LoginSecret = name
	return nil
}

func (r *resolver) custodyKey() error {
	selector, value, err := r.key("metadata.name", v1alpha1.ChildName(r.stack.Name, v1alpha1.SuffixCustody), v1alpha1.KeyCustody)
	if err != nil || value == nil {
		return err
	}
	r.facts.Wrapper.CustodyKey = selector
	return nil
}

func (r *resolver) wrapperRedis() error {
	const field = "spec.wrapper.redis"
	spec := r.stack.Spec.Wrapper.Redis
	if spec == nil {
		r.invalid(v1alpha1.ReasonInvalidSpec, field, "users may log in, and there is no Redis for their sessions: write the addresses of one that is not OpenIM's")
		return nil
	}
	store := openim.Store{Addresses: hostPorts(spec.Addresses), TLS: spec.TLS != nil}
	var err error
	if store.Endpoints, err = r.places(field+".addresses", field+".peers", store.Addresses, spec.Peers); err != nil {
		return err
	}
	r.refuseOpenIMsRedis(field+".addresses", spec.Peers, store.Endpoints)
	if spec.TLS != nil {
		if store.CA, err = r.optionalKey(field+".tls.caSecretRef", spec.TLS.CASecretRef); err != nil {
			return err
		}
	}
	if err := r.storeLogin(&store, field+".credentialsRef", spec.CredentialsRef, false); err != nil {
		return err
	}
	r.facts.Wrapper.Redis = store
	return nil
}

// refuseOpenIMsRedis recognises OpenIM's Redis under another of its names. Peers that a person has written say nothing of that:
// two stores may be in one block of addresses.
func (r *resolver) refuseOpenIMsRedis(field string, peers []v1alpha1.Peer, places []openim.Endpoint) {
	if len(peers) > 0 || len(r.stack.Spec.Dependencies.Redis.Peers) > 0 {
		return
	}
	for _, place := range places {
		if slices.ContainsFunc(r.facts.Endpoints[openim.Redis], func(e openim.Endpoint) bool { return equalEndpoints(e, place) }) {
			r.invalid(v1alpha1.ReasonInvalidSpec, field, "it is OpenIM's Redis under another name: write a Redis of the wrapper's own, because whoever reaches OpenIM's owns OpenIM")
			return
		}
	}
}

func (r *resolver) wrapperMongoDB() error {
	spec, field := r.stack.Spec.Dependencies.MongoDB, "spec.dependencies.mongodb"
	if own := r.stack.Spec.Wrapper.MongoDB; own != nil {
		spec, field = *own, "spec.wrapper.mongodb"
	}
	store, err := r.mongodbStore(field, spec)
	r.facts.Wrapper.MongoDB = store
	return err
}

func (r *resolver) mongodbStore(field string, spec v1alpha1.MongoDB) (store openim.Store, err error) {
	if ref := spec.URIRef; ref != nil {
		selector, value, err := r.key(field+".uriRef", ref.Name, ref.Key)
		if err != nil || value == nil {
			return store, err
		}
		hosts, ok := hostsOf(string(value))
		if !ok {
			r.invalid(v1alpha1.ReasonSecretInvalid, field+".uriRef", "key %q of Secret %q is not a connection string: write mongodb://user:password@host:port/database", ref.Key, ref.Name)
			return store, nil
		}
		store = openim.Store{URI: &selector, Database: databaseOf(string(value))}
		store.Endpoints, err = r.places(field+".uriRef", field+".peers", hosts, spec.Peers)
		return store, err
	}
	store = openim.Store{Addresses: hostPorts(spec.Addresses), Database: spec.Database}
	if store.Database == "" {
		store.Database = openim.DefaultDatabase
	}
	if store.Endpoints, err = r.places(field+".addresses", field+".peers", store.Addresses, spec.Peers); err != nil {
		return store, err
	}
	return store, r.storeLogin(&store, field+".credentialsRef", spec.CredentialsRef, true)
}

// databaseOf reads the database of a connection string: mongodb://hosts/database?options. Without one it is OpenIM's default.
func databaseOf(uri string) string {
	rest, _ := strings.CutPrefix(uri, "mongodb://")
	rest, _, _ = strings.Cut(rest, "?")
	if _, database, _ := strings.Cut(rest, "/"); database != "" {
		return database
	}
	return openim.DefaultDatabase
}

// storeLogin checks the Secret with a store's credentials. withUser is true when the user name must be there.
func (r *resolver) storeLogin(store *openim.Store, field string, ref *v1alpha1.LocalReference, withUser bool) error {
	if ref == nil {
		return nil
	}
	secret, err := r.secret(field, ref.Name)
	if err != nil || secret == nil {
		return err
	}
	for _, part := range []struct {
		key    string
		needed bool
		into   **corev1.SecretKeySelector
	}{{v1alpha1.KeyUsername, withUser, &store.Username}, {v1alpha1.KeyPassword, true, &store.Password}} {
		value, present := secret.Data[part.key]
		if len(value) == 0 {
			if part.needed {
				r.missingKey(field, ref.Name, part.key, present)
			}
			continue
		}
		*part.into = &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: ref.Name}, Key: part.key}
	}
	return nil
}
