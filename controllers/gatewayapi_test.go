package controllers

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// cluster plays the API server of a gatewayAPI.
type cluster struct {
	served          []string
	down            error
	asked, watching int
	synced          bool
	now             time.Time
}

func (c *cluster) api() *gatewayAPI {
	g := newGatewayAPI()
	c.now = time.Unix(1_000_000, 0)
	g.now = func() time.Time { return c.now }
	g.served = func(context.Context) ([]string, error) { c.asked++; return c.served, c.down }
	g.watch = func() (func() bool, error) { c.watching++; return func() bool { return c.synced }, nil }
	g.unwatch = func() { c.watching-- }
	return g
}

func TestTheGatewayAPIIsFollowedWhenItIsInstalledLater(t *testing.T) {
	g := NewWithT(t)
	c := &cluster{}
	api := c.api()
	both := []string{"HTTPRoute", "BackendTLSPolicy"}
	state := func(wanted bool) routing {
		s, err := api.state(t.Context(), wanted)
		g.Expect(err).NotTo(HaveOccurred())
		return s
	}
	g.Expect(state(false)).To(Equal(routing{missing: both}), "asked once for routes of an earlier process")
	g.Expect(state(true)).To(Equal(routing{missing: both}))
	g.Expect(c.asked).To(Equal(1))

	c.served = []string{"HTTPRoute", "GRPCRoute"}
	c.now = c.now.Add(gatewayAPIInterval)
	g.Expect(state(false)).To(Equal(routing{missing: both}), "a stack without a route asks no more")
	g.Expect(state(true)).To(Equal(routing{missing: []string{"BackendTLSPolicy"}}))
	g.Expect(c.asked).To(Equal(2))
	g.Expect(c.watching).To(BeZero())

	c.served = slices.Concat(both, []string{"Gateway"})
	c.now = c.now.Add(gatewayAPIInterval)
	g.Expect(state(true)).To(Equal(routing{missing: []string{}, recheck: routesDelay}), "the first list is under way")
	c.synced = true
	g.Expect(state(true)).To(Equal(routing{missing: []string{}, ready: true}))
	g.Expect(state(false).ready).To(BeTrue(), "what has no entry is pruned")

	c.served = nil
	c.now = c.now.Add(gatewayAPIInterval)
	g.Expect(state(false)).To(Equal(routing{missing: both}), "uninstalled: noticed without a stack that wants a route")
	g.Expect(c.watching).To(BeZero())
	c.served = both
	c.now = c.now.Add(gatewayAPIInterval)
	g.Expect(state(true).ready).To(BeTrue(), "installed again")
	g.Expect(c.watching).To(Equal(1))
}

// What an earlier process left must be closed although no event comes once the cache holds it.
func TestAStackIsLookedAtAgainUntilTheCacheHoldsRoutes(t *testing.T) {
	g := NewWithT(t)
	c := &cluster{served: []string{"HTTPRoute", "BackendTLSPolicy"}, down: errors.New("down")}
	api := c.api()
	after := func(wanted bool) time.Duration {
		s := &scope{wantsRoute: wanted}
		s.routing, _ = api.state(t.Context(), wanted)
		return s.routeRecheck(api.every)
	}
	g.Expect(after(false)).To(BeZero(), "the error is tried again by itself")
	c.down = nil
	g.Expect(after(false)).To(Equal(routesDelay))
	g.Expect(after(true)).To(Equal(routesDelay))
	c.now = c.now.Add(gatewayAPIInterval)
	g.Expect(after(false)).To(Equal(gatewayAPIInterval), "a list that fails for so long may fail for ever")
	c.synced = true
	g.Expect(after(false)).To(BeZero())
	g.Expect(after(true)).To(BeZero())
	g.Expect((&scope{wantsRoute: true, routing: routing{ready: true}, routeLacks: true}).routeRecheck(api.every)).
		To(Equal(gatewayAPIInterval), "the API may be about to go: no event comes then")

	c.served = nil
	c.now = c.now.Add(gatewayAPIInterval)
	g.Expect(after(true)).To(Equal(gatewayAPIInterval))
	g.Expect(after(false)).To(BeZero())
}

func TestAClusterThatDoesNotAnswerChangesNothing(t *testing.T) {
	g := NewWithT(t)
	c := &cluster{down: errors.New("down"), served: []string{"HTTPRoute", "BackendTLSPolicy"}, synced: true}
	api := c.api()
	_, err := api.state(t.Context(), false)
	g.Expect(err).To(MatchError(ContainSubstring("looking for the Gateway API: down")))
	c.down = nil
	g.Expect(api.state(t.Context(), false)).To(Equal(routing{missing: []string{}, ready: true}))
	c.down = errors.New("down again")
	c.now = c.now.Add(gatewayAPIInterval)
	g.Expect(api.state(t.Context(), true)).To(Equal(routing{missing: []string{}, ready: true}))
	g.Expect(c.asked).To(Equal(3))
}

// Eight workers reconcile at a time.
func TestManyStacksAskOnce(t *testing.T) {
	g := NewWithT(t)
	c := &cluster{served: []string{"HTTPRoute", "BackendTLSPolicy"}, synced: true}
	api := c.api()
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() { _, _ = api.state(context.Background(), true) })
	}
	all.Wait()
	g.Expect(c.asked).To(Equal(1))
	g.Expect(c.watching).To(Equal(1))
}

func TestTheCacheKnowsRoutesWithoutTheCluster(t *testing.T) {
	g := NewWithT(t)
	mapper := routeMapper{apimeta.NewDefaultRESTMapper(nil)}
	for kind, plural := range map[string]string{"HTTPRoute": "httproutes", "BackendTLSPolicy": "backendtlspolicies"} {
		mapping, err := mapper.RESTMapping(schema.GroupKind{Group: "gateway.networking.k8s.io", Kind: kind}, "v1")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(mapping.Resource.Resource).To(Equal(plural))
		g.Expect(mapping.Scope.Name()).To(Equal(apimeta.RESTScopeNameNamespace))
	}
	for _, kind := range []schema.GroupKind{{Group: "gateway.networking.k8s.io", Kind: "Gateway"}, {Group: "example.com", Kind: "HTTPRoute"}} {
		_, err := mapper.RESTMapping(kind, "v1")
		g.Expect(apimeta.IsNoMatchError(err)).To(BeTrue())
	}
}
