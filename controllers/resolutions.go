package controllers

import (
	"context"
	"maps"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/openim"
)

// resolvedFor is the time for which facts are used again. A reconciliation reads anew what is older, whatever the watches say.
const resolvedFor = time.Minute

// resolutions remembers the facts of stacks whose references all resolved. A stack that starts is reconciled again and again because its
// children change, and reading its references each time would be half of all requests. No value of a Secret is kept.
type resolutions struct {
	// lasting is resolvedFor.
	lasting time.Duration
	mutex   sync.Mutex
	byStack map[types.NamespacedName]*resolution
}

// resolution is what was resolved, for which spec, and from which objects.
type resolution struct {
	uid        types.UID
	generation int64
	secrets    dependencies.ShareSecrets
	at         time.Time
	facts      openim.Facts
	read       *readVersions
}

func newResolutions() *resolutions {
	return &resolutions{lasting: resolvedFor, byStack: map[types.NamespacedName]*resolution{}}
}

func (x *resolutions) of(key types.NamespacedName) *resolution {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	return x.byStack[key]
}

func (x *resolutions) set(key types.NamespacedName, known *resolution) {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	x.byStack[key] = known
}

func (x *resolutions) forget(key types.NamespacedName) {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	delete(x.byStack, key)
}

// resolveReferences returns the facts of a stack, and from which versions of which objects they were made. They are read anew unless all
// that they were read from is watched, and is as it was.
func (r *Reconciler) resolveReferences(
	ctx context.Context, stack *v1alpha1.OpenIMStack, secrets dependencies.ShareSecrets,
) (openim.Facts, *readVersions, []dependencies.Problem, error) {
	key, now := client.ObjectKeyFromObject(stack), r.pacer.now()
	known := r.resolutions.of(key)
	if known != nil && known.uid == stack.UID && known.generation == stack.Generation && known.secrets == secrets &&
		now.Sub(known.at) < r.resolutions.lasting && known.read.areCurrent(ctx, r.watched) {
		return known.facts, known.read, nil, nil
	}
	r.resolutions.forget(key)
	read := newReadVersions(r.live)
	facts, problems, err := r.access.ResolveReplacing(ctx, read, stack, secrets)
	if len(problems) == 0 && err == nil && !read.unwatched && len(facts.Copies) == 0 {
		r.resolutions.set(key, &resolution{
			uid: stack.UID, generation: stack.Generation, secrets: secrets, at: now, facts: facts, read: read,
		})
	}
	return facts, read, problems, err
}

var (
	configMapKind     = corev1.SchemeGroupVersion.WithKind("ConfigMap")
	secretKind        = corev1.SchemeGroupVersion.WithKind("Secret")
	serviceKind       = corev1.SchemeGroupVersion.WithKind("Service")
	endpointSliceKind = discoveryv1.SchemeGroupVersion.WithKind("EndpointSlice")
)

// watchedMetadata returns the function that finds the cache of the metadata of all objects of a kind, nil when there is none. The manager's
// client would not do: it reads Secrets from the API server, metadata included, and has no ConfigMap but the operator's own.
func watchedMetadata(own client.Reader, others client.Reader) func(schema.GroupVersionKind) client.Reader {
	return func(gvk schema.GroupVersionKind) client.Reader {
		switch gvk {
		case secretKind, endpointSliceKind:
			return own
		case serviceKind, configMapKind:
			return others
		}
		return nil
	}
}

type watchedObject struct {
	kind schema.GroupVersionKind
	name types.NamespacedName
}

// readVersions is a reader that notes which versions of which objects it returned.
type readVersions struct {
	client.Reader
	objects map[watchedObject]string
	// lists are the EndpointSlices of each Service, by name.
	lists map[types.NamespacedName]map[string]string
	// unwatched is true after a read whose answer can change without a change of the objects above.
	unwatched bool
}

func newReadVersions(reader client.Reader) *readVersions {
	return &readVersions{Reader: reader, objects: map[watchedObject]string{}, lists: map[types.NamespacedName]map[string]string{}}
}

func versionOf(o metav1.Object) string { return string(o.GetUID()) + "/" + o.GetResourceVersion() }

func (v *readVersions) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	err := v.Reader.Get(ctx, key, object, options...)
	var kind schema.GroupVersionKind
	switch object.(type) {
	case *corev1.Secret:
		kind = secretKind
	case *corev1.Service:
		kind = serviceKind
	case *corev1.ConfigMap:
		kind = configMapKind
	}
	if err != nil || kind.Empty() {
		v.unwatched = true
		return err
	}
	this, version := watchedObject{kind, key}, versionOf(object)
	if before, again := v.objects[this]; again && before != version {
		v.unwatched, version = true, "" // it changed meanwhile, and the facts are made of both
	}
	v.objects[this] = version
	return nil
}

func (v *readVersions) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	err := v.Reader.List(ctx, list, options...)
	slices, ok := list.(*discoveryv1.EndpointSliceList)
	if err != nil || !ok {
		v.unwatched = true
		return err
	}
	asked := (&client.ListOptions{}).ApplyOptions(options)
	service, exact := "", false
	if asked.LabelSelector != nil {
		service, exact = asked.LabelSelector.RequiresExactMatch(discoveryv1.LabelServiceName)
	}
	if !exact {
		v.unwatched = true
		return nil
	}
	seen := map[string]string{}
	for i := range slices.Items {
		seen[slices.Items[i].Name] = versionOf(&slices.Items[i])
	}
	name := types.NamespacedName{Namespace: asked.Namespace, Name: service}
	if before, again := v.lists[name]; again && !maps.Equal(before, seen) {
		v.unwatched = true
	}
	v.lists[name] = seen
	return nil
}

// areCurrent reports whether caches of metadata show the versions that were read. It reports false when a cache cannot tell.
func (v *readVersions) areCurrent(ctx context.Context, metadata func(schema.GroupVersionKind) client.Reader) bool {
	for object, version := range v.objects {
		cache, live := metadata(object.kind), metadataOf(object.kind)
		if cache == nil || cache.Get(ctx, object.name, live) != nil || versionOf(live) != version {
			return false
		}
	}
	for service, seen := range v.lists {
		cache := metadata(endpointSliceKind)
		if cache == nil {
			return false
		}
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(endpointSliceKind.GroupVersion().WithKind("EndpointSliceList"))
		ofService := client.MatchingLabels{discoveryv1.LabelServiceName: service.Name}
		if cache.List(ctx, list, client.InNamespace(service.Namespace), ofService) != nil {
			return false
		}
		live := map[string]string{}
		for i := range list.Items {
			live[list.Items[i].Name] = versionOf(&list.Items[i])
		}
		if !maps.Equal(live, seen) {
			return false
		}
	}
	return true
}
