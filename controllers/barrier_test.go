package controllers

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/apply"
)

// A reconciliation decides nothing from a cache that does not show this process's own writes yet. It has nothing but the two clients here,
// so that any phase would end the test.
func TestNothingIsDecidedBeforeTheCacheShowsOurWrites(t *testing.T) {
	g := NewWithT(t)
	scheme := runtime.NewScheme()
	g.Expect(clientgoscheme.AddToScheme(scheme)).To(Succeed())
	g.Expect(v1alpha1.AddToScheme(scheme)).To(Succeed())
	stack := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Name: "chat", Namespace: "im", UID: types.UID("u")}}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(stack).Build()
	r := &Reconciler{client: c, live: c, applier: apply.New(c, c, applyOptions())}
	written := stack.DeepCopy()
	written.ResourceVersion = "1000000"
	g.Expect(r.applier.Wrote(stack.UID, written)).To(Succeed())

	result, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(stack)})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(result.RequeueAfter).To(Equal(barrierDelay))
}
