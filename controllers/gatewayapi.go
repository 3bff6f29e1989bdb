package controllers

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/discovery"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// Routes of the Gateway API, where the cluster serves them.
//
// +kubebuilder:rbac:groups=gateway.networking.k8s.io,resources=httproutes;backendtlspolicies,verbs=get;list;watch;create;update;patch;delete

const (
	// gatewayAPIInterval is how often the cluster is asked for the Gateway API while a stack has a route.
	gatewayAPIInterval = time.Minute
	// gatewayAPITimeout bounds a question.
	gatewayAPITimeout = 5 * time.Second
	// routesDelay is the time after which a stack is looked at again while the first list of routes is under way. A list that has failed for
	// gatewayAPIInterval may fail for ever, and is looked at so often.
	routesDelay = time.Second
)

// gatewayAPI follows whether the cluster serves the kinds of routes, and watches them from then on. The Gateway API may be installed after
// the operator's start. It is safe for concurrent use.
type gatewayAPI struct {
	// served returns the kinds of gateway.networking.k8s.io/v1 that the cluster serves. nil: it is not asked, as in tests without a server.
	served func(context.Context) ([]string, error)
	// watch starts the watches. unwatch ends them: without the kinds they would be tried and logged for ever.
	watch   func() (synced func() bool, err error)
	unwatch func()
	now     func() time.Time
	every   time.Duration // gatewayAPIInterval

	asking  sync.Mutex // held by whoever asks
	mutex   sync.Mutex
	askedAt time.Time
	missing []string
	// watchedAt is when the watches started.
	watchedAt time.Time
	// synced reports whether the first lists have come, nil while nothing is watched.
	synced func() bool
}

// routing is what is known of the Gateway API.
type routing struct {
	// missing are the kinds of routes that the cluster does not serve.
	missing []string
	// ready is true when the kinds are served and the cache holds their objects: they may be read, written and pruned.
	ready bool
	// recheck is the time after which a stack must be looked at again because the first lists are under way, 0 when they are not.
	recheck time.Duration
}

func newGatewayAPI() *gatewayAPI { return &gatewayAPI{now: time.Now, every: gatewayAPIInterval} }

// state returns what is known. The cluster is asked when that is too old, or when it was never asked: an earlier process may have left
// routes.
func (g *gatewayAPI) state(ctx context.Context, wanted bool) (routing, error) {
	if g.served == nil {
		return routing{missing: kindNames(routeKinds())}, nil
	}
	err := g.refresh(ctx, wanted)
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if g.askedAt.IsZero() {
		return routing{}, err
	}
	known := routing{missing: g.missing}
	switch {
	case len(g.missing) > 0:
	case g.synced():
		known.ready = true
	case g.now().Sub(g.watchedAt) < g.every:
		known.recheck = routesDelay
	default:
		known.recheck = g.every
	}
	return known, nil
}

// due reports whether the cluster must be asked: for a stack that wants a route, and as long as routes are watched.
func (g *gatewayAPI) due(wanted bool) bool {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	return g.askedAt.IsZero() || (wanted || g.synced != nil) && g.now().Sub(g.askedAt) >= g.every
}

// refresh asks the cluster, unless another stack just did. What is known stays when the cluster does not answer.
func (g *gatewayAPI) refresh(ctx context.Context, wanted bool) error {
	if !g.due(wanted) {
		return nil
	}
	g.asking.Lock()
	defer g.asking.Unlock()
	if !g.due(wanted) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, gatewayAPITimeout)
	defer cancel()
	served, err := g.served(ctx)
	if err != nil {
		return fmt.Errorf("looking for the Gateway API: %w", err)
	}
	missing := slices.DeleteFunc(kindNames(routeKinds()), func(kind string) bool { return slices.Contains(served, kind) })
	g.mutex.Lock()
	defer g.mutex.Unlock()
	switch {
	case len(missing) > 0 && g.synced != nil:
		g.unwatch()
		g.synced = nil
	case len(missing) == 0 && g.synced == nil:
		if g.synced, err = g.watch(); err != nil {
			return fmt.Errorf("watching routes of the Gateway API: %w", err)
		}
		g.watchedAt = g.now()
	}
	g.missing, g.askedAt = missing, g.now()
	return nil
}

func kindNames(objects []client.Object) []string {
	var names []string
	for _, object := range objects {
		names = append(names, kindOf(object))
	}
	return names
}

// setupGatewayAPI lets the controller find and watch the Gateway API.
func (r *Reconciler) setupGatewayAPI(mgr ctrl.Manager, c controller.Controller) error {
	asked, err := discovery.NewDiscoveryClientForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return fmt.Errorf("setting up the discovery of the Gateway API: %w", err)
	}
	r.gatewayAPI.served = func(ctx context.Context) ([]string, error) { return servedRoutes(ctx, asked) }
	r.gatewayAPI.watch = func() (func() bool, error) { return watchRoutes(mgr, c) }
	r.gatewayAPI.unwatch = func() {
		for _, kind := range routeKinds() {
			_ = mgr.GetCache().RemoveInformer(context.Background(), kind) // fails for a kind that the scheme lacks
		}
	}
	return nil
}

// servedRoutes returns the kinds of the Gateway API that the cluster serves in the version that the operator writes.
func servedRoutes(ctx context.Context, from discovery.ServerResourcesInterfaceWithContext) ([]string, error) {
	list, err := from.ServerResourcesForGroupVersionWithContext(ctx, gatewayv1.GroupVersion.String())
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var kinds []string
	for i := range list.APIResources {
		kinds = append(kinds, list.APIResources[i].Kind)
	}
	return kinds, nil
}

// watchRoutes requeues the stacks that own routes. A stack whose route an earlier process left is requeued by the first list.
func watchRoutes(mgr ctrl.Manager, c controller.Controller) (func() bool, error) {
	var informers []cache.Informer
	for _, kind := range routeKinds() {
		// The informers outlive the reconciliation that starts them.
		informer, err := mgr.GetCache().GetInformer(context.Background(), kind, cache.BlockUntilSynced(false))
		if err != nil {
			return nil, err
		}
		owner := handler.EnqueueRequestForOwner(mgr.GetScheme(), mgr.GetRESTMapper(), &v1alpha1.OpenIMStack{}, handler.OnlyControllerOwner())
		if err := c.Watch(source.Kind(mgr.GetCache(), kind, owner, predicate.ResourceVersionChangedPredicate{})); err != nil {
			return nil, err
		}
		informers = append(informers, informer)
	}
	return func() bool {
		return !slices.ContainsFunc(informers, func(i cache.Informer) bool { return !i.HasSynced() })
	}, nil
}

// findGatewayAPI finds whether routes can be made. Nothing else of a stack waits for that.
func (r *Reconciler) findGatewayAPI(ctx context.Context, s *scope) error {
	var err error
	s.wantsRoute = slices.ContainsFunc(exposed(s.stack), func(e v1alpha1.Exposure) bool { return e.HTTPRoute != nil })
	s.routing, err = r.gatewayAPI.state(ctx, s.wantsRoute)
	return err
}

// routeRecheck returns the time after which the stack must be looked at again because its route could not be made, or because it is not
// known yet whether an earlier process left a route that must go. 0 when all is as the spec says.
func (s *scope) routeRecheck(every time.Duration) time.Duration {
	if s.wantsRoute && (len(s.routing.missing) > 0 || s.routeLacks) {
		return every
	}
	return s.routing.recheck
}
