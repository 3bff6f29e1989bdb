package controllers

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/apply"
	"github.com/openimstack/openim-operator/controllers/manifests"
)

// lateCache is a client whose reads show what the test lets through, kind by kind, as watches of different kinds do that lag differently.
type lateCache struct {
	client.Client
	shown client.Client
}

func (l *lateCache) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	return l.shown.Get(ctx, key, object, options...)
}

func (l *lateCache) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	return l.shown.List(ctx, list, options...)
}

// A rollout replaces a ConfigMap by another one. Whatever the order in which the cache learns of it, the old ConfigMap stays until the last
// pod that uses it is gone.
func TestNoConfigMapOfARunningPodIsPruned(t *testing.T) {
	g := NewWithT(t)
	scheme := runtime.NewScheme()
	g.Expect(clientgoscheme.AddToScheme(scheme)).To(Succeed())
	g.Expect(v1alpha1.AddToScheme(scheme)).To(Succeed())
	stack := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Name: "chat", Namespace: "im", UID: types.UID("u")}}
	meta := func(name string) metav1.ObjectMeta {
		labels := manifests.CommonLabels("chat")
		labels[v1alpha1.LabelComponent] = "api"
		return metav1.ObjectMeta{
			Name: name, Namespace: "im", Labels: labels, OwnerReferences: []metav1.OwnerReference{manifests.OwnerReference(stack)},
		}
	}
	mounts := func(name string) []corev1.Volume {
		return []corev1.Volume{{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: name},
		}}}}
	}
	deployment := func(config string, generation int64) *appsv1.Deployment {
		m := meta("chat-api")
		m.Generation = generation
		return &appsv1.Deployment{
			ObjectMeta: m,
			Spec: appsv1.DeploymentSpec{Replicas: ptr.To[int32](1), Template: corev1.PodTemplateSpec{
				Spec: corev1.PodSpec{Volumes: mounts(config), Containers: []corev1.Container{{Name: "c", Image: "x"}}},
			}},
			Status: appsv1.DeploymentStatus{ObservedGeneration: generation, Replicas: 1, UpdatedReplicas: 1, AvailableReplicas: 1},
		}
	}
	config := func(name string) *corev1.ConfigMap { return &corev1.ConfigMap{ObjectMeta: meta(name)} }
	oldPod := podOf("api", "old", func(p *corev1.Pod) { p.Spec.Volumes = mounts("chat-api-1") })

	live := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&appsv1.Deployment{}).
		WithObjects(config("chat-api-1"), deployment("chat-api-1", 1), oldPod.DeepCopy()).Build()
	cache := &lateCache{Client: live}
	r := &Reconciler{client: cache, live: live, applier: apply.New(cache, live, applyOptions()), events: events.NewFakeRecorder(100)}
	show := func(objects ...client.Object) {
		cache.shown = fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&appsv1.Deployment{}).WithObjects(objects...).Build()
	}
	get := func(object client.Object) client.Object {
		g.Expect(live.Get(t.Context(), client.ObjectKeyFromObject(object), object)).To(Succeed())
		return object
	}
	reconcile := func() *scope {
		s := &scope{stack: stack, referencesRead: true, proposed: true, generations: map[string]int64{}}
		wanted := deployment("chat-api-2", 0)
		wanted.Status = appsv1.DeploymentStatus{}
		s.workloads = []client.Object{config("chat-api-2"), wanted}
		s.objects, s.sealed, s.applied = s.workloads, true, true
		behind, err := r.behind(t.Context(), s)
		g.Expect(err).NotTo(HaveOccurred())
		if behind {
			return s
		}
		_, err = r.apply(t.Context(), s)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(r.observe(t.Context(), s)).To(Succeed())
		g.Expect(r.prune(t.Context(), s)).To(Succeed())
		return s
	}
	stays := func(why string) {
		t.Helper()
		g.Expect(live.Get(t.Context(), types.NamespacedName{Namespace: "im", Name: "chat-api-1"}, &corev1.ConfigMap{})).To(Succeed(), why)
	}

	show(get(config("chat-api-1")), get(deployment("", 1)), get(oldPod.DeepCopy()))
	g.Expect(reconcile().lagging).To(BeTrue())
	stays("the cache shows the Deployment as it was before the write: complete")

	// settle shows the live Deployment with another status, and these pods, until a reconcile has nothing to wait for.
	settle := func(change func(*appsv1.DeploymentStatus), pods ...client.Object) {
		t.Helper()
		var s *scope
		for range 3 {
			d := get(deployment("", 1)).(*appsv1.Deployment)
			d.Status = appsv1.DeploymentStatus{ObservedGeneration: 1, Replicas: 1, UpdatedReplicas: 1, AvailableReplicas: 1}
			change(&d.Status)
			show(append(pods, get(config("chat-api-1")), get(config("chat-api-2")), d)...)
			s = reconcile()
		}
		g.Expect(s.applied && !s.lagging).To(BeTrue(), "the barrier must not be what keeps the ConfigMap")
	}
	complete := func(*appsv1.DeploymentStatus) {}
	incomplete := func(s *appsv1.DeploymentStatus) { s.UpdatedReplicas = 0 }

	settle(incomplete, get(oldPod.DeepCopy()))
	stays("the rollout is not complete")
	settle(incomplete)
	stays("the cache of pods is ahead, and a pod of the old template may come back")
	settle(complete, get(oldPod.DeepCopy()))
	stays("the old pod still terminates")

	show(get(config("chat-api-1")), get(config("chat-api-2")), get(deployment("", 1)))
	reconcile()
	err := live.Get(t.Context(), types.NamespacedName{Namespace: "im", Name: "chat-api-1"}, &corev1.ConfigMap{})
	g.Expect(client.IgnoreNotFound(err)).To(Succeed())
	g.Expect(err).To(HaveOccurred(), "no pod uses it any more")
}
