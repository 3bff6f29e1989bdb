package controllers

import (
	"context"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// NewCache returns a cache that can hold routes of the Gateway API although the cluster may not serve them yet: the usual one refuses
// options for a kind that is not served. Nothing is listed before somebody reads or watches the kind.
func NewCache(config *rest.Config, options cache.Options) (cache.Cache, error) {
	options.Mapper = routeMapper{options.Mapper}
	all, err := cache.New(config, options)
	if err != nil {
		return nil, err
	}
	return newRouteCache(all), nil
}

// routeCache reads routes of the Gateway API only while somebody watches them. The usual cache starts a watch for whoever reads, and lets
// the reader wait for the first list: after the kinds were removed that list never comes, and the watch would be tried and logged for ever.
// Reconciliations that began before the removal still read. A kind that is not watched has no objects for them.
type routeCache struct {
	cache.Cache
	timeout time.Duration // gatewayAPITimeout

	// reading is held by readers while they read, so that no kind is closed meanwhile.
	reading sync.RWMutex
	open    map[string]bool // by kind
}

func newRouteCache(all cache.Cache) *routeCache {
	return &routeCache{Cache: all, timeout: gatewayAPITimeout, open: map[string]bool{}}
}

// Get reads an object.
func (c *routeCache) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	if !isRoute(object) {
		return c.Cache.Get(ctx, key, object, options...)
	}
	c.reading.RLock()
	defer c.reading.RUnlock()
	if kind := kindOf(object); !c.open[kind] {
		return apierrors.NewNotFound(schema.GroupResource{Group: gatewayv1.GroupName, Resource: kind}, key.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return c.Cache.Get(ctx, key, object, options...)
}

// List lists objects.
func (c *routeCache) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	var kind string
	switch l := list.(type) {
	case *gatewayv1.HTTPRouteList:
		kind, l.Items = kindOf(&gatewayv1.HTTPRoute{}), nil
	case *gatewayv1.BackendTLSPolicyList:
		kind, l.Items = kindOf(&gatewayv1.BackendTLSPolicy{}), nil
	default:
		return c.Cache.List(ctx, list, options...)
	}
	c.reading.RLock()
	defer c.reading.RUnlock()
	if !c.open[kind] {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return c.Cache.List(ctx, list, options...)
}

// GetInformer opens a kind to readers.
func (c *routeCache) GetInformer(
	ctx context.Context, object client.Object, options ...cache.InformerGetOption,
) (cache.Informer, error) {
	if isRoute(object) {
		c.reading.Lock()
		c.open[kindOf(object)] = true
		c.reading.Unlock()
	}
	return c.Cache.GetInformer(ctx, object, options...)
}

// RemoveInformer closes a kind to readers, once those that read have ended.
func (c *routeCache) RemoveInformer(ctx context.Context, object client.Object) error {
	if isRoute(object) {
		c.reading.Lock()
		defer c.reading.Unlock()
		delete(c.open, kindOf(object))
	}
	return c.Cache.RemoveInformer(ctx, object)
}

// routeMapper knows routes of the Gateway API without asking the cluster.
type routeMapper struct{ apimeta.RESTMapper }

// RESTMapping returns the mapping of a kind.
func (m routeMapper) RESTMapping(kind schema.GroupKind, versions ...string) (*apimeta.RESTMapping, error) {
	if kind.Group != gatewayv1.GroupName || !slices.Contains(kindNames(routeKinds()), kind.Kind) {
		return m.RESTMapper.RESTMapping(kind, versions...)
	}
	gvk := kind.WithVersion(gatewayv1.GroupVersion.Version)
	plural, _ := apimeta.UnsafeGuessKindToResource(gvk) // httproutes, backendtlspolicies
	return &apimeta.RESTMapping{Resource: plural, GroupVersionKind: gvk, Scope: apimeta.RESTScopeNamespace}, nil
}
