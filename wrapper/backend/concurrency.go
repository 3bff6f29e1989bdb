package backend

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/openimstack/openim-operator/wrapper/routes"
)

// concurrency limits how many calls of each class run at once. A call beyond the limit is refused at once. A queue would only hide the
// waiting.
type concurrency struct {
	slots    map[string]chan struct{}
	inFlight *prometheus.GaugeVec
}

func newConcurrency(reg prometheus.Registerer, limits []routes.Limit) *concurrency {
	b := &concurrency{slots: map[string]chan struct{}{}, inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "openim_wrapper_openim_calls_in_flight", Help: "Calls to OpenIM that are running, by class.",
	}, []string{"class"})}
	reg.MustRegister(b.inFlight)
	for _, l := range limits {
		b.slots[l.Name] = make(chan struct{}, l.InFlight)
		b.inFlight.WithLabelValues(l.Name).Set(0)
	}
	return b
}

// acquire acquires a slot and returns the function that releases it. ok is false when no slot is free.
func (b *concurrency) acquire(l routes.Limit) (release func(), ok bool) {
	places := b.slots[l.Name]
	select {
	case places <- struct{}{}:
		b.inFlight.WithLabelValues(l.Name).Inc()
		return func() { <-places; b.inFlight.WithLabelValues(l.Name).Dec() }, true
	default:
		return nil, false
	}
}
