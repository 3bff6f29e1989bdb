package dependencies

import (
	"crypto/ecdh"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// loginSecret returns the name of the Secret with the static keys of the login, and the field that names it. Clients recognise the gateway
// by these keys; the backend holds them.
func loginSecret(stack *v1alpha1.OpenIMStack) (name, field string) {
	if own := stack.Spec.Wrapper.Auth.Users.ServerKeys; own != nil {
		return own.SecretRef.Name, "spec.wrapper.auth.users.serverKeys.secretRef"
	}
	return v1alpha1.ChildName(stack.Name, v1alpha1.SuffixLogin), "metadata.name"
}

// fingerprints returns the fingerprints of the static keys in a Secret, sorted. Invalid keys are skipped: the backend reports them.
func fingerprints(secret *corev1.Secret) []string {
	var found []string
	for _, value := range secret.Data {
		if private, ok := staticKey(strings.TrimRight(string(value), "\r\n")); ok {
			sum := sha256.Sum256(private.PublicKey().Bytes())
			found = append(found, "sha256:"+hex.EncodeToString(sum[:]))
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// staticKey parses a private key as the backend does: 32 bytes as base64url or as 64 hexadecimal digits.
func staticKey(text string) (*ecdh.PrivateKey, bool) {
	decode := base64.RawURLEncoding.Strict().DecodeString
	if len(text) == hex.EncodedLen(32) {
		decode = hex.DecodeString
	}
	raw, err := decode(text)
	if err != nil {
		return nil, false
	}
	private, err := ecdh.X25519().NewPrivateKey(raw)
	return private, err == nil
}

// LoginKey compares the static keys of the login with the keys that clients have pinned: the key that the spec names, or else those of the
// status, of which at least one must remain, as in a rotation. It returns nil when a pinned key remains, or when the user has given up
// those of the status.
func LoginKey(stack *v1alpha1.OpenIMStack, facts openim.Facts, problems []Problem, givenUp bool) *Problem {
	users := stack.Spec.Wrapper.Auth.Users
	if users == nil {
		return nil
	}
	name, field := loginSecret(stack)
	lost := slices.ContainsFunc(problems, func(p Problem) bool { return p.Secret == name })
	if !lost && facts.Wrapper.LoginSecret == "" {
		return nil // the Secret could not be used, which is a problem of its own
	}
	pinned := stack.Status.LoginKeys
	remedy := "restore the Secret from a backup, or accept other keys, which costs every client an update: set the annotation " +
		v1alpha1.AnnotationRegenerateLogin + " to the present time in RFC 3339"
	switch {
	case users.ServerKeyFingerprint != "":
		pinned, field = []string{users.ServerKeyFingerprint}, "spec.wrapper.auth.users.serverKeyFingerprint"
		remedy = "restore the Secret from a backup, or change serverKeyFingerprint, which costs every client an update"
	case len(pinned) == 0 || givenUp:
		return nil
	}
	problem := &Problem{Field: field, Stalled: true, Secret: name, Components: []string{v1alpha1.ComponentBackend}}
	what := "key " + strings.Join(pinned, ", ") + " of the gateway, which clients have pinned"
	switch {
	case lost:
		problem.Reason, problem.Message = v1alpha1.ReasonLoginKeyLost, "Secret \""+name+"\" does not exist, and with it is lost "+what+": "+remedy
	case !slices.ContainsFunc(pinned, func(p string) bool { return slices.Contains(facts.Wrapper.LoginKeys, p) }):
		problem.Reason, problem.Message = v1alpha1.ReasonLoginKeyChanged, "Secret \""+name+"\" no longer holds "+what+": "+remedy
	default:
		return nil
	}
	return problem
}
