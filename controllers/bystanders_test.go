package controllers_test

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/manifests"
)

// With config/references the operator may delete every Secret. It deletes the copies that it made for this stack, and no other.
func TestOnlyCopiesOfTheStackAreDeleted(t *testing.T) {
	b := newBench(t)
	stack := b.stack()
	owner := manifests.OwnerReference(stack)
	another := owner
	another.UID = "another"
	const copied = benchStack + "-ref-redis-0123456789abcdef"
	create := func(name, instance, store string, owners ...metav1.OwnerReference) {
		labels := manifests.CommonLabels(instance)
		if store != "" {
			labels[v1alpha1.LabelReference] = store
		}
		b.Expect(b.c.Create(t.Context(), &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: benchNamespace, Labels: labels, OwnerReferences: owners},
		})).To(Succeed())
	}
	create(copied, benchStack, "redis", owner)
	const orphan = benchStack + "-ref-redis-fedcba9876543210" // from a backup
	create(orphan, benchStack, "redis")
	create(benchStack+"-ref-redis-00000000000000000", benchStack, "redis") // no name of a copy
	create("nobodys", benchStack, "redis")
	create("of-another-stack", "other", "redis", another)
	create("of-an-earlier-stack", benchStack, "redis", another)
	create("no-copy", benchStack, "", owner)
	b.Expect(b.c.Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Name: "labelled-by-its-owner", Namespace: benchNamespace, Labels: map[string]string{v1alpha1.LabelReference: "redis"},
	}})).To(Succeed())

	names := func() map[string]bool {
		var list corev1.SecretList
		b.Expect(b.c.List(t.Context(), &list)).To(Succeed())
		found := map[string]bool{}
		for i := range list.Items {
			found[list.Items[i].Name] = true
		}
		return found
	}
	want := names()
	delete(want, copied)
	delete(want, orphan)
	b.edit(func(s *v1alpha1.OpenIMStack) { // no revision names the copies
		s.Spec.Dependencies.Redis = v1alpha1.Redis{ResourceRef: &v1alpha1.ResourceReference{
			APIVersion: "v1", Kind: "Secret", Name: "redis", Namespace: "infra",
		}}
	})
	b.Expect(b.reconcile()).To(Succeed())
	b.Expect(names()).To(Equal(want))
}
