package controllers

import "time"

// Hasten shortens the times between retries of terminal faults and between writes of messages. It must be called before the start.
func (r *Reconciler) Hasten(retry, messages time.Duration) {
	r.pacer.retry = func(int) time.Duration { return retry }
	r.pacer.messageInterval = messages
}
