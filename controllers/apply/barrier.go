package apply

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

const (
	// liveCheck is how long the cache may lack a created object before the API server is asked whether the object was deleted meanwhile.
	liveCheck = time.Second
	// giveUp is how long the barrier waits for the cache. A watch that lags longer must not stop repairs.
	giveUp = 30 * time.Second
)

// barrier records the writes that the cache has not shown yet, by the UID of the stack that they were made for.
type barrier struct {
	mutex  sync.Mutex
	writes map[types.UID]map[key]written
	now    func() time.Time
}

// written is the last write to one object.
type written struct {
	gvk     schema.GroupVersionKind
	uid     types.UID
	version string
	deleted bool
	at      time.Time
}

func newBarrier() *barrier {
	return &barrier{writes: map[types.UID]map[key]written{}, now: time.Now}
}

func (b *barrier) record(stack types.UID, k key, w written) {
	if stack == "" {
		return
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	w.at = b.now()
	if b.writes[stack] == nil {
		b.sweep(w.at)
		b.writes[stack] = map[key]written{}
	}
	b.writes[stack][k] = w
}

// sweep removes writes that nobody asks for any more, because their stack was deleted. The caller holds the mutex.
func (b *barrier) sweep(now time.Time) {
	for stack, writes := range b.writes {
		maps.DeleteFunc(writes, func(_ key, w written) bool { return now.Sub(w.at) > 2*giveUp })
		if len(writes) == 0 {
			delete(b.writes, stack)
		}
	}
}

func (b *barrier) pending(stack types.UID) map[key]written {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return maps.Clone(b.writes[stack])
}

// seen removes a write, unless another one to the same object followed.
func (b *barrier) seen(stack types.UID, k key, w written) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.writes[stack][k] == w {
		delete(b.writes[stack], k)
	}
	if len(b.writes[stack]) == 0 {
		delete(b.writes, stack)
	}
}

// wrote records a write to the live object of an intent. Each write is recorded at once, because a later one of the same Apply may fail.
func (a *Applier) wrote(intent metav1.Object, gvk schema.GroupVersionKind, live client.Object) {
	if owner := metav1.GetControllerOf(intent); owner != nil {
		a.barrier.record(owner.UID, keyFor(gvk, live), written{gvk: gvk, uid: live.GetUID(), version: live.GetResourceVersion()})
	}
}

// Wrote records a write that did not pass through Apply, such as one to the status of the stack itself.
func (a *Applier) Wrote(stack types.UID, object client.Object) error {
	gvk, err := apiutil.GVKForObject(object, a.client.Scheme())
	if err != nil {
		return fmt.Errorf("looking up the kind of %T: %w", object, err)
	}
	a.barrier.record(stack, keyFor(gvk, object), written{gvk: gvk, uid: object.GetUID(), version: object.GetResourceVersion()})
	return nil
}

// Behind returns the objects of a stack that this process wrote and that the cache does not show as written yet, as kind and name. Nothing
// should be decided for the stack until there are none: the cache would show it what it has already changed. Writes that the cache does not
// show for 30 s are given up and returned as stale, once.
func (a *Applier) Behind(ctx context.Context, stack types.UID) (behind, stale []string, err error) {
	for k, w := range a.barrier.pending(stack) {
		shown, err := a.shows(ctx, k, w)
		if err != nil {
			return nil, nil, fmt.Errorf("reading %s %s from the cache: %w", k.kind, k.name, err)
		}
		text := k.kind + " " + k.name.Name
		switch {
		case shown:
			a.barrier.seen(stack, k, w)
		case a.barrier.now().Sub(w.at) >= giveUp:
			a.barrier.seen(stack, k, w)
			stale = append(stale, text)
		default:
			behind = append(behind, text)
		}
	}
	slices.Sort(behind)
	slices.Sort(stale)
	return behind, stale, nil
}

// shows reports whether the cache shows an object as it was written, or newer, or shows that it was deleted.
func (a *Applier) shows(ctx context.Context, k key, w written) (bool, error) {
	object, err := a.client.Scheme().New(w.gvk)
	if err != nil {
		return false, err
	}
	current := object.(client.Object)
	err = a.client.Get(ctx, k.name, current)
	switch {
	case apierrors.IsNotFound(err) && w.deleted:
		return true, nil
	case apierrors.IsNotFound(err):
		return a.gone(ctx, k, w)
	case err != nil:
		return false, err
	case w.deleted:
		return current.GetUID() != w.uid || current.GetDeletionTimestamp() != nil, nil
	default:
		return reached(current.GetResourceVersion(), w.version), nil
	}
}

// gone reports whether an object that the cache lacks was deleted. The cache may not have shown it yet, so the API server is asked, but
// only when the cache had its time.
func (a *Applier) gone(ctx context.Context, k key, w written) (bool, error) {
	if a.barrier.now().Sub(w.at) < liveCheck {
		return false, nil
	}
	live := &metav1.PartialObjectMetadata{}
	live.SetGroupVersionKind(w.gvk)
	err := a.live.Get(ctx, k.name, live)
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	return false, err
}

// reached reports whether a resource version is at least another one. Versions of one resource are comparable numbers; a server that does
// not follow this is compared by equality.
func reached(have, wanted string) bool {
	order, err := resourceversion.CompareResourceVersion(have, wanted)
	if err != nil {
		return have == wanted
	}
	return order >= 0
}
