package manifests_test

import (
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/manifests/manifeststest"
	"github.com/openimstack/openim-operator/supervisor/certtest"
)

// restartedBy returns the components whose pod templates differ after a change of the case's objects, sorted.
func restartedBy(t *testing.T, folder string, change func(*v1alpha1.OpenIMStack, []client.Object)) []string {
	t.Helper()
	return restartedOf(t, folder, func(*v1alpha1.OpenIMStack) {}, change)
}

// restartedOf is restartedBy for a stack that differs from that of the case.
func restartedOf(
	t *testing.T, folder string, given func(*v1alpha1.OpenIMStack), change func(*v1alpha1.OpenIMStack, []client.Object),
) []string {
	t.Helper()
	stack, cluster := manifeststest.Read(t, folder)
	given(stack)
	before := deployments(manifeststest.Children(t, stack, cluster))
	change(stack, cluster)
	var changed []string
	for i, d := range deployments(manifeststest.Children(t, stack, cluster)) {
		if !equality.Semantic.DeepEqual(before[i].Spec.Template, d.Spec.Template) {
			changed = append(changed, d.Labels[v1alpha1.LabelComponent])
		}
	}
	slices.Sort(changed)
	return changed
}

// appendTo gives another value to each key of a Secret.
func appendTo(t *testing.T, name string) func(*v1alpha1.OpenIMStack, []client.Object) {
	return func(_ *v1alpha1.OpenIMStack, cluster []client.Object) {
		for _, o := range cluster {
			if secret, ok := o.(*corev1.Secret); ok && secret.Name == name {
				for key, value := range secret.Data {
					secret.Data[key] = append(value, 'x')
				}
				return
			}
		}
		t.Fatalf("the case has no Secret %q", name)
	}
}

// TestAnotherValueOfASecretRestartsItsReadersAlone lists the readers by hand. What gateway and backend read from mounted files restarts
// nothing.
func TestAnotherValueOfASecretRestartsItsReadersAlone(t *testing.T) {
	withMongoDB := []string{"msgtransfer", "rpc-conversation", "rpc-friend", "rpc-group", "rpc-msg", "rpc-third", "rpc-user"}
	withRedis := append([]string{"msggateway", "push", "rpc-auth"}, withMongoDB...)
	withEtcd := append([]string{"api", "crontask"}, withRedis...)
	for name, want := range map[string][]string{
		"own-share-secret": {"backend", "rpc-auth"},
		"chat-assertion":   {"backend", "gateway"},
		"kafka":            {"msgtransfer", "push", "rpc-msg"},
		"redis":            withRedis,
		"mongodb":          withMongoDB,
		"etcd":             withEtcd,
		"minio":            {"rpc-third"},
		"redis-wrapper":    nil,
		"redis-ca":         nil,
		"mongodb-wrapper":  nil,
		"chat-custody":     nil,
		"own-login-keys":   nil,
		"jwks-ca":          nil,
		"im-tls":           nil,
		"chat-digest":      append([]string{"backend", "gateway"}, withEtcd...),
	} {
		t.Run(name, func(t *testing.T) {
			want = slices.Clone(want)
			slices.Sort(want)
			NewWithT(t).Expect(restartedBy(t, "testdata/everything", appendTo(t, name))).To(Equal(want))
		})
	}
}

// The authorities of spec.pods.trust are read at the start, by all that connect to etcd, the collector or MinIO by TLS.
func TestAnotherAuthorityRestartsTheReadersOfTheBundleAlone(t *testing.T) {
	written := func(change func(text string) string) func(*v1alpha1.OpenIMStack, []client.Object) {
		return func(_ *v1alpha1.OpenIMStack, cluster []client.Object) {
			for _, o := range cluster {
				if c, ok := o.(*corev1.ConfigMap); ok && c.Name == "company-ca" {
					c.Data["ca-bundle.crt"] = change(c.Data["ca-bundle.crt"])
				}
			}
		}
	}
	added := written(func(text string) string { return string(certtest.New(t).PEM) + text })
	readers := []string{
		"api", "backend", "crontask", "gateway", "msggateway", "msgtransfer", "push", "rpc-auth", "rpc-conversation", "rpc-friend", "rpc-group",
		"rpc-msg", "rpc-third", "rpc-user",
	}
	NewWithT(t).Expect(restartedBy(t, "testdata/stores", added)).To(Equal(readers))
	plain := func(stack *v1alpha1.OpenIMStack) { stack.Spec.Dependencies.Etcd.TLS = nil }
	NewWithT(t).Expect(restartedOf(t, "testdata/stores", plain, added)).To(Equal([]string{"backend", "gateway", "rpc-third"}),
		"without TLS to etcd")
	repeated := written(func(text string) string { return text + "# once more\n" + text })
	NewWithT(t).Expect(restartedBy(t, "testdata/stores", repeated)).To(BeEmpty(), "the same authorities in another text")
}

// openim-push reads the vendor's keys and FCM's file at its start.
func TestAnotherValueOfAVendorsSecretRestartsPushAlone(t *testing.T) {
	for folder, name := range map[string]string{"push-getui": "getui", "push-jpush": "jpush"} {
		NewWithT(t).Expect(restartedBy(t, "testdata/"+folder, appendTo(t, name))).To(Equal([]string{"push"}), name)
	}
	rewritten := func(_ *v1alpha1.OpenIMStack, cluster []client.Object) {
		for _, o := range cluster {
			if secret, ok := o.(*corev1.Secret); ok && secret.Name == "fcm" {
				secret.Data["account.json"] = append(secret.Data["account.json"], ' ')
			}
		}
	}
	NewWithT(t).Expect(restartedBy(t, "testdata/push-fcm", rewritten)).To(Equal([]string{"push"}))
	moved := func(stack *v1alpha1.OpenIMStack, _ []client.Object) {
		stack.Spec.Push.Peers = []v1alpha1.Peer{{IPBlock: &v1alpha1.IPBlock{CIDR: "192.0.2.0/24"}}}
	}
	NewWithT(t).Expect(restartedBy(t, "testdata/push-fcm", moved)).To(BeEmpty(), "a vendor that moves restarts nothing")
}

// Each process has its own hooks alone.
func TestAChangedHookRestartsItsCallerAlone(t *testing.T) {
	hooks := func(names ...v1alpha1.HookName) func(*v1alpha1.OpenIMStack, []client.Object) {
		return func(stack *v1alpha1.OpenIMStack, _ []client.Object) {
			stack.Spec.Webhooks = &v1alpha1.Webhooks{URL: "https://192.0.2.9/openim", Via: v1alpha1.WebhooksViaOpenIM}
			for _, name := range names {
				stack.Spec.Webhooks.Hooks = append(stack.Spec.Webhooks.Hooks, v1alpha1.Hook{Name: name})
			}
		}
	}
	for _, c := range []struct {
		names []v1alpha1.HookName
		want  []string
	}{
		{[]v1alpha1.HookName{"beforeSendSingleMsg"}, []string{"rpc-msg"}},
		{[]v1alpha1.HookName{"afterUserOnline", "beforeOfflinePush"}, []string{"msggateway", "push"}},
		{[]v1alpha1.HookName{"beforeAddFriend", "beforeCreateGroup", "afterUserRegister"}, []string{"rpc-friend", "rpc-group", "rpc-user"}},
	} {
		NewWithT(t).Expect(restartedBy(t, "testdata/minimal", hooks(c.names...))).To(Equal(c.want))
	}
}

func TestAnotherSecretRefRestartsTheReadersOfTheShareSecretAlone(t *testing.T) {
	g := NewWithT(t)
	g.Expect(restartedBy(t, "testdata/users", func(stack *v1alpha1.OpenIMStack, cluster []client.Object) {
		for _, o := range cluster {
			if o.GetName() == "chat-share-secret" {
				o.SetName("other")
			}
		}
		stack.Spec.SecretRef = &v1alpha1.LocalReference{Name: "other"}
	})).To(Equal([]string{"backend", "rpc-auth"}))
}

// TestTheShareSecretIsInRPCAuthAndTheBackendAlone looks at what the pods get, by volume and by environment.
func TestTheShareSecretIsInRPCAuthAndTheBackendAlone(t *testing.T) {
	for folder, name := range map[string]string{"testdata/users": "chat-share-secret", "testdata/everything": "own-share-secret"} {
		_, objects := build(t, folder)
		var holders []string
		for _, d := range deployments(objects) {
			text, err := d.Spec.Template.Marshal()
			NewWithT(t).Expect(err).NotTo(HaveOccurred())
			if slices.Contains(secretsOf(&d.Spec.Template.Spec), name) {
				holders = append(holders, d.Labels[v1alpha1.LabelComponent])
				continue
			}
			NewWithT(t).Expect(string(text)).NotTo(ContainSubstring(name))
		}
		NewWithT(t).Expect(holders).To(ConsistOf("rpc-auth", "backend"), folder)
	}
}

// secretsOf returns the Secrets that a pod gets by volumes and by environment variables.
func secretsOf(pod *corev1.PodSpec) []string {
	var names []string
	for _, v := range pod.Volumes {
		if v.Secret != nil {
			names = append(names, v.Secret.SecretName)
		}
	}
	for _, env := range pod.Containers[0].Env {
		if env.ValueFrom != nil && env.ValueFrom.SecretKeyRef != nil {
			names = append(names, env.ValueFrom.SecretKeyRef.Name)
		}
	}
	return names
}
