package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// reads counts the reads of the API server.
type reads struct{ gets, lists int }

// counting returns a cluster with the stack chat, whose cache holds nothing, and what is read from its API server.
func counting(
	answer func(*metav1.PartialObjectMetadataList) error, objects ...client.Object,
) (cluster client.WithWatch, live client.Reader, counted *reads) {
	stack := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: "chat", UID: "new"}}
	cluster = fake.NewClientBuilder().WithObjects(append(objects, stack)...).Build()
	counted = &reads{}
	live = interceptor.NewClient(cluster, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			counted.gets++
			return c.Get(ctx, key, o, opts...)
		},
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			counted.lists++
			if err := c.List(ctx, list, opts...); err != nil {
				return err
			}
			return answer(list.(*metav1.PartialObjectMetadataList))
		},
	})
	return interceptor.NewClient(cluster, interceptor.Funcs{
		Get: func(_ context.Context, _ client.WithWatch, key client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
			return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
		},
	}), live, counted
}

func services(number int) []client.Object {
	var all []client.Object
	for i := range number {
		all = append(all, labelled(func(s *corev1.Service) {
			controlledBy("ConfigMap", "chat", "new")(s)
			s.Name = fmt.Sprintf("chat-%d", i)
		}))
	}
	return all
}

func TestABatchAsksOnceWhichObjectsAreNew(t *testing.T) {
	whole := func(*metav1.PartialObjectMetadataList) error { return nil }
	foreign := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: "chat-1"}}
	cases := []struct {
		name    string
		number  int
		answer  func(*metav1.PartialObjectMetadataList) error
		foreign bool
		reads   reads
	}{
		{"new objects", 5, whole, false, reads{0, 1}},
		{"one name is taken, which is read", 5, whole, true, reads{1, 1}},
		{"too few for a list", 2, whole, true, reads{2, 0}},
		{"a namespace with too many objects", 5, func(l *metav1.PartialObjectMetadataList) error {
			l.Continue = "more"
			return nil
		}, true, reads{5, 1}},
		{"a list that is refused", 5, func(*metav1.PartialObjectMetadataList) error { return errors.New("no right") }, true, reads{5, 1}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			var objects []client.Object
			if c.foreign {
				objects = append(objects, foreign.DeepCopy())
			}
			cluster, live, counted := counting(c.answer, objects...)
			a := New(cluster, live, Options{Owner: "us", Identity: slices.Collect(maps.Keys(identity))})
			wanted := services(c.number)
			b := a.Batch(t.Context(), wanted)
			for _, service := range wanted {
				result, err := b.Apply(t.Context(), service)
				if c.foreign && service.GetName() == foreign.Name {
					g.Expect(conflicts(err)).To(BeTrue(), "%v", err)
					continue
				}
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(result.Result).To(Equal(Created))
			}
			g.Expect(*counted).To(Equal(c.reads))
		})
	}
}

// An object that was absent is asked for again when it is applied a second time: it exists by then.
func TestABatchKnowsAnAbsentObjectOnce(t *testing.T) {
	g := NewWithT(t)
	cluster, live, counted := counting(func(*metav1.PartialObjectMetadataList) error { return nil })
	a := New(cluster, live, Options{Owner: "us", Identity: slices.Collect(maps.Keys(identity))})
	wanted := services(3)
	b := a.Batch(t.Context(), wanted)
	for _, isNew := range []bool{true, false} {
		result, err := b.Apply(t.Context(), wanted[0])
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(result.Result == Created).To(Equal(isNew))
	}
	g.Expect(*counted).To(Equal(reads{1, 1}))
}

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
