package dependencies

import (
	"errors"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// maxServerKeys bounds the static keys that the backend accepts: the current key, and others during a rotation.
const maxServerKeys = 4

func (r *resolver) serverKeys() error {
	name, field := loginSecret(r.stack)
	secret, err := r.secret(field, name)
	if err != nil || secret == nil {
		return err
	}
	if n := len(secret.Data); n < 1 || n > maxServerKeys {
		r.invalid(v1alpha1.ReasonSecretInvalid, field,
			"Secret %q holds %d keys: write 1 to %d, each 32 random bytes as base64url or hexadecimal", name, n, maxServerKeys)
	}
	r.facts.Wrapper.LoginSecret, r.facts.Wrapper.LoginKeys = name, fingerprints(secret)
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
		r.invalid(v1alpha1.ReasonInvalidSpec, field,
			"users may log in, but the spec names no Redis for their sessions: write the addresses of a Redis that is not OpenIM's")
		return nil
	}
	redis, at := spec.Redis, openim.Location{Party: openim.PartyWrapperRedis}
	if ref := redis.ResourceRef; ref != nil {
		found, err := r.follow(field, openim.WrapperRedis, ref)
		at.Source = sourceOf(ref)
		if err != nil || found == nil {
			r.unknown(at.Party, at.Source, redis.Peers)
			return err
		}
		redis.Addresses, redis.TLS, redis.CredentialsRef = found.addresses, redisTLS(found.tls), found.login
		if found.login == nil { // whoever reaches a Redis without a password has every session
			_, present := found.source.Data[v1alpha1.KeyPassword]
			r.missingKey(fieldOf(field, ref, ""), client.ObjectKeyFromObject(found.source).String(), v1alpha1.KeyPassword, present)
		}
		r.claim(openim.WrapperRedis, field, redis.Addresses, "")
		defer r.consent(ref)()
	}
	return r.redisStore(field, at, redis)
}

// redisStore resolves the wrapper's Redis.
func (r *resolver) redisStore(field string, at openim.Location, spec v1alpha1.Redis) error {
	store := openim.WrapperStore{
		Addresses: hostPorts(spec.Addresses), Number: ptr.Deref(spec.Database, 0), TLS: spec.TLS != nil,
		Cluster: spec.Mode == v1alpha1.RedisCluster,
	}
	if spec.Mode == v1alpha1.RedisSentinel {
		defer r.keepPlace(openim.PartyWrapperRedis)
		r.invalid(v1alpha1.ReasonInvalidSpec, field+".mode", "the wrapper does not speak to Redis Sentinel: write the address of a Service or "+
			"proxy that follows the primary, and remove mode")
	}
	var failures [3]error
	addresses := fieldOf(field, spec.ResourceRef, "addresses")
	store.Endpoints, failures[0] = r.places(at, addresses, field+".peers", store.Addresses, peers{spec.Peers, spec.PeerPort})
	r.refuseOpenIMsRedis(addresses, spec.Peers, store)
	if spec.TLS != nil {
		store.CA, failures[1] = r.optionalKey(fieldOf(field, spec.ResourceRef, "tls.caSecretRef"), spec.TLS.CASecretRef)
	}
	failures[2] = r.storeLogin(&store, fieldOf(field, spec.ResourceRef, "credentialsRef"), spec.CredentialsRef, false)
	r.facts.Wrapper.Redis = store
	return errors.Join(failures[:]...)
}

// refuseOpenIMsRedis refuses OpenIM's Redis under another name of its Service. When the spec has peers only the addresses can be compared:
// two stores may be in one block of addresses. Neither of the two parties moves there: the gateway would reach OpenIM's Redis.
func (r *resolver) refuseOpenIMsRedis(field string, peers []v1alpha1.Peer, store openim.WrapperStore) {
	refuse := func() {
		r.readers = append(readersOf(openim.Redis), r.readers...)
		r.invalid(v1alpha1.ReasonInvalidSpec, field,
			"it is OpenIM's Redis under another name: write another Redis, because a client of OpenIM's Redis controls OpenIM")
	}
	var known []string
	for _, address := range r.facts.Settings.RedisAddresses {
		known = append(known, canonical(address, r.stack.Namespace))
	}
	if slices.ContainsFunc(store.Addresses, func(a string) bool { return slices.Contains(known, canonical(a, r.stack.Namespace)) }) {
		refuse()
		r.keepPlace(openim.PartyRedis)
		r.keepPlace(openim.PartyWrapperRedis)
		return
	}
	if len(peers) > 0 || len(r.stack.Spec.Dependencies.Redis.Peers) > 0 {
		return
	}
	for _, place := range store.Endpoints {
		if slices.ContainsFunc(r.facts.Endpoints[openim.Redis], func(e openim.Endpoint) bool { return equalEndpoints(e, place) }) {
			refuse()
			r.discard(place, openim.PartyRedis, openim.PartyWrapperRedis)
			return
		}
	}
}

// discard marks the addresses of parties that resolve to an endpoint as not resolved.
func (r *resolver) discard(endpoint openim.Endpoint, parties ...openim.Party) {
	for i, at := range r.facts.Locations {
		if !slices.Contains(parties, at.Party) {
			continue
		}
		for j, address := range at.Addresses {
			if slices.ContainsFunc(address.Endpoints, func(e openim.Endpoint) bool { return equalEndpoints(e, endpoint) }) {
				r.facts.Locations[i].Addresses[j].Discard()
			}
		}
	}
}

// storeLogin checks the Secret with a store's credentials. withUser requires a user name.
func (r *resolver) storeLogin(store *openim.WrapperStore, field string, ref *v1alpha1.LocalReference, withUser bool) error {
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
