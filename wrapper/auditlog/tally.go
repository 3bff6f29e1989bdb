package auditlog

import (
	"net/netip"
	"time"

	"github.com/openimstack/openim-operator/wrapper/httpserver"
)

// Refusals of callers who are not known cost the caller nothing, and would fill the trail's disk. The first refusal for a reason from a
// network is written as it is; those that follow within tallyEvery are counted, and written as one event with their number.
const (
	tallyEvery = time.Minute
	// maxTallies bounds the memory: some 1 MB. What is beyond it is counted by its reason alone, without its network.
	maxTallies = 4096
)

// tallyKey is what is counted together.
type tallyKey struct {
	reason  string
	network netip.Prefix // of IPv6 the /48; the zero value: of networks for which there was no room
}

type tally struct {
	count       uint64 // beyond the first, which was written
	first, last time.Time
	outcome     Outcome
}

// Count adds a refusal of a caller who is not known. It never waits. The error is ErrLost, as of Emit.
func (l *Log) Count(e Event) error {
	if e.Time.IsZero() {
		e.Time = l.now()
	}
	if l.counted(e) {
		return nil
	}
	return l.Emit(e)
}

// counted reports whether the event is written with others later. If not, it is the first of its kind.
func (l *Log) counted(e Event) bool {
	key := tallyKey{reason: e.Outcome.Reason}
	if networks := httpserver.Networks(e.Who.IP); len(networks) > 0 {
		key.network = networks[len(networks)-1]
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tallies[key]
	if t == nil && len(l.tallies) >= maxTallies {
		key.network = netip.Prefix{}
		t = l.tallies[key]
	}
	if t == nil {
		// Reasons are words of ours, so that there are few keys without a network beyond the bound.
		l.tallies[key] = &tally{}
		return false
	}
	if t.count == 0 {
		t.first, t.outcome = e.Time, e.Outcome
	}
	t.count++
	t.last = e.Time
	l.metrics.counted.Inc()
	return true
}

// flushTallies writes what was counted, and begins anew.
func (l *Log) flushTallies() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, t := range l.tallies {
		if t.count > 0 {
			l.pushTally(key, t)
		}
	}
	clear(l.tallies)
}

// pushTally adds one event for all that were counted; mu is held.
func (l *Log) pushTally(key tallyKey, t *tally) {
	e := Event{Time: t.first, Kind: KindRefusals, Outcome: t.outcome}
	e.Outcome.Took = 0
	f := e.form()
	f.Count, f.Until = t.count, t.last.UTC().Format(timeLayout)
	if key.network.IsValid() {
		f.Network = key.network.String()
	}
	body := f.encode()
	if l.waiting+len(body) > l.spool-l.reserve {
		l.lost += t.count
		l.metrics.lost.Add(float64(t.count))
		return
	}
	l.tellLost()
	l.push(body)
	l.metrics.events.WithLabelValues(string(KindRefusals)).Inc()
}
