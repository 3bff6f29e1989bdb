package apply

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

// lagging is a client whose reads are those of a cache, which shows what the test says.
type lagging struct {
	client.Client
	cache client.Client
}

func (l *lagging) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	return l.cache.Get(ctx, key, object, options...)
}

func (l *lagging) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	return l.cache.List(ctx, list, options...)
}

// shows makes the cache hold these objects and no others.
func (l *lagging) shows(objects ...client.Object) {
	l.cache = fake.NewClientBuilder().WithScheme(l.Scheme()).WithObjects(objects...).Build()
}

type bench struct {
	t       *testing.T
	client  *lagging
	applier *Applier
	clock   time.Time
}

const stackUID = types.UID("stack")

func newBench(t *testing.T) *bench {
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	live := fake.NewClientBuilder().WithScheme(scheme).Build()
	b := &bench{t: t, client: &lagging{Client: live}, clock: time.Now()}
	b.client.shows()
	b.applier = New(b.client, live, Options{Owner: "us"})
	b.applier.barrier.now = func() time.Time { return b.clock }
	return b
}

func config(value string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "chat-api", Namespace: "im", OwnerReferences: []metav1.OwnerReference{{
			APIVersion: "openimstack.dev/v1alpha1", Kind: "OpenIMStack", Name: "chat", UID: stackUID, Controller: ptr.To(true),
		}}},
		Data: map[string]string{"a": value},
	}
}

func (b *bench) apply(value string) *corev1.ConfigMap {
	b.t.Helper()
	if _, err := b.applier.Apply(b.t.Context(), config(value)); err != nil {
		b.t.Fatal(err)
	}
	return b.live()
}

func (b *bench) live() *corev1.ConfigMap {
	b.t.Helper()
	var c corev1.ConfigMap
	if err := b.client.Client.Get(b.t.Context(), client.ObjectKeyFromObject(config("")), &c); err != nil {
		b.t.Fatal(err)
	}
	return &c
}

func (b *bench) behind() []string {
	b.t.Helper()
	behind, _, err := b.applier.Behind(b.t.Context(), stackUID)
	if err != nil {
		b.t.Fatal(err)
	}
	return behind
}

func (b *bench) prune() ([]client.Object, error) {
	return b.applier.Prune(b.t.Context(), PruneOptions{
		Namespace: "im", Owner: stackUID, Lists: []client.ObjectList{&corev1.ConfigMapList{}},
	})
}

func TestTheBarrierOpensWhenTheCacheShowsTheWrite(t *testing.T) {
	g, b := NewWithT(t), newBench(t)
	g.Expect(b.behind()).To(BeEmpty(), "nothing was written")
	one := b.apply("1")
	g.Expect(b.behind()).To(Equal([]string{"ConfigMap chat-api"}))
	two := b.apply("2")
	b.client.shows(one)
	g.Expect(b.behind()).NotTo(BeEmpty(), "the cache shows the write before")
	b.client.shows(two)
	g.Expect(b.behind()).To(BeEmpty())
	b.client.shows(one)
	g.Expect(b.behind()).To(BeEmpty(), "what was seen once counts")
}

func TestANewerVersionOpensTheBarrier(t *testing.T) {
	g, b := NewWithT(t), newBench(t)
	b.apply("1")
	newer := b.live()
	newer.Labels = map[string]string{"somebody": "else"}
	g.Expect(b.client.Client.Update(t.Context(), newer)).To(Succeed())
	b.client.shows(newer)
	g.Expect(b.behind()).To(BeEmpty())
}

func TestADeletionOpensTheBarrier(t *testing.T) {
	g, b := NewWithT(t), newBench(t)
	written := b.apply("1")
	g.Expect(b.client.Client.Delete(t.Context(), written)).To(Succeed())
	g.Expect(b.behind()).NotTo(BeEmpty(), "the cache may not have shown the creation yet")
	b.clock = b.clock.Add(2 * time.Second)
	g.Expect(b.behind()).To(BeEmpty(), "the API server has no such object")
}

func TestAPrunedObjectHoldsTheBarrierUntilTheCacheLosesIt(t *testing.T) {
	g, b := NewWithT(t), newBench(t)
	old := b.apply("1")
	b.client.shows(old)
	g.Expect(b.behind()).To(BeEmpty())
	deleted, err := b.prune()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(deleted).To(HaveLen(1))
	g.Expect(b.behind()).NotTo(BeEmpty())
	b.client.shows()
	g.Expect(b.behind()).To(BeEmpty())
}

// A conflict means that the object changed since it was listed: it was not deleted, and there is nothing to wait for.
func TestAConflictIsNoDeletion(t *testing.T) {
	g, b := NewWithT(t), newBench(t)
	old := b.apply("1")
	b.client.shows(old)
	g.Expect(b.behind()).To(BeEmpty())
	changed := b.live()
	changed.Labels = map[string]string{"somebody": "else"}
	g.Expect(b.client.Client.Update(t.Context(), changed)).To(Succeed())
	deleted, err := b.prune()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(deleted).To(BeEmpty())
	g.Expect(b.live().Labels).To(HaveKey("somebody"))
	g.Expect(b.behind()).To(BeEmpty())
}

func TestTheBarrierGivesUpAndSaysSo(t *testing.T) {
	g, b := NewWithT(t), newBench(t)
	b.apply("1")
	b.clock = b.clock.Add(29 * time.Second)
	g.Expect(b.behind()).NotTo(BeEmpty())
	b.clock = b.clock.Add(time.Second)
	behind, stale, err := b.applier.Behind(t.Context(), stackUID)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(behind).To(BeEmpty())
	g.Expect(stale).To(Equal([]string{"ConfigMap chat-api"}))
	_, stale, _ = b.applier.Behind(t.Context(), stackUID)
	g.Expect(stale).To(BeEmpty(), "it is told once")
}

func TestWritesOfDeletedStacksAreForgotten(t *testing.T) {
	g, b := NewWithT(t), newBench(t)
	b.apply("1")
	b.clock = b.clock.Add(2 * time.Minute)
	g.Expect(b.applier.Wrote("other", b.live())).To(Succeed())
	g.Expect(b.applier.barrier.writes).To(HaveLen(1))
}

func TestVersionsAreComparedAsNumbers(t *testing.T) {
	g := NewWithT(t)
	g.Expect(reached("1000", "999")).To(BeTrue())
	g.Expect(reached("999", "1000")).To(BeFalse())
	g.Expect(reached("x", "x")).To(BeTrue(), "a server with other versions")
	g.Expect(reached("y", "x")).To(BeFalse())
}
