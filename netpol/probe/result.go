package probe

// Result of one attempt.
type Result struct {
	// Target as it was given, host:port.
	Target string `json:"target"`
	// Result is what came of it.
	Result Outcome `json:"result"`
	// Milliseconds that the attempt took.
	Milliseconds int64 `json:"milliseconds"`
	// Detail is the error in words, empty when the connection was opened.
	Detail string `json:"detail"`
}

// Outcome of an attempt to connect.
type Outcome string

const (
	// Open: the connection was accepted.
	Open Outcome = "open"
	// Refused: somebody answered that nobody listens, or a firewall that rejects said so in their place.
	Refused Outcome = "refused"
	// Timeout: nobody answered, or a firewall dropped the attempt.
	Timeout Outcome = "timeout"
	// Error: anything else, such as a name that does not resolve or a network that is not reachable.
	Error Outcome = "error"
)
