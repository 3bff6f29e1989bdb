package config

// TLS names a certificate chain and its key in PEM. Both empty: plain HTTP, and a proxy before the gateway terminates TLS.
type TLS struct {
	CertFile string `json:"certFile"`
	KeyFile  string `json:"keyFile"`
}

// Telemetry is the listener for kubelet and Prometheus. Both roles have one.
type Telemetry struct {
	// Listen is host:port; the host may be empty.
	Listen string `json:"listen"`
}

// Debug is the profiler's listener (net/http/pprof).
type Debug struct {
	// Listen is an address of the loopback interface with its port. Empty: the profiler is off.
	Listen string `json:"listen,omitempty"`
}

// Tracing configures the export of spans.
type Tracing struct {
	// Endpoint is the URL of an OTLP/HTTP collector. Empty: nothing is traced. A URL without a path gets OTLP's own, /v1/traces.
	Endpoint string `json:"endpoint"`
	// SampleRatio is the share of the requests that are traced, 0 to 1.
	SampleRatio float64 `json:"sampleRatio"`
}
