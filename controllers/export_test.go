package controllers

import (
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
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
