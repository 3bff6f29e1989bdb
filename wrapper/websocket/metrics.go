package websocket

import "github.com/prometheus/client_golang/prometheus"

// metrics have labels of the table and fixed words only, so that clients cannot create labels. The reasons of a Judge are its fixed words.
type metrics struct {
	sockets        prometheus.Gauge
	refusedConnect *prometheus.CounterVec
	frames         *prometheus.CounterVec
	pushed         *prometheus.CounterVec
	dropped        *prometheus.CounterVec
	bytes          *prometheus.CounterVec
	closed         *prometheus.CounterVec
	decide         prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		sockets: prometheus.NewGauge(prometheus.GaugeOpts{Name: "openim_wrapper_sockets", Help: "Open sockets of users."}),
		refusedConnect: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "openim_wrapper_socket_refusals_total", Help: "Sockets that were not opened, by reason."}, []string{"reason"}),
		frames: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "openim_wrapper_frames_total", Help: "Frames from clients, by request of the table, verdict and reason."}, []string{"request", "verdict", "reason"}),
		pushed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "openim_wrapper_frames_from_openim_total", Help: "Frames from OpenIM, by request of the table."}, []string{"request"}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "openim_wrapper_dropped_from_openim_total",
			Help: "Data from OpenIM that was not passed on, by request of the table and reason."},
			[]string{"request", "reason"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "openim_wrapper_socket_bytes_total", Help: "Payload read from clients and from OpenIM, and written to clients."}, []string{"side"}),
		closed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "openim_wrapper_sockets_closed_total", Help: "Closed sockets, by reason."}, []string{"reason"}),
		decide: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "openim_wrapper_frame_guard_seconds", Help: "Time of checking a client's frame.",
			Buckets: []float64{.00001, .00003, .0001, .0003, .001, .003, .01, .03, .1, .3, 1, 3}}),
	}
	if reg != nil {
		reg.MustRegister(m.sockets, m.refusedConnect, m.frames, m.pushed, m.dropped, m.bytes, m.closed, m.decide)
	}
	return m
}
