package controllers

import (
	"context"
	"slices"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/apply"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/observe"
)

// CacheOptions are for NewCache. They limit the cache to the operator's own children and to pods with the names of stacks' pods,
// reduced by observe.Pod, and to namespaces when some are given. Of Secrets and EndpointSlices only the metadata is watched.
func CacheOptions(namespaces []string) cache.Options {
	options := cache.Options{ByObject: map[client.Object]cache.ByObject{}, DefaultTransform: cache.TransformStripManagedFields()}
	ours := labels.SelectorFromSet(labels.Set{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy})
	for _, kind := range slices.Concat(owned(), routeKinds()) {
		options.ByObject[kind] = cache.ByObject{Label: ours, Transform: apply.Slim}
	}
	options.ByObject[&appsv1.ControllerRevision{}] = cache.ByObject{Label: ours, Transform: slimRevision}
	options.ByObject[&corev1.Secret{}] = cache.ByObject{Transform: slimSecret}
	options.ByObject[&corev1.Pod{}] = cache.ByObject{Label: podNames(), Transform: observe.Pod}
	for _, namespace := range namespaces {
		if options.DefaultNamespaces == nil {
			options.DefaultNamespaces = map[string]cache.Config{}
		}
		options.DefaultNamespaces[namespace] = cache.Config{}
	}
	return options
}

// ClientOptions are those of the manager's client: Secrets are read from the API server, so that no value of one is kept.
func ClientOptions() client.Options {
	return client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}}}
}

// maxCopiedFrom bounds what the cache keeps of AnnotationCopiedFrom. The operator writes less: three names of at most 253 bytes with their
// kinds. Longer ones are not the operator's, and are cut.
const maxCopiedFrom = 2048

// slimSecret removes what nobody reads of a Secret's metadata before it enters the cache. The annotation that kubectl apply leaves repeats
// the data: no value of a Secret is kept, and the Secrets of others may have 256 KiB of annotations each.
func slimSecret(object any) (any, error) {
	if o, ok := object.(metav1.Object); ok {
		o.SetManagedFields(nil)
		var kept map[string]string
		if from := o.GetAnnotations()[v1alpha1.AnnotationCopiedFrom]; from != "" && o.GetLabels()[v1alpha1.LabelReference] != "" {
			kept = map[string]string{v1alpha1.AnnotationCopiedFrom: from[:min(len(from), maxCopiedFrom)]}
		}
		o.SetAnnotations(kept)
		o.SetFinalizers(nil)
	}
	if s, ok := object.(*corev1.Secret); ok {
		s.Data, s.StringData = nil, nil // nobody watches Secrets other than by their metadata
	}
	return object, nil
}

// slimRevision removes the data of a run revision, which is large and read once (runs.go), before it enters the cache.
func slimRevision(object any) (any, error) {
	if r, ok := object.(*appsv1.ControllerRevision); ok {
		r.ManagedFields = nil
		if r.Labels[v1alpha1.LabelRevision] == v1alpha1.RevisionRun {
			r.Data = runtime.RawExtension{}
		}
	}
	return object, nil
}

const (
	// workers is the number of stacks that are reconciled at a time. One stack is never reconciled twice at the same time.
	workers = 8
	// reconciliationTimeout ends a reconciliation whose API server does not answer. It is tried again.
	reconciliationTimeout = time.Minute
)

// SetupWithManager watches stacks, every owned kind, and what stacks refer to. The prober's SetupWithManager must have been called.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	r.watched = watchedMetadata(mgr.GetCache(), r.prober.Watched())
	if err := r.indexStacks(mgr); err != nil {
		return err
	}
	changed := builder.WithPredicates(predicate.ResourceVersionChangedPredicate{})
	secretReaders := func(o client.Object) []types.NamespacedName {
		stacks := r.references.ofSecret(client.ObjectKeyFromObject(o))
		if stack, ok := generatedFor(o); ok && !slices.Contains(stacks, stack) {
			stacks = append(stacks, stack) // status.unusedSecrets lists what no stack reads
		}
		return stacks
	}
	serviceReaders := func(o client.Object) []types.NamespacedName {
		return r.references.ofService(types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetLabels()[discoveryv1.LabelServiceName]})
	}
	b := ctrl.NewControllerManagedBy(mgr).Named("openimstack").For(&v1alpha1.OpenIMStack{}).WithOptions(controller.Options{
		MaxConcurrentReconciles: workers, ReconciliationTimeout: reconciliationTimeout,
	})
	for _, kind := range append(owned(), revisions()...) {
		// No predicate on the generation: most of these kinds have no generation. Resyncs change nothing and are dropped.
		if _, scaler := kind.(*autoscalingv2.HorizontalPodAutoscaler); scaler {
			b = b.Owns(kind, builder.WithPredicates(predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
				return !apply.SameContent(e.ObjectOld, e.ObjectNew) // Kubernetes writes the status every 15 seconds
			}}))
			continue
		}
		b = b.Owns(kind, changed)
	}
	c, err := r.watchGrants(mgr, b, changed).
		Watches(&corev1.Pod{}, podHandler()).
		WatchesRawSource(r.prober.Changes()).
		WatchesRawSource(r.claims).
		WatchesRawSource(r.pacer).
		WatchesMetadata(metadataOf(secretKind), r.referenced(secretReaders), changed).
		WatchesRawSource(source.Kind(r.prober.Watched(), metadataOf(serviceKind), r.referencedElsewhere(r.references.ofService),
			predicate.TypedResourceVersionChangedPredicate[*metav1.PartialObjectMetadata]{})).
		WatchesRawSource(source.Kind(r.prober.Watched(), metadataOf(configMapKind), r.referencedElsewhere(r.references.ofConfigMap),
			predicate.TypedResourceVersionChangedPredicate[*metav1.PartialObjectMetadata]{})).
		WatchesMetadata(metadataOf(endpointSliceKind), r.referenced(serviceReaders), changed).
		Build(r)
	if err != nil {
		return err
	}
	return r.setupGatewayAPI(mgr, c)
}

// generatedFor returns the stack whose labels a Secret has. Anybody who may create Secrets may write these labels; the effect is a
// reconciliation of that stack.
func generatedFor(secret client.Object) (types.NamespacedName, bool) {
	stack := secret.GetLabels()[v1alpha1.LabelInstance]
	ours := labels.SelectorFromSet(manifests.CommonLabels(stack)).Matches(labels.Set(secret.GetLabels()))
	return types.NamespacedName{Namespace: secret.GetNamespace(), Name: stack}, stack != "" && ours
}

func metadataOf(gvk schema.GroupVersionKind) *metav1.PartialObjectMetadata {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(gvk)
	return object
}

// referencedElsewhere handles the objects of the prober's cache, which the manager's cache does not hold: it has no Services but the
// operator's own, and no other ConfigMaps.
func (r *Reconciler) referencedElsewhere(
	stacks func(types.NamespacedName) []types.NamespacedName,
) handler.TypedEventHandler[*metav1.PartialObjectMetadata, reconcile.Request] {
	return handler.TypedEnqueueRequestsFromMapFunc(func(_ context.Context, o *metav1.PartialObjectMetadata) []reconcile.Request {
		return requestsOf(stacks(client.ObjectKeyFromObject(o)))
	})
}

func (r *Reconciler) referenced(stacks func(client.Object) []types.NamespacedName) handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(_ context.Context, o client.Object) []reconcile.Request {
		return requestsOf(stacks(o))
	})
}

func requestsOf(stacks []types.NamespacedName) []reconcile.Request {
	var requests []reconcile.Request
	for _, name := range stacks {
		requests = append(requests, reconcile.Request{NamespacedName: name})
	}
	return requests
}

// references records which Secrets, ConfigMaps and Services each stack has read.
type references struct {
	mutex   sync.Mutex
	byStack map[types.NamespacedName]reads
}

type reads struct {
	// secrets and configMaps of the stack's namespace.
	secrets, configMaps []string
	services            []types.NamespacedName
	// elsewhere are Secrets of other namespaces.
	elsewhere []types.NamespacedName
}

func newReferences() *references { return &references{byStack: map[types.NamespacedName]reads{}} }

func (x *references) set(stack types.NamespacedName, all reads) {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	x.byStack[stack] = all
}

func (x *references) forget(stack types.NamespacedName) {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	delete(x.byStack, stack)
}

func (x *references) ofSecret(secret types.NamespacedName) []types.NamespacedName {
	return x.find(func(stack types.NamespacedName, r reads) bool {
		return stack.Namespace == secret.Namespace && slices.Contains(r.secrets, secret.Name) || slices.Contains(r.elsewhere, secret)
	})
}

func (x *references) ofConfigMap(configMap types.NamespacedName) []types.NamespacedName {
	return x.find(func(stack types.NamespacedName, r reads) bool {
		return stack.Namespace == configMap.Namespace && slices.Contains(r.configMaps, configMap.Name)
	})
}

func (x *references) ofService(service types.NamespacedName) []types.NamespacedName {
	return x.find(func(_ types.NamespacedName, r reads) bool { return slices.Contains(r.services, service) })
}

func (x *references) find(matches func(types.NamespacedName, reads) bool) []types.NamespacedName {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	var found []types.NamespacedName
	for stack, r := range x.byStack {
		if matches(stack, r) {
			found = append(found, stack)
		}
	}
	return found
}
