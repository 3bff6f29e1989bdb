package probe

// Result of one attempt.
type Result struct {
	// Target as given, host:port.
	Target string `json:"target"`
	// Result is the outcome of the attempt.
	Result Outcome `json:"result"`
	// Milliseconds that the attempt took.
	Milliseconds int64 `json:"milliseconds"`
	// Detail is the error message. Empty when the connection was opened.
	Detail string `json:"detail"`
}

// Outcome of an attempt to connect.
type Outcome string

const (
	// Open: the connection was accepted.
	Open Outcome = "open"
	// Refused: no process listens on the port, or a firewall rejected the connection.
	Refused Outcome = "refused"
	// Timeout: no answer arrived, or a firewall dropped the packets.
	Timeout Outcome = "timeout"
	// Error: any other failure, such as a name that does not resolve or an unreachable network.
	Error Outcome = "error"
)
