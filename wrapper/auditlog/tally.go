package auditlog

import (
	"net/netip"
	"time"

	"github.com/openimstack/openim-operator/wrapper/httpserver"
)

// An unknown caller can cause refusals at no cost, which would fill the disk of the audit log. Therefore the first refusal for a reason and
// network is written, and further ones within tallyEvery are counted and written as one event with their number.
const (
	tallyEvery = time.Minute
	// maxTallies limits the memory to some 1 MB. Refusals beyond it are counted by their reason only.
	maxTallies = 4096
)

// tallyKey selects the refusals that are counted together.
type tallyKey struct {
	reason  string
	network netip.Prefix // of IPv6 the /48; zero: all networks beyond maxTallies
}

type tally struct {
	count       uint64 // without the first refusal, which is written
	first, last time.Time
	outcome     Outcome
}

// Count records a refusal of an unknown caller. It never blocks. The error is ErrLost, as for Emit.
func (l *Log) Count(e Event) error {
	if e.Time.IsZero() {
		e.Time = l.now()
	}
	if l.countMore(e) {
		return nil
	}
	return l.Emit(e)
}

// countMore counts an event that is not the first of its reason and network. It reports whether it did; if not, the caller must emit the
// event.
func (l *Log) countMore(e Event) bool {
	key := tallyKey{reason: e.Outcome.Reason}
	if networks := httpserver.Networks(e.Actor.IP); len(networks) > 0 {
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
		// Reasons are the wrapper's own names, so that few keys without a network exist beyond the limit.
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

// flushTallies writes the counts as events and starts new counts.
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

// pushTally adds the event for one count. The caller holds mu.
func (l *Log) pushTally(key tallyKey, t *tally) {
	e := Event{Time: t.first, Kind: KindRefusals, Outcome: t.outcome}
	e.Outcome.Took = 0
	f := e.record()
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
	l.pushLost()
	l.enqueue(body)
	l.metrics.events.WithLabelValues(string(KindRefusals)).Inc()
}
