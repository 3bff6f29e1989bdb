package controllers

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

// Facts are used again only as long as a cache shows every object that they were read from, in the version that was read.
func TestWhatWasReadIsCurrentUntilAnythingOfItChanges(t *testing.T) {
	in := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "im", Name: name} }
	slice := func(name string) *discoveryv1.EndpointSlice {
		s := &discoveryv1.EndpointSlice{ObjectMeta: in(name), AddressType: discoveryv1.AddressTypeIPv4}
		s.Labels = map[string]string{discoveryv1.LabelServiceName: "redis"}
		return s
	}
	touch := func(c client.Client, o client.Object) error {
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
			return err
		}
		o.SetAnnotations(map[string]string{"a": "b"})
		return c.Update(t.Context(), o)
	}
	for name, given := range map[string]struct {
		change func(client.Client) error
		want   bool
	}{
		"nothing":                    {func(client.Client) error { return nil }, true},
		"another Secret":             {func(c client.Client) error { return touch(c, &corev1.Secret{ObjectMeta: in("other")}) }, true},
		"a slice of another Service": {func(c client.Client) error { return touch(c, slice("other")) }, true},
		"the Secret":                 {func(c client.Client) error { return touch(c, &corev1.Secret{ObjectMeta: in("redis")}) }, false},
		"the Service":                {func(c client.Client) error { return touch(c, &corev1.Service{ObjectMeta: in("redis")}) }, false},
		"a slice":                    {func(c client.Client) error { return touch(c, slice("redis-1")) }, false},
		"another slice":              {func(c client.Client) error { return c.Create(t.Context(), slice("redis-2")) }, false},
		"no slice":                   {func(c client.Client) error { return c.Delete(t.Context(), slice("redis-1")) }, false},
		"the ConfigMap":              {func(c client.Client) error { return touch(c, &corev1.ConfigMap{ObjectMeta: in("redis")}) }, false},
		"no Secret": {func(c client.Client) error {
			return c.Delete(t.Context(), &corev1.Secret{ObjectMeta: in("redis")})
		}, false},
		"the Secret made anew": {func(c client.Client) error {
			if err := c.Delete(t.Context(), &corev1.Secret{ObjectMeta: in("redis")}); err != nil {
				return err
			}
			return c.Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: "redis", UID: "anew"}})
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			foreign := slice("other")
			foreign.Labels[discoveryv1.LabelServiceName] = "other"
			c := fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).WithObjects(&corev1.Secret{ObjectMeta: in("redis")},
				&corev1.Secret{ObjectMeta: in("other")}, &corev1.Service{ObjectMeta: in("redis")}, &corev1.ConfigMap{ObjectMeta: in("redis")},
				slice("redis-1"), foreign).Build()
			read := readEverything(t, c)
			g.Expect(read.unwatched).To(BeFalse())
			g.Expect(given.change(c)).To(Succeed())
			g.Expect(read.areCurrent(t.Context(), func(schema.GroupVersionKind) client.Reader { return c })).To(Equal(given.want))
			g.Expect(read.areCurrent(t.Context(), func(schema.GroupVersionKind) client.Reader { return nil })).To(BeFalse(), "without a cache")
		})
	}
}

func readEverything(t *testing.T, c client.Client) *readVersions {
	g, ctx, read := NewWithT(t), t.Context(), newReadVersions(c)
	name := types.NamespacedName{Namespace: "im", Name: "redis"}
	g.Expect(read.Get(ctx, name, &corev1.Secret{})).To(Succeed())
	g.Expect(read.Get(ctx, name, &corev1.Service{})).To(Succeed())
	g.Expect(read.Get(ctx, name, &corev1.ConfigMap{})).To(Succeed())
	g.Expect(read.List(ctx, &discoveryv1.EndpointSliceList{}, client.InNamespace("im"),
		client.MatchingLabels{discoveryv1.LabelServiceName: "redis"})).To(Succeed())
	return read
}

// What no cache shows, and what does not exist, is read each time.
func TestReadsThatNoWatchTellsAbout(t *testing.T) {
	name := types.NamespacedName{Namespace: "im", Name: "redis"}
	for what, read := range map[string]func(client.Reader) error{
		"a Secret that does not exist": func(r client.Reader) error { return r.Get(t.Context(), name, &corev1.Secret{}) },
		"an object of another kind":    func(r client.Reader) error { return r.Get(t.Context(), name, &corev1.Pod{}) },
		"a list of another kind":       func(r client.Reader) error { return r.List(t.Context(), &corev1.SecretList{}) },
		"all slices":                   func(r client.Reader) error { return r.List(t.Context(), &discoveryv1.EndpointSliceList{}) },
	} {
		t.Run(what, func(t *testing.T) {
			c := fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).Build()
			recording := newReadVersions(c)
			_ = read(recording) // that it does not exist is one of the cases
			NewWithT(t).Expect(recording.unwatched).To(BeTrue())
		})
	}
}

// Facts that were read from two versions of an object belong to neither.
func TestAnObjectThatChangesBetweenTwoReadsIsReadAgain(t *testing.T) {
	name := types.NamespacedName{Namespace: "im", Name: "redis"}
	meta := metav1.ObjectMeta{Namespace: "im", Name: "redis"}
	slices := []client.ListOption{client.InNamespace("im"), client.MatchingLabels{discoveryv1.LabelServiceName: "redis"}}
	for kind, read := range map[string]func(*readVersions) error{
		"Secret":  func(v *readVersions) error { return v.Get(t.Context(), name, &corev1.Secret{}) },
		"Service": func(v *readVersions) error { return v.Get(t.Context(), name, &corev1.Service{}) },
		"slices":  func(v *readVersions) error { return v.List(t.Context(), &discoveryv1.EndpointSliceList{}, slices...) },
	} {
		t.Run(kind, func(t *testing.T) {
			g := NewWithT(t)
			slice := &discoveryv1.EndpointSlice{ObjectMeta: meta, AddressType: discoveryv1.AddressTypeIPv4}
			slice.Labels = map[string]string{discoveryv1.LabelServiceName: "redis"}
			objects := map[string]client.Object{
				"Secret": &corev1.Secret{ObjectMeta: meta}, "Service": &corev1.Service{ObjectMeta: meta}, "slices": slice,
			}
			c := fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).WithObjects(objects[kind]).Build()
			v := newReadVersions(c)
			g.Expect(read(v)).To(Succeed())
			g.Expect(read(v)).To(Succeed())
			g.Expect(v.unwatched).To(BeFalse(), "it is the same version")
			live := objects[kind].DeepCopyObject().(client.Object)
			g.Expect(c.Get(t.Context(), name, live)).To(Succeed())
			live.SetAnnotations(map[string]string{"a": "b"})
			g.Expect(c.Update(t.Context(), live)).To(Succeed())
			g.Expect(read(v)).To(Succeed())
			g.Expect(v.unwatched).To(BeTrue())
		})
	}
}
