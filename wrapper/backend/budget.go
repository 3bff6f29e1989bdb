package backend

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/openimstack/openim-operator/wrapper/routes"
)

// budget keeps the calls in flight of each class below its limit. A call beyond it is refused at once: a queue would
// only move the waiting to where nobody sees it.
type budget struct {
	places   map[string]chan struct{}
	inFlight *prometheus.GaugeVec
}

func newBudget(reg prometheus.Registerer, limits []routes.Limit) *budget {
	b := &budget{places: map[string]chan struct{}{}, inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "openim_wrapper_openim_calls_in_flight", Help: "Calls to OpenIM being waited for, by class.",
	}, []string{"class"})}
	reg.MustRegister(b.inFlight)
	for _, l := range limits {
		b.places[l.Name] = make(chan struct{}, l.InFlight)
		b.inFlight.WithLabelValues(l.Name).Set(0)
	}
	return b
}

// take gives a place and the function that gives it back.
func (b *budget) take(l routes.Limit) (release func(), ok bool) {
	places := b.places[l.Name]
	select {
	case places <- struct{}{}:
		b.inFlight.WithLabelValues(l.Name).Inc()
		return func() { <-places; b.inFlight.WithLabelValues(l.Name).Dec() }, true
	default:
		return nil, false
	}
}
