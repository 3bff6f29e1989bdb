package world_test

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/openimstack/openim-operator/controllers/lockdown/world"
)

// Of arguments and environment the switches of network plugins stay, whichever way they are written, and nothing else.
func TestSwitchesOfNetworkPluginsStay(t *testing.T) {
	g := NewWithT(t)
	agent := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "agent"},
		Spec: corev1.PodSpec{HostNetwork: true, Containers: []corev1.Container{{
			Name: "agent", Command: []string{"sh", "-c", "exec kube-router --run-firewall=false --token=s3cret"},
			Args: []string{"--enable-policy", "never", "--policy-audit-mode", "--password=s3cret", "-network-policy=0"},
			Env: []corev1.EnvVar{
				{Name: "EXPECT_NPC", Value: "0"}, {Name: "PASSWORD", Value: "s3cret"},
				{Name: "CILIUM_ENABLE_POLICY", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{Key: "s3cret"}}},
			},
		}}},
	}
	elsewhere := agent.DeepCopy()
	elsewhere.Name, elsewhere.Spec.HostNetwork = "elsewhere", false
	w, err := world.Read(t.Context(), fake.NewClientBuilder().WithScheme(scheme()).WithObjects(agent, elsewhere).Build(), world.Scope{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(w.Pods).To(HaveLen(2))
	c := w.Pods[0].Spec.Containers[0]
	g.Expect(c.Command).To(BeEmpty())
	g.Expect(c.Args).To(Equal([]string{"--run-firewall=false", "--enable-policy=never", "--policy-audit-mode=true", "--network-policy=0"}))
	g.Expect(c.Env).To(Equal([]corev1.EnvVar{{Name: "EXPECT_NPC", Value: "0"}}))
	g.Expect(w.Pods[1].Spec.Containers[0].Args).To(BeEmpty(), "a plugin runs on its node's network")
	g.Expect(w.Pods[1].Spec.Containers[0].Env).To(BeEmpty())
}

// kubectl refuses a key that stands twice, and parsers differ in which of the two they take.
func TestAKeyThatStandsTwiceIsAnError(t *testing.T) {
	for name, text := range map[string]string{
		"policy.yaml": "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a}\nspec:\n  podSelector: {}\n  podSelector: {matchLabels: {a: b}}\n",
		"other.yaml":  "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: a}\nspec: {to: a, to: b}\n",
		"policy.json": `{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"a"},"spec":{"podSelector":{},"podSelector":{}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			NewWithT(t).Expect(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)).To(Succeed())
			_, _, err := world.FromFiles(dir, "")
			NewWithT(t).Expect(err).To(MatchError(And(ContainSubstring(name+":"), ContainSubstring("leave one"))))
		})
	}
}

// Who wrote a policy is told by its marks and the managers of its fields, from files and from a cluster.
func TestWhoWroteAPolicyIsKept(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	g.Expect(os.WriteFile(filepath.Join(dir, "policy.yaml"), []byte(`apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: np-default
  namespace: im
  labels: {cattle.io/creator: norman}
  managedFields: [{manager: rancher, operation: Update}, {manager: kubelet, operation: Update, subresource: status}]
spec: {podSelector: {}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: bare, namespace: im}
spec: {podSelector: {}}
`), 0o600)).To(Succeed())
	w, _, err := world.FromFiles(dir, "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(w.Writers).To(Equal(map[types.NamespacedName]string{
		{Namespace: "im", Name: "np-default"}: "Rancher (cattle.io/creator=norman; field manager rancher)",
	}))
}
