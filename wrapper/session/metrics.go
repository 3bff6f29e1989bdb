package session

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	checks  *prometheus.CounterVec
	created prometheus.Counter
	// excluded counts the sessions that the multi-login policy excluded.
	excluded *prometheus.CounterVec
	// implausible counts revocations in Redis that no wrapper can have written.
	implausible prometheus.Counter
	channel     prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer, s *Store) *metrics {
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	size := func(pick func(revocations, sessions, sockets int) int) func() float64 {
		return func() float64 { return float64(pick(s.table.sizes())) }
	}
	m := &metrics{
		checks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "openim_wrapper_session_checks_total",
			Help: "Session tokens checked, by the source of the answer (cache, redis, outage: the cache while Redis is down, nothing) " +
				"and verdict.",
		}, []string{"source", "verdict"}),
		created: prometheus.NewCounter(prometheus.CounterOpts{Name: "openim_wrapper_sessions_created_total", Help: "Sessions begun."}),
		excluded: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "openim_wrapper_sessions_excluded_total",
			Help: "Sessions that the multi-login policy excluded at a login, by result: ended, or reported. A session that is only reported " +
				"counts at each further login of its user.",
		}, []string{"result"}),
		implausible: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "openim_wrapper_revocations_left_out_total",
			Help: "Revocations read from the wrapper's Redis that no wrapper can have written, and that were not applied as they were. " +
				"Check which programs can write there.",
		}),
		channel: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "openim_wrapper_revocation_channel_up", Help: "1 while the channel of revocations is subscribed to.",
		}),
	}
	reg.MustRegister(m.checks, m.created, m.excluded, m.implausible, m.channel,
		gauge("openim_wrapper_revocation_view_age_seconds", "Age of the last check that this replica has missed no revocation; -1: never.",
			func() float64 {
				at := s.asOf.Load()
				if at == 0 {
					return -1
				}
				return float64(s.now().UnixNano()-at) / 1e9
			}),
		gauge("openim_wrapper_revocations", "Revocations in memory.", size(func(revocations, _, _ int) int { return revocations })),
		gauge("openim_wrapper_sessions_in_memory", "Sessions in memory.", size(func(_, sessions, _ int) int { return sessions })),
		gauge("openim_wrapper_session_sockets", "Open sockets that end with their session.",
			size(func(_, _, sockets int) int { return sockets })))
	return m
}

var verdicts = []struct {
	err  error
	name string
}{{ErrMalformed, "malformed"}, {ErrUnknown, "unknown"}, {ErrExpired, "expired"}, {ErrRevoked, "revoked"}, {ErrUnavailable, "unavailable"}}

// verdict counts the result of a check and returns err.
func (m *metrics) verdict(source string, err error) error {
	name := "accepted"
	if err != nil {
		for _, v := range verdicts {
			if errors.Is(err, v.err) {
				name = v.name
				break
			}
		}
	}
	m.checks.WithLabelValues(source, name).Inc()
	return err
}
