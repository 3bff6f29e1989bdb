package controllers

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// informerOfStacks is an informer with the stacks that it shows.
type informerOfStacks struct {
	indexer toolscache.Indexer
	synced  bool
}

func (i *informerOfStacks) HasSynced() bool                { return i.synced }
func (i *informerOfStacks) GetIndexer() toolscache.Indexer { return i.indexer }

// An informer that is not filled yet would show no other stack, and each store would seem to be free.
func TestAllStacksAreListedWithoutCopiesOnceTheInformerIsFilled(t *testing.T) {
	g := NewWithT(t)
	named := func(name string) *v1alpha1.OpenIMStack {
		return &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: name}}
	}
	known := runtime.NewScheme()
	g.Expect(v1alpha1.AddToScheme(known)).To(Succeed())
	informer := &informerOfStacks{indexer: toolscache.NewIndexer(toolscache.MetaNamespaceKeyFunc, nil)}
	r := &Reconciler{client: fake.NewClientBuilder().WithScheme(known).WithObjects(named("listed"), named("other")).Build()}
	for _, r.indexed = range []indexedStacks{nil, informer} {
		all, err := r.allStacks(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(all).To(HaveLen(2), "a cache of several namespaces, and an informer that is not filled")
	}
	own := named("indexed")
	g.Expect(informer.indexer.Add(own)).To(Succeed())
	informer.synced = true
	all, err := r.allStacks(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(all).To(HaveLen(1))
	g.Expect(all[0]).To(BeIdenticalTo(own))
	g.Expect(testing.AllocsPerRun(100, func() { _, _ = r.allStacks(t.Context()) })).To(BeNumerically("<", 10))
}
