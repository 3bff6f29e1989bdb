package prober

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// maxConcurrent is how many stacks are handled at once. No reconciliation waits for a pod.
const maxConcurrent = 2

// SetupWithManager watches stacks and, by metadata alone and in a cache of its own, the objects that decide who reaches them. The manager's
// cache holds the operator's own children alone, and must stay that small.
func (p *Prober) SetupWithManager(mgr ctrl.Manager) error {
	watched, err := cluster.New(mgr.GetConfig(), func(o *cluster.Options) {
		o.Scheme, o.HTTPClient, o.Cache = mgr.GetScheme(), mgr.GetHTTPClient(), p.cacheOptions()
	})
	if err != nil {
		return fmt.Errorf("setting up the prober's watches: %w", err)
	}
	p.watched = watched.GetCache()
	groups, err := discovery.NewDiscoveryClientForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return fmt.Errorf("setting up the discovery of third-party kinds: %w", err)
	}
	p.catalog = snapshot.NewAbsentKinds(func(ctx context.Context) ([]string, error) { return groupNames(ctx, groups) })
	if err := mgr.Add(watched); err != nil {
		return fmt.Errorf("adding the prober's watches: %w", err)
	}
	others, err := cache.New(mgr.GetConfig(), p.trafficCacheOptions(mgr))
	if err != nil {
		return fmt.Errorf("setting up the prober's watches of third-party kinds: %w", err)
	}
	watchOthers := func(ctx context.Context) error { return p.watchTrafficKinds(ctx, others, mgr.GetRESTMapper()) }
	if err := mgr.Add(manager.RunnableFunc(watchOthers)); err != nil {
		return fmt.Errorf("adding the prober's watches of third-party kinds: %w", err)
	}
	if err := mgr.Add(manager.RunnableFunc(p.deleteOrphans)); err != nil {
		return fmt.Errorf("adding the deletion of leftover probe pods: %w", err)
	}
	b := ctrl.NewControllerManagedBy(mgr).Named("boundary").
		WithOptions(controller.Options{MaxConcurrentReconciles: maxConcurrent}).
		For(&v1alpha1.OpenIMStack{}, builder.WithPredicates(predicate.Funcs{UpdateFunc: p.updateMatters})).
		WatchesRawSource(p.ownQueue)
	for _, gvk := range p.kinds(mgr.GetRESTMapper()) {
		b = b.WatchesRawSource(source.Kind(watched.GetCache(), metadataOf(gvk), p.eventHandler()))
	}
	return b.Complete(p)
}

// groupNames returns the names of the API groups that the cluster serves.
func groupNames(ctx context.Context, client discovery.ServerGroupsInterfaceWithContext) ([]string, error) {
	list, err := client.ServerGroupsWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the API groups: %w", err)
	}
	var names []string
	for i := range list.Groups {
		names = append(names, list.Groups[i].Name)
	}
	return names, nil
}

// kinds returns the kinds that decide who reaches a stack. Kinds of the Gateway API are watched when the cluster has them at the operator's
// start, and read at each interval otherwise.
func (p *Prober) kinds(mapper apimeta.RESTMapper) []schema.GroupVersionKind {
	all := []schema.GroupVersionKind{
		networkingv1.SchemeGroupVersion.WithKind("NetworkPolicy"), networkingv1.SchemeGroupVersion.WithKind("Ingress"),
		corev1.SchemeGroupVersion.WithKind("Service"), corev1.SchemeGroupVersion.WithKind("Pod"),
	}
	if len(p.options.WatchNamespaces) == 0 { // a Role in a namespace cannot grant it
		all = append(all, corev1.SchemeGroupVersion.WithKind("Namespace"))
	}
	const gatewayAPI = "gateway.networking.k8s.io"
	for _, kind := range []string{"HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute"} {
		if mapping, err := mapper.RESTMapping(schema.GroupKind{Group: gatewayAPI, Kind: kind}); err == nil {
			all = append(all, mapping.GroupVersionKind)
		}
	}
	return all
}

// cacheOptions keeps names and labels alone. Pods are limited to those that carry a name label of OpenIM, the wrapper or the probe.
func (p *Prober) cacheOptions() cache.Options {
	watched := []string{v1alpha1.NameOpenIM, v1alpha1.NameWrapper, v1alpha1.NameProbe}
	names, err := labels.NewRequirement(v1alpha1.LabelName, selection.In, watched)
	if err != nil {
		panic(err) // constants
	}
	options := cache.Options{
		DefaultTransform: dropUnused,
		ByObject:         map[client.Object]cache.ByObject{&corev1.Pod{}: {Label: labels.NewSelector().Add(*names)}},
	}
	for _, namespace := range p.options.WatchNamespaces {
		if options.DefaultNamespaces == nil {
			options.DefaultNamespaces = map[string]cache.Config{}
		}
		options.DefaultNamespaces[namespace] = cache.Config{}
	}
	return options
}

// dropUnused removes metadata that the prober does not read.
func dropUnused(object any) (any, error) {
	if o, ok := object.(metav1.Object); ok {
		o.SetManagedFields(nil)
		o.SetAnnotations(nil)
		o.SetOwnerReferences(nil)
		o.SetFinalizers(nil)
	}
	return object, nil
}

// updateMatters reports whether an update of a stack concerns the prober. A change of the status that repeats the prober's own results does
// not.
func (p *Prober) updateMatters(e event.UpdateEvent) bool {
	before, after := e.ObjectOld.(*v1alpha1.OpenIMStack), e.ObjectNew.(*v1alpha1.OpenIMStack)
	yes := before.Generation != after.Generation || before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero() ||
		before.Annotations[v1alpha1.AnnotationProbeRequested] != after.Annotations[v1alpha1.AnnotationProbeRequested] ||
		settled(before) != settled(after)
	if yes {
		p.markDirty(client.ObjectKeyFromObject(after), debounce)
	}
	return yes
}

// eventHandler marks the stacks that an object may concern, and requeues them after a burst of changes has passed.
func (p *Prober) eventHandler() handler.TypedEventHandler[*metav1.PartialObjectMetadata, reconcile.Request] {
	type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]
	type object = *metav1.PartialObjectMetadata
	return handler.TypedFuncs[object, reconcile.Request]{
		CreateFunc: func(_ context.Context, e event.TypedCreateEvent[object], _ queue) { p.objectChanged(e.Object) },
		UpdateFunc: func(_ context.Context, e event.TypedUpdateEvent[object], _ queue) {
			if e.ObjectOld.ResourceVersion != e.ObjectNew.ResourceVersion {
				p.objectChanged(e.ObjectNew)
			}
		},
		DeleteFunc: func(_ context.Context, e event.TypedDeleteEvent[object], _ queue) { p.objectChanged(e.Object) },
	}
}

func (p *Prober) objectChanged(o *metav1.PartialObjectMetadata) {
	if o.Labels[v1alpha1.LabelName] == v1alpha1.NameProbe {
		// A pod of a run: check the run alone. Anybody may write these labels; the only effect is one more check.
		key := types.NamespacedName{Namespace: o.Labels[v1alpha1.LabelProbeNamespace], Name: o.Labels[v1alpha1.LabelProbe]}
		if slices.Contains(p.knownStacks(), key) {
			p.ownQueue.requeue(key, 0)
		}
		return
	}
	for _, key := range p.knownStacks() {
		if p.concerns(key, o.Namespace) {
			p.markDirty(key, debounce)
		}
	}
}

// concerns reports whether a change in a namespace concerns a stack: an audit of the stack reads the namespace. A cluster-scoped object
// concerns every stack. An audit that nothing can have changed is not made: with many stacks, each new object of one of them would be
// followed by an audit of all others.
func (p *Prober) concerns(key types.NamespacedName, namespace string) bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	s := p.stacks[key]
	return namespace == "" || namespace == key.Namespace || s != nil && s.intent != nil && slices.Contains(s.intent.namespaces, namespace)
}

func (p *Prober) knownStacks() []types.NamespacedName {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	var keys []types.NamespacedName
	for key := range p.stacks {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b types.NamespacedName) int {
		return slices.Compare([]string{a.Namespace, a.Name}, []string{b.Namespace, b.Name})
	})
	return keys
}

func metadataOf(gvk schema.GroupVersionKind) *metav1.PartialObjectMetadata {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(gvk)
	return object
}
