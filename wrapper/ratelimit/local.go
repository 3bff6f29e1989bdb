package ratelimit

import (
	"strconv"
	"sync"
)

// maxLocalKeys limits the memory of a replica that decides by itself to some 10 MB.
const maxLocalKeys = 100_000

// clearEvery is the minimum time between two cleanups of a full table, in microseconds.
const clearEvery = 1_000_000

// local is GCRA in the memory of one replica. The caller passes the time, in microseconds.
type local struct {
	mu      sync.Mutex
	tats    map[string]int64
	limit   int
	cleared int64
}

func newLocal(limit int) *local { return &local{tats: map[string]int64{}, limit: limit} }

// take uses one call of every key. It returns the index of the key that refuses, -1 if none does, and how long to wait in microseconds.
func (l *local) take(keys []key, p rate, now int64) (which int, wait int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	which = -1
	next := make([]int64, len(keys))
	names := make([]string, len(keys))
	for i, key := range keys {
		names[i] = l.slot(key, now)
		keyRate := p.scaled(key.multiplier)
		tat, known := l.tats[names[i]]
		if lowered := keyRate.bounded(tat, now); known && lowered < tat {
			l.tats[names[i]] = lowered
			tat = lowered
		}
		var w int64
		if next[i], w = keyRate.next(tat, now); w > wait {
			which, wait = i, w
		}
	}
	if which >= 0 {
		return which, wait
	}
	for i, name := range names {
		l.tats[name] = next[i]
	}
	return -1, 0
}

// check returns the index of the key that would refuse a call, -1 if none would, and how long to wait in microseconds. It uses no quota.
func (l *local) check(keys []key, p rate, now int64) (which int, wait int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	which = -1
	for i, k := range keys {
		keyRate := p.scaled(k.multiplier)
		tat, known := l.tats[k.name]
		if !known {
			if tat, known = l.tats[kindOf(k)]; !known || len(l.tats) < l.limit {
				continue
			}
		}
		tat = min(tat, now+(keyRate.burst+maxPending*k.multiplier)*keyRate.interval)
		if w := max(tat, now) + keyRate.interval - keyRate.burst*keyRate.interval - now; w > wait {
			which, wait = i, w
		}
	}
	return which, wait
}

// charge uses one call of each key, even beyond the quota. The debt is limited to maxPending calls.
func (l *local) charge(keys []key, p rate, now int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range keys {
		keyRate := p.scaled(k.multiplier)
		name := l.slot(k, now)
		l.tats[name] = max(min(l.tats[name], now+(keyRate.burst+maxPending*k.multiplier-1)*keyRate.interval), now) + keyRate.interval
	}
}

// slot returns the name under which a key is counted: the key's own name or, if the table is full, a name that all new keys of its kind
// share. A caller who uses many addresses thus gets no more quota.
func (l *local) slot(k key, now int64) string {
	if _, known := l.tats[k.name]; known || len(l.tats) < l.limit {
		return k.name
	}
	if now-l.cleared >= clearEvery {
		l.cleared = now
		for name, tat := range l.tats {
			if tat <= now {
				delete(l.tats, name)
			}
		}
		if len(l.tats) < l.limit {
			return k.name
		}
	}
	return kindOf(k)
}

// kindOf returns the key's name without its value, "l:{class}:by:", and for a larger network its multiplier.
func kindOf(k key) string {
	colons := 0
	for i := range len(k.name) {
		if k.name[i] == ':' {
			if colons++; colons == 3 && k.multiplier == 1 {
				return k.name[:i+1]
			} else if colons == 3 {
				return k.name[:i+1] + "*" + strconv.FormatInt(k.multiplier, 10)
			}
		}
	}
	return k.name
}

func (l *local) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.tats)
}
