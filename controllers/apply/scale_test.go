package apply

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// Each case is a live object: its replicas and the manager of spec.replicas.
func TestReplicasAreSentOnlyWhenTheyMust(t *testing.T) {
	const ours = "us-scale"
	cases := []struct {
		name            string
		live            int64
		manager, sub    string
		initial, wanted bool
	}{
		{"initial: just created", 1, "", "", true, true},
		{"initial: sent before", 2, ours, "", true, false},
		{"initial: scaled by a user", 4, "kubectl", "scale", true, false},
		{"initial: edited by a user", 4, "kubectl-edit", "", true, false},
		{"initial: scaled to zero", 0, "kubectl", "scale", true, false},
		{"initial: scaled to zero by a subresource that leaves no owner", 0, "", "", true, false},
		{"given: just created", 1, "", "", false, true},
		{"given: as it should be", 2, ours, "", false, false},
		{"given: scaled by an autoscaler", 4, "kube-controller-manager", "scale", false, true},
		{"given: another owns the same number", 2, "kubectl", "scale", false, true},
		{"given: ours with an older number", 3, ours, "", false, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			object := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"replicas": c.live}}}
			managed := []metav1.ManagedFieldsEntry{{Manager: "us", FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:selector":{}}}`)}}
			if c.manager != "" {
				managed = append(managed, metav1.ManagedFieldsEntry{Manager: c.manager, Subresource: c.sub,
					FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:replicas":{}}}`)})
			}
			object.SetManagedFields(managed)
			s := &scaling{replicas: 2, initial: c.initial}
			NewWithT(t).Expect(s.missing(object, ours)).To(Equal(c.wanted))
		})
	}
	one := &scaling{replicas: 1, initial: true}
	created := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"replicas": int64(1)}}}
	NewWithT(t).Expect(one.missing(created, ours)).To(BeFalse(), "the API server's default")
	NewWithT(t).Expect((*scaling)(nil).missing(&unstructured.Unstructured{}, ours)).To(BeFalse(), "most kinds have no replicas")
}

const initialKey = "example.com/initial"

// wantedDeployment returns a desired Deployment. initial is true when its number of replicas counts at creation alone.
func wantedDeployment(replicas int32, initial bool) *appsv1.Deployment {
	labels := maps.Clone(identity)
	owner := metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: "chat", UID: "chat", Controller: ptr.To(true)}
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{
		Namespace: "im", Name: "chat-api", Labels: labels, OwnerReferences: []metav1.OwnerReference{owner},
	}, Spec: appsv1.DeploymentSpec{
		Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: labels},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "api", Image: "example.com/api:1"}}},
		},
	}}
	if initial {
		d.Annotations = map[string]string{initialKey: strconv.Itoa(int(replicas))}
	}
	return d
}

// TestReplicasAreHandedOver follows one Deployment from its creation through the hands of the operator, an autoscaler and a user.
func TestReplicasAreHandedOver(t *testing.T) {
	g := NewWithT(t)
	cluster := fake.NewClientBuilder().WithReturnManagedFields().Build()
	options := Options{Owner: "us", Identity: slices.Collect(maps.Keys(identity)), InitialReplicas: initialKey}
	a := New(cluster, cluster, options)
	live := func() *appsv1.Deployment {
		var d appsv1.Deployment
		g.Expect(cluster.Get(t.Context(), client.ObjectKey{Namespace: "im", Name: "chat-api"}, &d)).To(Succeed())
		return &d
	}
	owners := func() []string {
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(live())
		g.Expect(err).NotTo(HaveOccurred())
		return slices.Sorted(maps.Keys(ownersOfReplicas(&unstructured.Unstructured{Object: content})))
	}
	apply := func(replicas int32, initial bool) Result {
		outcome, err := a.Apply(t.Context(), wantedDeployment(replicas, initial))
		g.Expect(err).NotTo(HaveOccurred())
		return outcome.Result
	}
	scale := func(replicas int32, manager string) {
		d := live()
		d.Spec.Replicas = &replicas
		g.Expect(cluster.Update(t.Context(), d, client.FieldOwner(manager))).To(Succeed())
	}

	g.Expect(apply(2, true)).To(Equal(Created))
	g.Expect(*live().Spec.Replicas).To(Equal(int32(2)))
	g.Expect(owners()).To(Equal([]string{"us-scale"}))
	g.Expect(apply(2, true)).To(Equal(Unchanged))

	scale(5, "kube-controller-manager")
	g.Expect(apply(2, true)).To(Equal(Unchanged), "an autoscaler costs no write")
	a = New(cluster, cluster, options) // a restart
	g.Expect(apply(2, true)).To(Equal(Configured))
	g.Expect(*live().Spec.Replicas).To(Equal(int32(5)))

	g.Expect(apply(3, false)).To(Equal(Configured))
	g.Expect(*live().Spec.Replicas).To(Equal(int32(3)))
	g.Expect(apply(3, false)).To(Equal(Unchanged))
	scale(4, "kubectl")
	g.Expect(apply(3, false)).To(Equal(Repaired), "the spec wins")
	g.Expect(*live().Spec.Replicas).To(Equal(int32(3)))

	g.Expect(apply(1, true)).To(Equal(Configured))
	g.Expect(*live().Spec.Replicas).To(Equal(int32(3)), "the number stays when the spec no longer names one")
	g.Expect(owners()).To(Equal([]string{"us-scale"}))

	d := live()
	d.Spec.Replicas = ptr.To[int32](6)
	d.Spec.Template.Spec.Containers = append(d.Spec.Template.Spec.Containers, corev1.Container{Name: "sidecar", Image: "example.com/s:1"})
	g.Expect(cluster.Update(t.Context(), d, client.FieldOwner("kubectl-edit"))).To(Succeed())
	g.Expect(apply(1, true)).To(Equal(Repaired))
	g.Expect(live().Spec.Template.Spec.Containers).To(HaveLen(1))
	g.Expect(*live().Spec.Replicas).To(Equal(int32(6)), "the edit's number stays, its container does not")

	scale(0, "kubectl")
	g.Expect(apply(1, true)).To(Equal(Unchanged))
	g.Expect(*live().Spec.Replicas).To(BeZero())
}

// An operator that is stopped between the two writes of a creation sends the number after its restart.
func TestACreationThatWasInterruptedIsCompleted(t *testing.T) {
	g := NewWithT(t)
	refuse := true
	cluster := fake.NewClientBuilder().WithReturnManagedFields().WithInterceptorFuncs(interceptor.Funcs{
		Apply: func(ctx context.Context, c client.WithWatch, o runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			options := &client.ApplyOptions{}
			options.ApplyOptions(opts)
			if refuse && options.FieldManager == "us-scale" {
				return errors.New("the operator was stopped")
			}
			return c.Apply(ctx, o, opts...)
		},
	}).Build()
	options := Options{Owner: "us", Identity: slices.Collect(maps.Keys(identity)), InitialReplicas: initialKey}
	_, err := New(cluster, cluster, options).Apply(t.Context(), wantedDeployment(2, true))
	g.Expect(err).To(MatchError(ContainSubstring("setting the replicas of Deployment im/chat-api")))
	refuse = false
	_, err = New(cluster, cluster, options).Apply(t.Context(), wantedDeployment(2, true))
	g.Expect(err).NotTo(HaveOccurred())
	var d appsv1.Deployment
	g.Expect(cluster.Get(t.Context(), client.ObjectKey{Namespace: "im", Name: "chat-api"}, &d)).To(Succeed())
	g.Expect(*d.Spec.Replicas).To(Equal(int32(2)))
}

func TestTheBarrierAwaitsTheWriteOfTheReplicas(t *testing.T) {
	g := NewWithT(t)
	cluster := fake.NewClientBuilder().WithReturnManagedFields().Build()
	a := New(cluster, cluster, Options{Owner: "us"})
	wanted := wantedDeployment(3, false)
	_, err := a.Apply(t.Context(), wanted)
	g.Expect(err).NotTo(HaveOccurred())
	var live appsv1.Deployment
	g.Expect(cluster.Get(t.Context(), client.ObjectKeyFromObject(wanted), &live)).To(Succeed())
	g.Expect(*live.Spec.Replicas).To(Equal(int32(3)))
	writes := slices.Collect(maps.Values(a.barrier.pending("chat")))
	g.Expect(writes).To(HaveLen(1))
	g.Expect(writes[0].version).To(Equal(live.ResourceVersion))
	behind, _, err := a.Behind(t.Context(), "chat")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(behind).To(BeEmpty())
}
