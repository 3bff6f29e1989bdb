package controllers

import (
	"encoding/json"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/manifests"
)

func TestReferencesLeadBackToTheStacksThatReadThem(t *testing.T) {
	g := NewWithT(t)
	x := newReferences()
	chat, other := types.NamespacedName{Namespace: "im", Name: "chat"}, types.NamespacedName{Namespace: "im2", Name: "chat"}
	redis := types.NamespacedName{Namespace: "infra", Name: "redis"}
	x.set(chat, reads{secrets: []string{"redis"}, configMaps: []string{"company-ca"}, services: []types.NamespacedName{redis}})
	x.set(other, reads{secrets: []string{"redis", "company-ca"}})
	g.Expect(x.ofSecret(types.NamespacedName{Namespace: "im", Name: "redis"})).To(ConsistOf(chat),
		"a Secret of the same name in another namespace is another Secret")
	g.Expect(x.ofService(redis)).To(ConsistOf(chat))
	g.Expect(x.ofService(types.NamespacedName{Namespace: "im", Name: "redis"})).To(BeEmpty())
	g.Expect(x.ofConfigMap(types.NamespacedName{Namespace: "im", Name: "company-ca"})).To(ConsistOf(chat))
	for _, foreign := range []types.NamespacedName{{Namespace: "im2", Name: "company-ca"}, {Namespace: "im", Name: "redis"}} {
		g.Expect(x.ofConfigMap(foreign)).To(BeEmpty(), "another ConfigMap, or none")
	}
	x.set(chat, reads{})
	g.Expect(x.ofSecret(types.NamespacedName{Namespace: "im", Name: "redis"})).To(BeEmpty())
	x.forget(other)
	g.Expect(x.byStack).To(HaveLen(1))
}

// A generated Secret that the spec no longer uses is read by no stack, and still listed in a status.
func TestASecretLeadsToTheStackOfItsLabels(t *testing.T) {
	g := NewWithT(t)
	secret := func(labels map[string]string) *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: "chat-custody", Labels: labels}}
	}
	stack, ok := generatedFor(secret(manifests.CommonLabels("chat")))
	g.Expect(ok).To(BeTrue())
	g.Expect(stack).To(Equal(types.NamespacedName{Namespace: "im", Name: "chat"}))
	foreign := manifests.CommonLabels("chat")
	foreign[v1alpha1.LabelManagedBy] = "Helm"
	for _, labels := range []map[string]string{nil, manifests.CommonLabels(""), {v1alpha1.LabelInstance: "chat"}, foreign} {
		_, ok = generatedFor(secret(labels))
		g.Expect(ok).To(BeFalse(), "%v", labels)
	}
}

func TestTheCacheHoldsOurChildrenAndNoSecret(t *testing.T) {
	g := NewWithT(t)
	options := CacheOptions([]string{"im"})
	g.Expect(options.DefaultNamespaces).To(HaveKey("im"))
	kinds := map[string]bool{}
	for object, by := range options.ByObject {
		if _, pod := object.(*corev1.Pod); pod {
			g.Expect(by.Label.String()).To(Equal("app.kubernetes.io/name in (openim,openim-wrapper)"))
			g.Expect(by.Transform).NotTo(BeNil(), "200 stacks have 3,000 pods")
			continue
		}
		if _, secret := object.(*corev1.Secret); secret {
			continue // below
		}
		kinds[kindOf(object)] = true
		g.Expect(by.Transform).NotTo(BeNil(), "%T", object)
		g.Expect(by.Label.String()).To(Equal("app.kubernetes.io/managed-by=openim-operator"))
	}
	g.Expect(kinds).To(HaveLen(len(owned()) + len(routeKinds()) + len(revisions())))
	g.Expect(kinds).NotTo(HaveKey("Secret"))
}

// The annotation of kubectl apply repeats the data of a Secret.
func TestTheCacheHoldsNoValueOfASecret(t *testing.T) {
	g := NewWithT(t)
	const value = "aHVudGVyMg=="
	var transform func(any) (any, error)
	for object, by := range CacheOptions(nil).ByObject {
		if _, secret := object.(*corev1.Secret); secret {
			transform = by.Transform
			g.Expect(by.Label).To(BeNil(), "references lead to Secrets of any labels")
		}
	}
	meta := metav1.ObjectMeta{
		Namespace: "im", Name: "redis", UID: "u", ResourceVersion: "7", Labels: map[string]string{"a": "b"},
		OwnerReferences: []metav1.OwnerReference{{Kind: "OpenIMStack", Name: "chat"}},
		Annotations:     map[string]string{corev1.LastAppliedConfigAnnotation: `{"data":{"password":"` + value + `"}}`},
		ManagedFields:   []metav1.ManagedFieldsEntry{{Manager: "kubectl"}}, Finalizers: []string{"example.com/x"},
	}
	for _, o := range []client.Object{
		&metav1.PartialObjectMetadata{ObjectMeta: meta},
		&corev1.Secret{ObjectMeta: meta, Data: map[string][]byte{"password": []byte(value)}, StringData: map[string]string{"a": value}},
	} {
		kept, err := transform(o.DeepCopyObject())
		g.Expect(err).NotTo(HaveOccurred())
		text, err := json.Marshal(kept)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(text)).NotTo(Or(ContainSubstring(value), ContainSubstring("YUhWdWRHVnlNZz09"), ContainSubstring("kubectl")))
		left := kept.(client.Object)
		g.Expect(left.GetOwnerReferences()).To(HaveLen(1), "a Secret of an earlier stack is told by its owner")
		g.Expect(left.GetLabels()).To(HaveLen(1))
		g.Expect(versionOf(left)).To(Equal("u/7"))
	}
	tombstone := cache.DeletedFinalStateUnknown{Key: "im/redis"}
	g.Expect(transform(tombstone)).To(Equal(tombstone))
}

// A common gap of operators: policies are written once and never checked again.
func TestPoliciesAreWatchedListedAndNamedLikeEveryChild(t *testing.T) {
	g := NewWithT(t)
	g.Expect(owned()).To(ContainElements(BeAssignableToTypeOf(&networkingv1.NetworkPolicy{}), BeAssignableToTypeOf(&appsv1.Deployment{})))
	g.Expect(ownedLists()).To(HaveLen(len(owned())))
	g.Expect(routeLists()).To(HaveLen(len(routeKinds())))
	for _, object := range slices.Concat(owned(), routeKinds()) {
		g.Expect(kindOf(object)).NotTo(BeEmpty(), "%T", object)
	}
	var _ []client.Object = owned()
}
