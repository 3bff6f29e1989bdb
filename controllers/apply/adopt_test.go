package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/openimstack/openim-operator/controllers/outcome"
)

// identity are labels as the operator gives them to all children.
var identity = map[string]string{"instance": "chat", "part-of": "openimstack", "managed-by": "openim-operator"}

func labelled(change func(*corev1.Service)) *corev1.Service {
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: "chat-api", Labels: maps.Clone(identity)}}
	if change != nil {
		change(s)
	}
	return s
}

func controlledBy(kind, name, uid string) func(*corev1.Service) {
	return func(s *corev1.Service) {
		s.OwnerReferences = append(s.OwnerReferences, metav1.OwnerReference{
			APIVersion: "v1", Kind: kind, Name: name, UID: types.UID(uid), Controller: ptr.To(true),
		})
	}
}

// conflicts reports whether an error is the terminal fault of an object of another owner.
func conflicts(err error) bool {
	fault, ok := errors.AsType[*outcome.Fault](err)
	return ok && fault.Reason == outcome.ReasonNameConflict
}

// A stack that is being deleted without its children must not get them back: they would be deleted with it.
func TestAnOwnerThatIsBeingDeletedAdoptsNothing(t *testing.T) {
	now := metav1.Now()
	for name, owner := range map[string]*corev1.ConfigMap{
		"being deleted": {ObjectMeta: metav1.ObjectMeta{
			Namespace: "im", Name: "chat", UID: "new", DeletionTimestamp: &now, Finalizers: []string{"orphan"},
		}},
		"made anew": {ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: "chat", UID: "newer"}},
		"gone":      {ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: "other", UID: "other"}},
	} {
		g := NewWithT(t)
		cluster := fake.NewClientBuilder().WithObjects(labelled(nil), owner).Build()
		a := New(cluster, cluster, Options{Owner: "us", Identity: slices.Collect(maps.Keys(identity))})
		_, err := a.Apply(t.Context(), labelled(controlledBy("ConfigMap", "chat", "new")))
		g.Expect(err).To(HaveOccurred(), name)
		g.Expect(conflicts(err)).To(BeFalse(), name)
		var s corev1.Service
		g.Expect(cluster.Get(t.Context(), client.ObjectKey{Namespace: "im", Name: "chat-api"}, &s)).To(Succeed())
		g.Expect(s.OwnerReferences).To(BeEmpty(), name)
	}
}

// Each case is an object as it is found. ConfigMaps stand for its controllers, and the new one is the ConfigMap chat with the UID new.
func TestAdoption(t *testing.T) {
	cases := []struct {
		name    string
		live    *corev1.Service
		refused bool
	}{
		{"ours", labelled(controlledBy("ConfigMap", "chat", "new")), false},
		{"ours without a label, which the write adds again", labelled(func(s *corev1.Service) {
			controlledBy("ConfigMap", "chat", "new")(s)
			s.Labels = nil
		}), false},
		{"no owner", labelled(nil), false},
		{"owned by pods alone", labelled(func(s *corev1.Service) {
			s.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Pod", Name: "p", UID: "p"}}
		}), false},
		{"controller of the same name with another UID", labelled(controlledBy("ConfigMap", "chat", "old")), false},
		{"controller that does not exist", labelled(controlledBy("ConfigMap", "gone", "gone")), false},
		{"living other controller", labelled(controlledBy("ConfigMap", "other", "other")), true},
		{"controller that may not be read", labelled(controlledBy("Secret", "gone", "gone")), true},
		{"another stack's label", labelled(func(s *corev1.Service) { s.Labels["instance"] = "other" }), true},
		{"no label part-of", labelled(func(s *corev1.Service) { delete(s.Labels, "part-of") }), true},
		{"no label managed-by", labelled(func(s *corev1.Service) { delete(s.Labels, "managed-by") }), true},
		{"wrong label and a controller that is gone", labelled(func(s *corev1.Service) {
			controlledBy("ConfigMap", "gone", "gone")(s)
			s.Labels["managed-by"] = "Helm"
		}), true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			config := func(name string) client.Object {
				return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: name, UID: types.UID(name)}}
			}
			stack := config("chat")
			stack.SetUID("new")
			cluster := fake.NewClientBuilder().WithObjects(c.live, stack, config("other")).WithInterceptorFuncs(interceptor.Funcs{
				Get: func(ctx context.Context, cl client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
					if o.GetObjectKind().GroupVersionKind().Kind == "Secret" {
						return apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, key.Name, errors.New("no right"))
					}
					return cl.Get(ctx, key, o, opts...)
				},
			}).Build()
			wanted := labelled(controlledBy("ConfigMap", "chat", "new"))
			_, err := New(cluster, cluster, Options{Owner: "us", Identity: slices.Collect(maps.Keys(identity))}).Apply(t.Context(), wanted)
			var now corev1.Service
			g.Expect(cluster.Get(t.Context(), client.ObjectKeyFromObject(wanted), &now)).To(Succeed())
			if c.refused {
				g.Expect(conflicts(err)).To(BeTrue(), "%v", err)
				g.Expect(now.OwnerReferences).To(Equal(c.live.OwnerReferences))
				g.Expect(now.Labels).To(Equal(c.live.Labels))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(metav1.GetControllerOf(&now).UID).To(Equal(types.UID("new")))
			for _, o := range now.OwnerReferences {
				g.Expect(IsPod(o) || o.UID == "new").To(BeTrue(), "a reference to %s is left", o.UID)
			}
		})
	}
}

// Every kind that the operator writes is taken from a stack of the same name that is gone, and stays with any other living controller.
func TestEveryKindIsTakenFromAStackThatIsGone(t *testing.T) {
	meta := func(owner types.UID) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: "im", Name: "chat-x", Labels: maps.Clone(identity), OwnerReferences: []metav1.OwnerReference{{
			APIVersion: "v1", Kind: "ConfigMap", Name: map[types.UID]string{"new": "chat", "old": "chat", "other": "other"}[owner], UID: owner,
			Controller: ptr.To(true), BlockOwnerDeletion: ptr.To(true),
		}}}
	}
	kinds := []func(metav1.ObjectMeta) client.Object{
		func(m metav1.ObjectMeta) client.Object { return &networkingv1.NetworkPolicy{ObjectMeta: m} },
		func(m metav1.ObjectMeta) client.Object { return &networkingv1.Ingress{ObjectMeta: m} },
		func(m metav1.ObjectMeta) client.Object { return &corev1.ServiceAccount{ObjectMeta: m} },
		func(m metav1.ObjectMeta) client.Object { return &corev1.ConfigMap{ObjectMeta: m} },
		func(m metav1.ObjectMeta) client.Object { return &corev1.Service{ObjectMeta: m} },
		func(m metav1.ObjectMeta) client.Object { return &appsv1.Deployment{ObjectMeta: m} },
		func(m metav1.ObjectMeta) client.Object { return &policyv1.PodDisruptionBudget{ObjectMeta: m} },
		func(m metav1.ObjectMeta) client.Object { return &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: m} },
		func(m metav1.ObjectMeta) client.Object { return &appsv1.ControllerRevision{ObjectMeta: m} },
	}
	for _, of := range kinds {
		for owner, taken := range map[types.UID]bool{"old": true, "other": false} {
			t.Run(fmt.Sprintf("%T of %s", of(metav1.ObjectMeta{}), owner), func(t *testing.T) {
				g := NewWithT(t)
				live, wanted := of(meta(owner)), of(meta("new"))
				stack := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: "chat", UID: "new"}}
				other := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: "other", UID: "other"}}
				cluster := fake.NewClientBuilder().WithObjects(live, stack, other).Build()
				a := New(cluster, cluster, Options{Owner: "us", Identity: slices.Collect(maps.Keys(identity))})
				var err error
				if r, revision := wanted.(*appsv1.ControllerRevision); revision {
					r.APIVersion, r.Kind = appsv1.SchemeGroupVersion.String(), "ControllerRevision"
					_, err = a.AdoptRevision(t.Context(), r)
				} else {
					_, err = a.Apply(t.Context(), wanted)
				}
				now := of(metav1.ObjectMeta{})
				g.Expect(cluster.Get(t.Context(), client.ObjectKey{Namespace: "im", Name: "chat-x"}, now)).To(Succeed())
				if !taken {
					g.Expect(conflicts(err)).To(BeTrue(), "%v", err)
					g.Expect(metav1.GetControllerOf(now).UID).To(Equal(owner))
					return
				}
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(now.GetOwnerReferences()).To(ConsistOf(HaveField("UID", types.UID("new"))))
			})
		}
	}
}
