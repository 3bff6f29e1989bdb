package supervisor

import (
	"time"

	"github.com/openimstack/openim-operator/supervisor/registry"
	"github.com/openimstack/openim-operator/supervisor/termination"
)

// rules decide from what was seen. They read no clock and make no call.
type rules struct {
	arguments *Arguments
	timing    Timing
	// started is when the program was started.
	started time.Time
	ports   []portRecord // in the order of Arguments.Listen
	etcd    etcdRecord
	// served is true once the pod was ready.
	served bool
	// restart is when the program must be restarted because of a reset, and reset when the reset was noticed. Zero without a reset.
	restart, reset time.Time
}

// portRecord is what is known of a port.
type portRecord struct {
	answers bool
	// answered is true once the port answered.
	answered bool
	// silent is when a port that had answered was first found silent. Zero while it answers.
	silent time.Time
}

// etcdRecord is what is known of etcd and of the registration.
type etcdRecord struct {
	// reads is true after a successful read, false after a failed one.
	reads bool
	// last answer, which counts until the next one.
	last registry.State
	// heard is when etcd last answered a read. Zero before the first answer.
	heard time.Time
	// registered is true once the program's key was seen. value is the last one seen.
	registered bool
	value      []byte
	// absent is when the key was first found absent. Zero while it is there.
	absent time.Time
	// lease of a restored key. 0 while the program's own one carries the key.
	lease   int64
	renewed time.Time
}

func newRules(a *Arguments, t Timing, now time.Time) *rules {
	return &rules{arguments: a, timing: t, started: now, ports: make([]portRecord, len(a.Listen))}
}

// sawPort records an attempt at a port.
func (r *rules) sawPort(i int, answers bool, now time.Time) {
	p := &r.ports[i]
	p.answers = answers
	switch {
	case answers:
		p.answered, p.silent = true, time.Time{}
	case p.answered && p.silent.IsZero():
		p.silent = now
	}
}

// sawKey records a read of the registration. spread is how long a restart after a reset is delayed.
func (r *rules) sawKey(s registry.State, spread time.Duration, now time.Time) {
	e := &r.etcd
	if !e.heard.IsZero() && r.reset.IsZero() && (e.wasReset(s) || now.Sub(e.heard) > r.timing.Away) {
		r.reset, r.restart = now, now.Add(spread)
	}
	e.reads, e.last, e.heard = true, s, now
	switch {
	case s.Present:
		e.registered, e.value, e.absent = true, s.Value, time.Time{}
	case e.absent.IsZero():
		e.absent = now
	}
}

// wasReset reports whether an answer comes from an etcd that lost its data. The first answer after an outage comes within seconds, so that
// other writes have hardly raised the revision again. If they have, nothing is lost: the watches of OpenIM continue from their revision.
func (e *etcdRecord) wasReset(s registry.State) bool {
	return s.Cluster != e.last.Cluster || s.Revision < e.last.Revision || s.Term < e.last.Term
}

// sawNoKey records a read that failed.
func (r *rules) sawNoKey() { r.etcd.reads = false }

// Conditions of readiness, in the words of the reply to a probe.
const (
	portSilent      = " port does not answer"
	keyAbsent       = "the key in etcd is absent"
	etcdNeverHeard  = "etcd has not answered yet"
	justStarted     = "the program has just been started"
	stopping        = "the pod stops"
	onlyMetricsPort = 1
)

// unmet returns the conditions of readiness that do not hold, and records the first readiness.
func (r *rules) unmet(now time.Time) []string {
	var all []string
	for i, l := range r.arguments.Listen {
		if r.matters(l) && !r.ports[i].answers {
			all = append(all, string(l.Kind)+portSilent)
		}
	}
	switch {
	case r.arguments.registers() && !r.etcd.last.Present:
		all = append(all, keyAbsent)
	case len(r.arguments.Listen) == 0 && r.etcd.heard.IsZero():
		all = append(all, etcdNeverHeard)
	}
	if len(r.arguments.Listen) == 0 && now.Sub(r.started) < r.timing.Settle {
		all = append(all, justStarted)
	}
	if len(all) == 0 {
		r.served = true
	}
	return all
}

// matters reports whether a port counts for readiness. Metrics say little, so they count only where nothing else can.
func (r *rules) matters(l Listen) bool {
	return l.Kind != Metrics || len(r.arguments.Listen) == onlyMetricsPort
}

// wantsKey reports whether the key must be restored now (H1).
func (r *rules) wantsKey(now time.Time) bool {
	e := r.etcd
	if !e.reads || e.last.Present || !e.registered || e.absent.IsZero() || now.Sub(e.absent) < r.arguments.RestoreAfter {
		return false
	}
	for i, l := range r.arguments.Listen {
		if l.Kind == GRPC {
			return r.ports[i].answers
		}
	}
	return false
}

// dropsLease reports whether the program wrote its key again, so that the lease of the restored one is not needed any more.
func (r *rules) dropsLease() bool {
	return r.etcd.reads && r.etcd.lease != 0 && r.etcd.last.Present && r.etcd.last.Lease != r.etcd.lease
}

// renews reports whether the lease of a restored key is due.
func (r *rules) renews(now time.Time) bool {
	return r.etcd.lease != 0 && now.Sub(r.etcd.renewed) >= r.timing.KeepAlive
}

// pause returns the time between two reads of the registration.
func (r *rules) pause(ready bool) time.Duration {
	if !ready || !r.etcd.reads {
		return r.timing.LookSoon
	}
	return r.timing.Look
}

// ending is the reason to restart the program.
type ending struct {
	reason termination.ExitReason
	since  time.Time
}

// end returns why the program must end now (H2 to H4), if it must.
func (r *rules) end(now time.Time) (ending, bool) {
	if !r.restart.IsZero() && !now.Before(r.restart) {
		return ending{termination.EtcdReset, r.reset}, true
	}
	for _, p := range r.ports {
		if !p.silent.IsZero() && now.Sub(p.silent) >= r.timing.Stuck {
			return ending{termination.Stuck, p.silent}, true
		}
	}
	if !r.served && now.Sub(r.started) >= r.arguments.StartTimeout {
		return ending{termination.StartTimeout, r.started}, true
	}
	return ending{}, false
}
