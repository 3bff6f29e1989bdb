package controllers_test

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/manifests/manifeststest"
	"github.com/openimstack/openim-operator/controllers/prober"
)

// secretReads is an API server that counts the Secrets that are read with their data.
type secretReads struct {
	client.Client

	count int
}

func (s *secretReads) Get(ctx context.Context, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
	if _, secret := o.(*corev1.Secret); secret {
		s.count++
	}
	return s.Client.Get(ctx, key, o, options...)
}

// References are read again when something changed that they were resolved from, when something is wrong with them, and after a minute.
func TestWhenReferencesAreReadAgain(t *testing.T) {
	b := newBench(t)
	live, now := &secretReads{Client: b.c}, time.Now()
	b.r = controllers.NewReconciler(b.c, live, events.NewFakeRecorder(10_000), prober.New(b.c, live, prober.Options{}),
		manifests.Options{WrapperImage: manifeststest.WrapperImage}, dependencies.Access{})
	b.r.Watching(b.c, func() time.Time { return now })
	// reads returns how often a Secret was read by two reconciliations: the first sees what changed, the second changes nothing.
	reads := func() (first, second int) {
		t.Helper()
		for _, n := range []*int{&first, &second} {
			live.count = 0
			b.Expect(b.reconcile()).To(Succeed())
			*n = live.count
		}
		return first, second
	}
	again := func(what string, change func()) {
		t.Helper()
		change()
		first, second := reads()
		b.Expect(first).To(BeNumerically(">", 0), what)
		b.Expect(second).To(BeZero(), "%s, and nothing after it", what)
	}
	again("at the start", func() {})
	again("a spec of another generation", func() { b.edit(func(s *v1alpha1.OpenIMStack) { s.Generation++ }) })
	again("a Secret changed", func() {
		s := b.secret(v1alpha1.SuffixAssertionKey)
		s.Labels = map[string]string{"touched": "yes"}
		b.Expect(b.c.Update(t.Context(), s)).To(Succeed())
	})
	again("a minute passed", func() { now = now.Add(time.Minute) })
	again("another stack of the same name", func() {
		s := b.stack()
		b.Expect(b.c.Delete(t.Context(), s)).To(Succeed())
		b.Expect(b.reconcile()).To(Succeed(), "the stack is gone")
		s.UID, s.ResourceVersion = types.UID("another"), ""
		b.Expect(b.c.Create(t.Context(), s)).To(Succeed())
		b.Expect(b.reconcile()).To(Succeed(), "its Secrets are made or taken over")
		now = now.Add(time.Minute)
	})

	lost := &corev1.Secret{}
	b.Expect(b.get("redis-wrapper", lost)).To(Succeed())
	b.Expect(b.c.Delete(t.Context(), lost)).To(Succeed())
	first, second := reads()
	b.Expect(first).To(BeNumerically(">", 0))
	b.Expect(second).To(Equal(first), "what is missing is looked for each time")
	again("the Secret is back", func() {
		lost.ResourceVersion = ""
		b.Expect(b.c.Create(t.Context(), lost)).To(Succeed())
	})
}
