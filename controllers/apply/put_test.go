package apply

import (
	"context"
	"maps"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// A cache may be behind: it shows an object as the stack's that has lost its controller, or is another object by now.
func TestACachedObjectIsWrittenAsItWasSeen(t *testing.T) {
	ours := controlledBy("ConfigMap", "chat", "new")
	for name, c := range map[string]struct {
		change  func(*corev1.Service)
		gets    int
		refused bool
	}{
		"as the cache shows it":       {nil, 0, false},
		"changed by another":          {func(s *corev1.Service) { s.Annotations = map[string]string{"a": "b"} }, 1, false},
		"without its owner and label": {func(s *corev1.Service) { s.OwnerReferences, s.Labels = nil, nil }, 1, true},
		"another's by now": {func(s *corev1.Service) {
			s.OwnerReferences = nil
			controlledBy("ConfigMap", "other", "other")(s)
		}, 3, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			live := labelled(ours)
			other := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: "other", UID: "other"}}
			stack := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: "chat", UID: "new"}}
			cluster := fake.NewClientBuilder().WithObjects(live, other, stack).Build()
			key := client.ObjectKeyFromObject(live)
			var seen, now corev1.Service
			g.Expect(cluster.Get(t.Context(), key, &seen)).To(Succeed())
			if changed := seen.DeepCopy(); c.change != nil {
				c.change(changed)
				g.Expect(cluster.Update(t.Context(), changed)).To(Succeed())
			}
			cached := interceptor.NewClient(cluster, interceptor.Funcs{
				Get: func(ctx context.Context, w client.WithWatch, k client.ObjectKey, o client.Object, opts ...client.GetOption) error {
					if s, ok := o.(*corev1.Service); ok {
						seen.DeepCopyInto(s)
						return nil
					}
					return w.Get(ctx, k, o, opts...)
				},
			})
			gets := 0
			counted := interceptor.NewClient(cluster, interceptor.Funcs{
				Get: func(ctx context.Context, w client.WithWatch, k client.ObjectKey, o client.Object, opts ...client.GetOption) error {
					gets++
					return w.Get(ctx, k, o, opts...)
				},
			})
			wanted := labelled(func(s *corev1.Service) {
				ours(s)
				s.Spec.ExternalName = "example.com"
			})
			a := New(cached, counted, Options{Owner: "us", Identity: slices.Collect(maps.Keys(identity))})
			_, err := a.Apply(t.Context(), wanted)
			g.Expect(gets).To(Equal(c.gets))
			g.Expect(cluster.Get(t.Context(), key, &now)).To(Succeed())
			if c.refused {
				g.Expect(conflicts(err)).To(BeTrue(), "%v", err)
				g.Expect(now.Spec.ExternalName).To(BeEmpty())
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(now.Spec.ExternalName).To(Equal("example.com"))
			g.Expect(metav1.GetControllerOf(&now).UID).To(Equal(types.UID("new")))
		})
	}
}
