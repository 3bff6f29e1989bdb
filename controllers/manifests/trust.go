package manifests

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// trusts reports whether a component reads the authorities of spec.pods.trust.
func (b *builder) trusts(component string) bool { return trusts(b.stack, b.facts, component) }

func trusts(stack *v1alpha1.OpenIMStack, facts openim.Facts, component string) bool {
	return facts.Trust.Key != nil && openim.UsesSystemAuthorities(&stack.Spec, component)
}

// mountTrust mounts the authorities of spec.pods.trust for a component that reads them, and returns the folder; "" for other components.
func (b *builder) mountTrust(component string, mounts *mounts) string {
	if !b.trusts(component) {
		return ""
	}
	key := b.facts.Trust.Key
	return mounts.configMap(openim.TrustVolume, key.Name, keyFile(key.Key, openim.CAFile))
}

// trust lets a role of the wrapper read the authorities of spec.pods.trust, at its start.
func (r *role) trust(b *builder) {
	if dir := b.mountTrust(r.component.Name, r.mounts); dir != "" {
		r.env = append(r.env, corev1.EnvVar{Name: openim.TrustEnv, Value: dir})
		r.credentials = append(r.credentials, b.facts.Trust.Digest)
	}
}
