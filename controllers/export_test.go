package controllers

import (
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// Hasten shortens the times between retries of terminal faults and between writes of messages. It must be called before the start.
func (r *Reconciler) Hasten(retry, messages time.Duration) {
	r.pacer.retry = func(int) time.Duration { return retry }
	r.pacer.messageInterval = messages
}

// Watching gives the reconciler a cache of the metadata of everything, and a clock.
func (r *Reconciler) Watching(cache client.Reader, now func() time.Time) {
	r.watched, r.pacer.now = watchedMetadata(cache, cache), now
}

// RememberReferences sets for how long what references resolved to may be used again. It must be called before the start.
func (r *Reconciler) RememberReferences(lasting time.Duration) { r.resolutions.lasting = lasting }

// LookForGatewayAPI sets how often the Gateway API is looked for while a stack has a route. It must be called before the start.
func (r *Reconciler) LookForGatewayAPI(every time.Duration) { r.gatewayAPI.every = every }

// ReadReferences sets how often the objects of resourceRefs are read again. It must be called before the start.
func (r *Reconciler) ReadReferences(every time.Duration) { r.referencesEvery = every }

// MadeChildren reports whether policies or workloads of a stack were made since the last call.
func (r *Reconciler) MadeChildren(stack *v1alpha1.OpenIMStack) bool {
	known := r.kept.of(stack)
	now := madeChildren{known.policies, known.workloads}
	before, asked := lastMade[r]
	lastMade[r] = now
	return !asked || now != before || now.policies == nil || now.workloads == nil
}

type madeChildren struct {
	policies  *keptPolicies
	workloads *keptWorkloads
}

// lastMade is what MadeChildren saw last.
var lastMade = map[*Reconciler]madeChildren{}
