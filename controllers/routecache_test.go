package controllers

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// lazyCache stands in for the usual cache: whoever reads starts a watch, and waits for its first list.
type lazyCache struct {
	cache.Cache
	informers, reads atomic.Int32 // how many watches there are, and how many reads have begun
	synced           chan struct{}
}

func (c *lazyCache) wait(ctx context.Context) error {
	c.informers.Store(1)
	c.reads.Add(1)
	select {
	case <-c.synced:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *lazyCache) Get(ctx context.Context, _ client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
	return c.wait(ctx)
}

func (c *lazyCache) List(ctx context.Context, list client.ObjectList, _ ...client.ListOption) error {
	if routes, ok := list.(*gatewayv1.HTTPRouteList); ok {
		routes.Items = append(routes.Items, gatewayv1.HTTPRoute{})
	}
	return c.wait(ctx)
}

func (c *lazyCache) GetInformer(context.Context, client.Object, ...cache.InformerGetOption) (cache.Informer, error) {
	c.informers.Store(1)
	return nil, nil
}

func (c *lazyCache) RemoveInformer(context.Context, client.Object) error {
	c.informers.Store(0)
	return nil
}

func TestNobodyWaitsForRoutesOrWatchesThemAgainAfterTheirKindIsGone(t *testing.T) {
	g := NewWithT(t)
	lazy := &lazyCache{synced: make(chan struct{})}
	close(lazy.synced)
	c := newRouteCache(lazy)
	key, route := client.ObjectKey{Namespace: "im", Name: "chat-users"}, &gatewayv1.HTTPRoute{}
	reads := func(found bool) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		list := &gatewayv1.HTTPRouteList{}
		g.Expect(c.List(ctx, list)).To(Succeed())
		if found {
			g.Expect(c.Get(ctx, key, route)).To(Succeed())
			g.Expect(list.Items).To(HaveLen(1))
			return
		}
		g.Expect(apierrors.IsNotFound(c.Get(ctx, key, route))).To(BeTrue())
		g.Expect(list.Items).To(BeEmpty())
		g.Expect(lazy.informers.Load()).To(BeZero())
	}
	reads(false)
	watch := func() { _, _ = c.GetInformer(t.Context(), route) }
	watch()
	reads(true)
	g.Expect(c.RemoveInformer(t.Context(), route)).To(Succeed())
	lazy.synced = make(chan struct{})
	reads(false)

	g.Expect(errors.Is(c.Get(t.Context(), key, &gatewayv1.BackendTLSPolicy{}), context.DeadlineExceeded)).To(BeFalse(), "each kind by itself")
	close(lazy.synced)
	watch()
	reads(true)
	g.Expect(c.Get(t.Context(), key, &corev1.Service{})).To(Succeed(), "other kinds are read as ever")
}

// A reader that is under way when the kind goes ends, and the watch that it started is removed.
func TestAReaderOfRoutesThatIsUnderWayEndsAndLeavesNoWatch(t *testing.T) {
	g := NewWithT(t)
	lazy := &lazyCache{synced: make(chan struct{})}
	c := newRouteCache(lazy)
	c.timeout = 50 * time.Millisecond
	_, _ = c.GetInformer(t.Context(), &gatewayv1.HTTPRoute{})
	ended := make(chan error, 1)
	go func() { ended <- c.Get(context.Background(), client.ObjectKey{}, &gatewayv1.HTTPRoute{}) }()
	g.Eventually(lazy.reads.Load).WithTimeout(time.Minute).Should(BeEquivalentTo(1))
	g.Expect(c.RemoveInformer(t.Context(), &gatewayv1.HTTPRoute{})).To(Succeed())
	g.Eventually(ended).WithTimeout(time.Minute).Should(Receive(MatchError(context.DeadlineExceeded)))
	g.Expect(lazy.informers.Load()).To(BeZero())
}
