package prober

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// requeuer requeues stacks in a controller and never blocks the caller. Requests from before the controller starts are kept.
type requeuer struct {
	mutex sync.Mutex
	queue workqueue.TypedRateLimitingInterface[reconcile.Request]
	early map[types.NamespacedName]bool
}

var _ source.Source = (*requeuer)(nil)

func newRequeuer() *requeuer { return &requeuer{early: map[types.NamespacedName]bool{}} }

// Start implements source.Source.
func (b *requeuer) Start(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.queue = queue
	for key := range b.early {
		queue.Add(reconcile.Request{NamespacedName: key})
	}
	b.early = nil
	return nil
}

func (b *requeuer) requeue(key types.NamespacedName, after time.Duration) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.queue == nil {
		b.early[key] = true
		return
	}
	b.queue.AddAfter(reconcile.Request{NamespacedName: key}, after)
}
