package snapshot_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// Of arguments and environment variables, only the switches of network plugins are kept, in every notation.
func TestSwitchesOfNetworkPluginsAreKept(t *testing.T) {
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
	w, err := snapshot.Read(t.Context(), fake.NewClientBuilder().WithScheme(scheme()).WithObjects(agent, elsewhere).Build(), snapshot.Scope{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(w.Pods).To(HaveLen(2))
	c := w.Pods[0].Spec.Containers[0]
	g.Expect(c.Command).To(BeEmpty())
	g.Expect(c.Args).To(Equal([]string{"--run-firewall=false", "--enable-policy=never", "--policy-audit-mode=true", "--network-policy=0"}))
	g.Expect(c.Env).To(Equal([]corev1.EnvVar{
		{Name: "EXPECT_NPC", Value: "0"}, {Name: "CILIUM_ENABLE_POLICY", ValueFrom: &corev1.EnvVarSource{}},
	}), "a Secret is not named")
	g.Expect(w.Pods[1].Spec.Containers[0].Args).To(BeEmpty(), "a plugin runs on its node's network")
	g.Expect(w.Pods[1].Spec.Containers[0].Env).To(BeEmpty())
}

// kubectl refuses duplicate keys, and parsers differ in which of the two they use.
func TestADuplicateKeyIsAnError(t *testing.T) {
	for name, text := range map[string]string{
		"policy.yaml": "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a}\nspec:\n" +
			"  podSelector: {}\n  podSelector: {matchLabels: {a: b}}\n",
		"other.yaml": "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: a}\nspec: {to: a, to: b}\n",
		"policy.json": `{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"a"},` +
			`"spec":{"podSelector":{},"podSelector":{}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			NewWithT(t).Expect(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)).To(Succeed())
			_, _, err := snapshot.FromFiles(dir, "")
			NewWithT(t).Expect(err).To(MatchError(And(ContainSubstring(name+":"), ContainSubstring("remove one"))))
		})
	}
}

// The writer of a policy is derived from its marks and field managers, in manifests and in a cluster.
func TestTheWriterOfAPolicyIsKept(t *testing.T) {
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
	w, _, err := snapshot.FromFiles(dir, "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(w.Writers).To(Equal(map[types.NamespacedName]string{
		{Namespace: "im", Name: "np-default"}: "Rancher (cattle.io/creator=norman; field manager rancher)",
	}))
}

// Objects of unknown kinds of a cluster are searched when the scope names the kinds. Mentions of no stack are dropped.
func TestOtherKindsOfAClusterAreSearched(t *testing.T) {
	g := NewWithT(t)
	c := served([]client.Object{
		&v1alpha1.OpenIMStack{ObjectMeta: named("im", "chat")},
		foreign("example.com/v1", "Tunnel", "tools", "to-api", map[string]any{"to": "http://chat-api.im.svc:10002/x"}),
		foreign("example.com/v1", "Tunnel", "tools", "to-shop", map[string]any{"to": "shop-api.shop.svc"}),
	}, interceptor.Funcs{})
	others := []schema.GroupVersionKind{{Group: "example.com", Version: "v1", Kind: "Tunnel"}, {Group: "", Version: "v1", Kind: "Secret"}}
	w, err := snapshot.Read(t.Context(), c, snapshot.Scope{OtherKinds: others})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(w.Mentions).To(HaveLen(1))
	g.Expect(w.Mentions[0].Name).To(Equal("to-api"))
	g.Expect(w.Mentions[0].Services).To(ContainElement(types.NamespacedName{Namespace: "im", Name: "chat-api"}))
	g.Expect(w.Unread).To(BeEmpty())

	forbid := func(ctx context.Context, c client.WithWatch, list client.ObjectList, o ...client.ListOption) error {
		if u, ok := list.(*unstructured.UnstructuredList); ok && u.GetKind() == "TunnelList" {
			return apierrors.NewForbidden(schema.GroupResource{Group: "example.com", Resource: "tunnels"}, "", nil)
		}
		return c.List(ctx, list, o...)
	}
	c = served([]client.Object{&v1alpha1.OpenIMStack{ObjectMeta: named("im", "chat")}}, interceptor.Funcs{List: forbid})
	w, err = snapshot.Read(t.Context(), c, snapshot.Scope{OtherKinds: others})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(w.Unread).To(BeEmpty(), "many clusters have kinds that an auditor may not read")
}

// The ConfigMaps that configure a network plugin are read from a cluster by name, once each, and only their switches are kept.
func TestSwitchesInConfigMapsOfAClusterAreRead(t *testing.T) {
	g := NewWithT(t)
	agent := func(name string, labels map[string]string, env ...corev1.EnvVar) *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: name, Labels: labels},
			Spec:       corev1.PodSpec{HostNetwork: true, Containers: []corev1.Container{{Name: "agent", Env: env}}},
		}
	}
	from := func(configMap string) corev1.EnvVar {
		return corev1.EnvVar{Name: "EXPECT_NPC", ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: configMap}, Key: "npc",
		}}}
	}
	cilium := map[string]string{"k8s-app": "cilium"}
	objects := []client.Object{
		agent("cilium-1", cilium), agent("cilium-2", cilium), agent("weave", nil, from("net")), agent("shut", nil, from("shut")),
		&corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "cilium-config"},
			Data:       map[string]string{"enable-policy": "never", "etcd-config": "s3cret", "policy-audit-mode": "a text, not a switch"},
		},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "net"}, Data: map[string]string{"npc": "0"}},
	}
	got := map[string]int{}
	read := func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
		if _, configMap := o.(*corev1.ConfigMap); configMap {
			if got[key.Name]++; key.Name == "shut" {
				return apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, key.Name, nil)
			}
		}
		return c.Get(ctx, key, o, options...)
	}
	w, err := snapshot.Read(t.Context(), served(objects, interceptor.Funcs{Get: read}), snapshot.Scope{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got).To(Equal(map[string]int{"cilium-config": 1, "net": 1, "shut": 1}))
	g.Expect(w.Settings).To(Equal(map[types.NamespacedName]map[string]string{
		{Namespace: "kube-system", Name: "cilium-config"}: {"enable-policy": "never"},
	}))
	env := map[string][]corev1.EnvVar{}
	for _, pod := range w.Pods {
		env[pod.Name] = pod.Spec.Containers[0].Env
	}
	g.Expect(env["weave"]).To(Equal([]corev1.EnvVar{{Name: "EXPECT_NPC", Value: "0"}}))
	g.Expect(env["shut"]).To(Equal([]corev1.EnvVar{from("shut")}), "nobody can tell")
	g.Expect(w.Unread).To(BeEmpty(), "the audit says so, if it matters")
}
