package apply

import (
	"context"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Kept is what is left of a desired object after Apply: which object it was, and the digest of the intent. With it a caller can tell
// whether an object is still as desired without making the desired object again.
type Kept struct {
	gvk    schema.GroupVersionKind
	key    key
	intent digest
	// anyReplicas is true when others scale the object.
	anyReplicas bool
}

// Unchanged returns the objects of the cache that were kept, in their order, and reports whether all of them are as they were after they
// were applied. An object with another resource version than it had then is compared by its content, as Apply does. Nothing is written. The
// objects are the cache's own and must not be changed. When one differs, or cannot be read, the caller must make and apply the desired
// objects: Apply repairs it, or returns the error, and no other object waits for it.
func (a *Applier) Unchanged(ctx context.Context, kept []Kept) ([]client.Object, bool) {
	objects := make([]client.Object, 0, len(kept))
	for i := range kept {
		k := &kept[i]
		current, err := a.cached(ctx, k.gvk, k.key.name)
		if err != nil || current == nil || !a.seen(k.key, k.intent, current, k.anyReplicas) {
			return nil, false
		}
		objects = append(objects, current)
	}
	return objects, true
}

// seen reports whether an object of the cache is as it was after its intent was applied: by its resource version, or else by its content.
func (a *Applier) seen(k key, intent digest, current client.Object, anyReplicas bool) bool {
	if a.memory.unchanged(k, intent, current.GetResourceVersion()) {
		return true
	}
	if !a.memory.intended(k, intent) {
		return false
	}
	print, err := cachedPrint(current, anyReplicas)
	return err == nil && a.memory.same(k, intent, print, current.GetResourceVersion())
}
