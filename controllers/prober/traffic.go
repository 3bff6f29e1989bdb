package prober

import (
	"context"
	"fmt"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// Third-party kinds that route traffic to Services are watched by metadata alone, like the other kinds, but in a cache that nothing waits
// for: a kind that the cluster lacks, that the operator may not read, or whose conversion fails must not stop the operator. A kind that is
// not watched is still read at each interval.

// discoveryInterval is how often the cluster is searched for kinds that were installed meanwhile.
const discoveryInterval = 5 * time.Minute

func (p *Prober) trafficCacheOptions(mgr ctrl.Manager) cache.Options {
	options := p.cacheOptions()
	options.ByObject = nil
	options.Scheme, options.Mapper, options.HTTPClient = mgr.GetScheme(), mgr.GetRESTMapper(), mgr.GetHTTPClient()
	return options
}

// watchTrafficKinds watches the installed third-party kinds until the context ends.
func (p *Prober) watchTrafficKinds(ctx context.Context, c cache.Cache, mapper apimeta.RESTMapper) error {
	ended := make(chan error, 1)
	go func() { ended <- c.Start(ctx) }()
	ticker := time.NewTicker(discoveryInterval)
	defer ticker.Stop()
	watched := map[schema.GroupKind]bool{}
	for {
		p.watchInstalled(ctx, c, mapper, watched)
		select {
		case err := <-ended:
			if err != nil {
				return fmt.Errorf("watching third-party kinds: %w", err)
			}
			return nil
		case <-ticker.C:
		}
	}
}

func (p *Prober) watchInstalled(ctx context.Context, c cache.Cache, mapper apimeta.RESTMapper, watched map[schema.GroupKind]bool) {
	for _, kind := range snapshot.TrafficKinds() {
		if watched[kind] || ctx.Err() != nil || p.catalog.IsAbsent(ctx, kind) {
			continue
		}
		mapping, err := mapper.RESTMapping(kind)
		if err != nil {
			continue // absent, or its API does not answer: retried at the next tick
		}
		if mapping.Scope.Name() == apimeta.RESTScopeNameRoot && len(p.options.WatchNamespaces) > 0 {
			continue // a Role in a namespace cannot grant it
		}
		if err := p.watchKind(ctx, c, mapping.GroupVersionKind); err != nil {
			log.FromContext(ctx).V(1).Info("kind is not watched", "kind", kind.String(), "reason", err.Error())
			continue
		}
		watched[kind] = true
	}
}

// watchKind starts a watch and does not wait for its first list.
func (p *Prober) watchKind(ctx context.Context, c cache.Cache, gvk schema.GroupVersionKind) error {
	informer, err := c.GetInformer(ctx, metadataOf(gvk), cache.BlockUntilSynced(false))
	if err != nil {
		return err
	}
	changed := func(object any) {
		if tombstone, is := object.(toolscache.DeletedFinalStateUnknown); is {
			object = tombstone.Obj
		}
		if o, ok := object.(*metav1.PartialObjectMetadata); ok {
			p.objectChanged(o)
		}
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc: changed, DeleteFunc: changed,
		UpdateFunc: func(before, after any) {
			was, ok := before.(*metav1.PartialObjectMetadata)
			is, too := after.(*metav1.PartialObjectMetadata)
			if ok && too && was.ResourceVersion != is.ResourceVersion {
				changed(after)
			}
		},
	})
	return err
}
