package supervisor

import "time"

// Timing are the periods and limits of the rules. Tests have shorter ones.
type Timing struct {
	// Tick is how often the loop looks at the clock.
	Tick time.Duration
	// Ports is the pause between two attempts at the program's ports, PortTimeout bounds one.
	Ports, PortTimeout time.Duration
	// Look is the pause between two reads of the registration, LookSoon the pause while the pod is not ready or etcd does not answer.
	Look, LookSoon time.Duration
	// EtcdTimeout bounds a request to etcd.
	EtcdTimeout time.Duration
	// Lease is the life of a restored key without KeepAlive, which is the pause between two renewals.
	Lease, KeepAlive time.Duration
	// TokenPause is the least time between two logins at etcd.
	TokenPause time.Duration
	// Away is after which time without etcd the program's watches may be lost.
	Away time.Duration
	// ResetSpread is over which time the restarts of a stack's processes are spread after etcd lost its data.
	ResetSpread time.Duration
	// Stuck is how long a port may not answer.
	Stuck time.Duration
	// Kill is how long the program may take to end after SIGTERM.
	Kill time.Duration
	// Deregister is the pause between the deletion of the key and SIGTERM: callers learn of the deletion by a watch.
	Deregister time.Duration
	// Settle is how long a program without a port must run to be ready.
	Settle time.Duration
	// Stalled is after which time without a turn of the loop the liveness probe fails.
	Stalled time.Duration
}

// DefaultTiming are the values of docs/health.md.
func DefaultTiming() Timing {
	return Timing{
		Tick:  time.Second,
		Ports: 5 * time.Second, PortTimeout: 2 * time.Second,
		Look: 10 * time.Second, LookSoon: time.Second,
		EtcdTimeout: 3 * time.Second,
		Lease:       30 * time.Second, KeepAlive: 10 * time.Second,
		TokenPause:  30 * time.Second,
		Away:        5 * time.Minute,
		ResetSpread: time.Minute,
		Stuck:       time.Minute,
		Kill:        20 * time.Second,
		Deregister:  3 * time.Second,
		Settle:      10 * time.Second,
		Stalled:     30 * time.Second,
	}
}
