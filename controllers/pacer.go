package controllers

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/outcome"
)

// messageInterval is the shortest time between two writes of a stack's status of which only messages differ.
const messageInterval = 30 * time.Second

// pacer bounds how often terminal faults are retried and messages are written, for each stack.
type pacer struct {
	now             func() time.Time
	retry           func(failed int) time.Duration
	messageInterval time.Duration

	mutex   sync.Mutex
	byStack map[types.NamespacedName]pace
	queue   workqueue.TypedRateLimitingInterface[reconcile.Request]
}

// pace of one stack.
type pace struct {
	owner      types.UID
	generation int64
	// failed is how often in a row this generation met a terminal fault, and due is when it is tried again.
	failed int
	due    time.Time
	// written is when the status was last written.
	written time.Time
}

var _ source.Source = (*pacer)(nil)

func newPacer() *pacer {
	retry := func(failed int) time.Duration {
		return outcome.TerminalRetry(failed, rand.Float64)
	}
	return &pacer{now: time.Now, retry: retry, messageInterval: messageInterval, byStack: map[types.NamespacedName]pace{}}
}

// Start implements source.Source.
func (p *pacer) Start(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.queue = queue
	return nil
}

// wake requeues a stack after a time, in addition to the backoff of an error: controller-runtime ignores the RequeueAfter of a result with
// an error, and the backoff grows beyond what else is due.
func (p *pacer) wake(stack types.NamespacedName, after time.Duration) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.queue != nil && after > 0 {
		p.queue.AddAfter(reconcile.Request{NamespacedName: stack}, after)
	}
}

// terminal returns the time until the stack's terminal faults are tried again; 0 when it has none. A reconcile before that time, because of
// an event, does not count as another failure.
func (p *pacer) terminal(stack *v1alpha1.OpenIMStack, failing bool) time.Duration {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	key, now := client.ObjectKeyFromObject(stack), p.now()
	known := p.of(stack)
	switch {
	case !failing:
		known.failed, known.due = 0, time.Time{}
	case known.generation != stack.Generation:
		known.failed, known.due = 1, now.Add(p.retry(1))
	case !now.Before(known.due):
		known.failed++
		known.due = now.Add(p.retry(known.failed))
	}
	known.generation = stack.Generation
	p.byStack[key] = known
	if !failing {
		return 0
	}
	return known.due.Sub(now)
}

// messagesDue returns the time until messages may be written again; 0 when they may be written now.
func (p *pacer) messagesDue(stack *v1alpha1.OpenIMStack) time.Duration {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return max(p.of(stack).written.Add(p.messageInterval).Sub(p.now()), 0)
}

// wrote notes that the status was written.
func (p *pacer) wrote(stack *v1alpha1.OpenIMStack) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	known := p.of(stack)
	known.written = p.now()
	p.byStack[client.ObjectKeyFromObject(stack)] = known
}

// of returns an empty pace for a stack that was deleted and created again. The caller holds the mutex.
func (p *pacer) of(stack *v1alpha1.OpenIMStack) pace {
	if known := p.byStack[client.ObjectKeyFromObject(stack)]; known.owner == stack.UID {
		return known
	}
	return pace{owner: stack.UID}
}

func (p *pacer) forget(stack types.NamespacedName) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	delete(p.byStack, stack)
}

// earliest returns the shortest of the times that are not 0; 0 when there is none.
func earliest(waits ...time.Duration) time.Duration {
	var first time.Duration
	for _, wait := range waits {
		if wait > 0 && (first == 0 || wait < first) {
			first = wait
		}
	}
	return first
}
