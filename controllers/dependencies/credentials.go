package dependencies

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// credential is one key of a Secret and the environment variable that carries it.
type credential struct {
	key, env string
	optional bool
	// urlSafe is true when OpenIM puts the value into a URL without escaping it.
	urlSafe bool
}

// reserved are the characters that are reserved in URLs (RFC 3986, 2.2), and others that break a URL.
const reserved = ":/?#[]@!$&'()*+,;=% "

// credentials checks a referenced Secret and adds the environment variables with its values to the facts.
func (r *resolver) credentials(d openim.Dependency, field string, ref *v1alpha1.LocalReference, wanted []credential) error {
	if ref == nil {
		return nil
	}
	variables, hash, err := r.variables(field, ref.Name, wanted)
	r.facts.Credentials[d] = append(r.facts.Credentials[d], variables...)
	if hash != "" {
		r.facts.CredentialHashes[d] = hash
	}
	return err
}

// variables checks a referenced Secret and returns the environment variables with its values, and a keyed hash of the values. The hash is
// empty when the Secret cannot be read or does not exist.
func (r *resolver) variables(field, name string, wanted []credential) (variables []corev1.EnvVar, hash string, err error) {
	secret, err := r.secret(field, name)
	if err != nil || secret == nil {
		return nil, "", err
	}
	digest := r.digest()
	for _, c := range wanted {
		value, ok := secret.Data[c.key]
		if len(value) == 0 {
			if !c.optional {
				r.missingKey(field, name, c.key, ok)
			}
			continue
		}
		if c.urlSafe && strings.ContainsAny(string(value), reserved) {
			r.invalid(v1alpha1.ReasonSecretInvalid, field,
				"key %q of Secret %q holds a character that is reserved in URLs, and OpenIM does not escape it: change the value, "+
					"or write the whole connection string to a Secret and use uriRef", c.key, r.shown(name))
		}
		fmt.Fprintf(digest, "%s=%d:%s\n", c.env, len(value), value)
		variables = append(variables, envVar(c.env, name, c.key))
	}
	return variables, hex.EncodeToString(digest.Sum(nil)[:8]), nil
}

// digestKey reads the key of all hashes. It has no other use, so that rotating a secret changes that secret's hash alone.
func (r *resolver) digestKey() error {
	_, value, err := r.key("metadata.name", v1alpha1.ChildName(r.stack.Name, v1alpha1.SuffixDigest), v1alpha1.KeyDigest)
	r.hashKey = value
	return err
}

// ShareSecrets are the Secrets with OpenIM's share.secret.
type ShareSecrets struct {
	// Generated is the name of the one that the operator generated. Empty: the first.
	Generated string
	// Previous is the name of the Secret that is being replaced, "" when none is.
	Previous string
	// Waits is true while not all backends know the present one.
	Waits bool
}

// shareSecret reads the share.secret, and the one that it replaces if that can be read: without it the replacement has no steps.
func (r *resolver) shareSecret() error {
	name, field := cmp.Or(r.shareSecrets.Generated, v1alpha1.ChildName(r.stack.Name, v1alpha1.SuffixShareSecret)), "spec.secretRef"
	if ref := r.stack.Spec.SecretRef; ref != nil {
		name = ref.Name
	}
	selector, value, err := r.key(field, name, v1alpha1.KeyShareSecret)
	if err != nil || value == nil {
		return err
	}
	if string(value) == "openIM123" {
		r.invalid(v1alpha1.ReasonSecretInvalid, field,
			"Secret %q holds OpenIM's published default: write a random value of at least 32 characters", name)
		return nil
	}
	r.facts.ShareSecret, r.facts.ShareSecretHash = selector, r.hash(value)
	if r.shareSecrets.Previous == "" {
		return nil
	}
	r.facts.Secrets = append(r.facts.Secrets, r.shareSecrets.Previous)
	var secret corev1.Secret
	key := types.NamespacedName{Namespace: r.stack.Namespace, Name: r.shareSecrets.Previous}
	if err := r.reader.Get(r.ctx, key, &secret); err != nil {
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("reading Secret %s: %w", key, err)
	}
	if previous := secret.Data[v1alpha1.KeyShareSecret]; len(previous) > 0 {
		r.facts.PreviousShareSecret = &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: key.Name}, Key: v1alpha1.KeyShareSecret,
		}
		r.facts.PreviousShareSecretHash, r.facts.ShareSecretWaits = r.hash(previous), r.shareSecrets.Waits
	}
	return nil
}

func (r *resolver) assertionKey() error {
	if r.stack.Spec.Wrapper.ExternalRef != nil {
		return nil // the stack has neither gateway nor backend
	}
	name := v1alpha1.ChildName(r.stack.Name, v1alpha1.SuffixAssertionKey)
	selector, value, err := r.key("metadata.name", name, v1alpha1.KeyAssertionKey)
	if err != nil || value == nil {
		return err
	}
	r.facts.AssertionKey, r.facts.AssertionKeyHash = selector, r.hash(value)
	return nil
}

// key reads one key of a Secret. The value is nil when there is a problem.
func (r *resolver) key(field, name, key string) (corev1.SecretKeySelector, []byte, error) {
	secret, err := r.secret(field, name)
	if err != nil || secret == nil {
		return corev1.SecretKeySelector{}, nil, err
	}
	value, ok := secret.Data[key]
	if len(value) == 0 {
		r.missingKey(field, name, key, ok)
		return corev1.SecretKeySelector{}, nil, nil
	}
	return corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: name}, Key: key}, value, nil
}

func (r *resolver) secret(field, name string) (*corev1.Secret, error) {
	r.facts.Secrets = append(r.facts.Secrets, name)
	if copied := r.copies[name]; copied != nil {
		return copied, nil
	}
	var secret corev1.Secret
	key := types.NamespacedName{Namespace: r.stack.Namespace, Name: name}
	if err := r.reader.Get(r.ctx, key, &secret); apierrors.IsNotFound(err) {
		r.add(Problem{
			Reason: v1alpha1.ReasonSecretNotFound, Field: field, Secret: name,
			Message: fmt.Sprintf("Secret %q does not exist in namespace %q: create it", name, r.stack.Namespace),
		})
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("reading Secret %s: %w", key, err)
	}
	return &secret, nil
}

// shown returns the name of a Secret for messages. Whoever is to change a copy changes its source.
func (r *resolver) shown(secret string) string {
	if copied := r.copies[secret]; copied != nil {
		return copied.Namespace + "/" + copied.Name
	}
	return secret
}

func (r *resolver) missingKey(field, secret, key string, present bool) {
	secret = r.shown(secret)
	if present {
		r.missing(v1alpha1.ReasonSecretKeyNotFound, field, "key %q of Secret %q is empty: give it a value", key, secret)
		return
	}
	r.missing(v1alpha1.ReasonSecretKeyNotFound, field, "Secret %q has no key %q: add it", secret, key)
}

func envVar(name, secret, key string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: secret}, Key: key,
	}}}
}

func (r *resolver) digest() hash.Hash { return hmac.New(sha256.New, r.hashKey) }

func (r *resolver) hash(value []byte) string {
	digest := r.digest()
	_, _ = digest.Write(value)
	return hex.EncodeToString(digest.Sum(nil)[:8])
}
