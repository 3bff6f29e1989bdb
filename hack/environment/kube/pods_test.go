package kube_test

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/openimstack/openim-operator/hack/environment/kube"
)

var key = types.NamespacedName{Namespace: "im", Name: "intruder"}

// running is an intruder that the kubelet has started.
func running(image string, labels map[string]string) *corev1.Pod {
	pod := kube.IntruderPod(key, image, labels)
	pod.Status = corev1.PodStatus{
		Phase: corev1.PodRunning, PodIP: "10.0.0.9",
		ContainerStatuses: []corev1.ContainerStatus{{Name: kube.Prober, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}},
	}
	return pod
}

// cluster holds objects, starts every pod that is created, and counts what is written.
func cluster(t *testing.T, writes *[]string, objects ...client.Object) *kube.Cluster {
	t.Helper()
	c := fake.NewClientBuilder().WithScheme(kube.Scheme()).WithObjects(objects...).
		WithIndex(&corev1.Pod{}, metav1.ObjectNameField, func(o client.Object) []string { return []string{o.GetName()} }).WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.CreateOption) error {
			*writes = append(*writes, "create "+o.GetName())
			if pod, ok := o.(*corev1.Pod); ok {
				pod.Status = running("", nil).Status
			}
			return c.Create(ctx, o, options...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.DeleteOption) error {
			*writes = append(*writes, "delete "+o.GetName())
			return c.Delete(ctx, o, options...)
		},
	}).Build()
	return &kube.Cluster{WithWatch: plain{c}}
}

// plain tells client-go that the fake client lists before it watches.
type plain struct{ client.WithWatch }

func (plain) IsWatchListSemanticsUnSupported() bool { return true }

func TestAnIntruderIsPutInOnce(t *testing.T) {
	g := NewWithT(t)
	var writes []string
	c := cluster(t, &writes)
	for range 3 {
		container, err := c.EnsureIntruder(t.Context(), key, "operator:1", map[string]string{"a": "b"})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(container).To(Equal(kube.Container{Namespace: "im", Pod: "intruder", Container: kube.Prober}))
	}
	g.Expect(writes).To(Equal([]string{"create intruder"}), "nothing is written when it is there: a cluster at rest stays so")
}

func TestAnIntruderOfAnotherImageOrOtherLabelsIsReplaced(t *testing.T) {
	for name, was := range map[string]*corev1.Pod{
		"image":    running("operator:1", nil),
		"labels":   running("operator:2", map[string]string{"a": "b"}),
		"finished": func() *corev1.Pod { p := running("operator:2", nil); p.Status.Phase = corev1.PodFailed; return p }(),
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			var writes []string
			_, err := cluster(t, &writes, was).EnsureIntruder(t.Context(), key, "operator:2", nil)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(writes).To(Equal([]string{"delete intruder", "create intruder"}))
		})
	}
}

func TestAnIntruderFulfilsTheRestrictedStandard(t *testing.T) {
	g := NewWithT(t)
	pod := kube.IntruderPod(key, "operator:1", nil)
	s := pod.Spec.Containers[0].SecurityContext
	g.Expect(s.RunAsNonRoot).To(HaveValue(BeTrue()))
	g.Expect(s.AllowPrivilegeEscalation).To(HaveValue(BeFalse()))
	g.Expect(s.Capabilities.Drop).To(ConsistOf(corev1.Capability("ALL")))
	g.Expect(s.SeccompProfile.Type).To(Equal(corev1.SeccompProfileTypeRuntimeDefault))
	g.Expect(pod.Spec.AutomountServiceAccountToken).To(HaveValue(BeFalse()))
}

func TestSecretsAndTokensAreCutOutOfArtifacts(t *testing.T) {
	g := NewWithT(t)
	text := []byte(`password=hunter2hunter2 token eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwcyJ9.c2lnbmF0dXJl short=ab`)
	clean := string(kube.Redact(text, [][]byte{[]byte("hunter2hunter2"), []byte("ab")}))
	g.Expect(clean).To(Equal("password=<redacted> token <redacted> short=ab"))
}

func TestManifestsAreDecodedAndBrokenOnesNamed(t *testing.T) {
	g := NewWithT(t)
	objects, err := kube.Decode([]byte("# nothing\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: b}\n"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(objects).To(HaveLen(2))
	_, err = kube.Decode([]byte("apiVersion: v1\nkind: Namespace\n---\nmetadata: {name: a}\n"))
	g.Expect(err).To(MatchError(ContainSubstring("document 2 has no kind")))
	_, err = kube.Decode([]byte("a: b: c"))
	g.Expect(err).To(HaveOccurred())
}

func TestAnAppliedObjectCarriesNothingThatTheServerSets(t *testing.T) {
	g := NewWithT(t)
	pod := running("operator:1", nil)
	pod.UID, pod.ResourceVersion, pod.ManagedFields = "u", "7", []metav1.ManagedFieldsEntry{{Manager: "x"}}
	u, err := kube.ToUnstructured(pod)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(u.GetKind()).To(Equal("Pod"))
	g.Expect(u.Object).NotTo(HaveKey("status"))
	for _, field := range []string{"uid", "resourceVersion", "managedFields", "creationTimestamp"} {
		g.Expect(u.Object["metadata"]).NotTo(HaveKey(field))
	}
	_, err = kube.ToUnstructured(&unknown{})
	g.Expect(err).To(MatchError(ContainSubstring("add its group to Scheme")))
}

// unknown is of no kind that the scheme has.
type unknown struct{ corev1.Pod }

func (u *unknown) DeepCopyObject() runtime.Object { return u }
