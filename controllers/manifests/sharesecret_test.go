package manifests_test

import (
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/manifests/manifeststest"
)

// The steps of a replacement: who has which share.secret.
func TestAShareSecretIsReplacedInSteps(t *testing.T) {
	stack, cluster := manifeststest.Read(t, "testdata/"+fullCase)
	selector := func(name string) corev1.SecretKeySelector {
		return corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: name}, Key: "secret"}
	}
	previous := selector("before")
	for name, c := range map[string]struct {
		previous *corev1.SecretKeySelector
		waits    bool
		auth     string
		backend  []string
	}{
		"at rest": {nil, false, "next", []string{"next"}},
		"the backend learns the next one, and rpc-auth keeps the one before": {&previous, true, "before", []string{"next", "before"}},
		"rpc-auth changes": {&previous, false, "next", []string{"next", "before"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			facts := manifeststest.Facts(t, stack, cluster)
			facts.ShareSecret, facts.ShareSecretHash = selector("next"), "hash-of-next"
			facts.PreviousShareSecret, facts.PreviousShareSecretHash, facts.ShareSecretWaits = c.previous, "hash-of-before", c.waits
			rendered, err := manifests.Templates(stack, facts, manifests.Options{}, func(string) bool { return false })
			g.Expect(err).NotTo(HaveOccurred())
			auth, backend := rendered["rpc-auth"], rendered["backend"]
			g.Expect(manifests.ShareSecretOf(&auth.Template.Spec)).To(Equal(c.auth))
			g.Expect(auth.Template.Annotations["openimstack.dev/credentials"]).To(ContainSubstring("hash-of-" + c.auth))
			g.Expect(manifests.ShareSecretsOfBackend(&backend.Template.Spec)).To(Equal(c.backend))
			for other, r := range rendered {
				if other != "rpc-auth" && other != "backend" {
					g.Expect(manifests.ShareSecretOf(&r.Template.Spec)).To(BeEmpty(), other)
				}
			}
		})
	}
}

func TestADeploymentMayReplaceItsPodsOldOnesFirst(t *testing.T) {
	g := NewWithT(t)
	stack, _ := manifeststest.Read(t, "testdata/"+fullCase)
	for recreate, want := range map[bool]appsv1.DeploymentStrategyType{
		true: appsv1.RecreateDeploymentStrategyType, false: appsv1.RollingUpdateDeploymentStrategyType,
	} {
		objects := manifests.Workload(stack, "rpc-auth", manifests.Rendered{Recreate: recreate}, "")
		g.Expect(objects).To(HaveLen(1))
		g.Expect(objects[0]).To(HaveField("Spec.Strategy.Type", want))
	}
}
