package config

// Hot is the part of the gateway's configuration that may change while the gateway runs. No socket is closed for a change of it.
type Hot struct {
	// Origins of the web pages that may call the users' listener, for CORS and WebSockets. "*" permits every origin. Clients other than
	// browsers send no origin and are not concerned.
	Origins []string `json:"origins,omitempty"`
	// TrustedProxies are blocks of addresses whose X-Forwarded-For is believed.
	TrustedProxies []string `json:"trustedProxies,omitempty"`
	Limits         Limits   `json:"limits,omitzero"`
	// Rules must all allow a call or a frame, in addition to the route table.
	Rules []Rule `json:"rules,omitempty"`
	// MultiLogin is applied at each login. Absent: a user may log in with any number of devices.
	MultiLogin *MultiLogin `json:"multiLogin,omitempty"`
}

// Limits are rate limits by class of calls. A class that is not listed has its default.
type Limits struct {
	Classes map[string]Class `json:"classes"`
	// Replicas of the gateway that share each limit. While Redis is slow or down, each replica grants its share. Default 1.
	Replicas int32 `json:"replicas,omitempty"`
	// Local makes each replica count by itself, with its share of each limit, and saves the call to Redis: less exact, and faster.
	Local bool `json:"local,omitempty"`
}

// Class is the quota of a class of calls: Burst calls at once, then PerSecond calls a second, for each user, device or address.
type Class struct {
	// PerSecond may be a fraction: 0.5 is one call in two seconds.
	PerSecond float64 `json:"perSecond"`
	Burst     int     `json:"burst"`
	// By lists user, device and ip. A call must pass all that are listed. An IPv6 address counts with all of its /64; its /56 has four
	// times and its /48 sixteen times the quota.
	By []string `json:"by"`
}

// Rule is one condition on calls, in CEL. A call that does not meet it is refused.
type Rule struct {
	// Name is written to logs, metrics and the audit log: 1 to 63 lower-case letters, digits and hyphens.
	Name string `json:"name"`
	// Expression is CEL and evaluates to a bool: true lets the call pass.
	Expression string `json:"expression"`
	// Message is what a refused caller reads, at most 256 bytes. Empty: a text with the rule's name.
	Message string `json:"message"`
}
