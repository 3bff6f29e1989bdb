package ratelimit

import (
	"strconv"
	"sync"
)

// maxLocalKeys bounds the memory of a replica that decides by itself: some 10 MB.
const maxLocalKeys = 100_000

// clearEvery is the least time between two clearings of a full table, in microseconds.
const clearEvery = 1_000_000

// local is GCRA in the memory of one replica. Its clock is handed in, in microseconds.
type local struct {
	mu      sync.Mutex
	tats    map[string]int64
	limit   int
	cleared int64
}

func newLocal(limit int) *local { return &local{tats: map[string]int64{}, limit: limit} }

// take gives the key that refuses, or -1, and how long to wait in microseconds.
func (l *local) take(keys []key, p rate, now int64) (which int, wait int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	which = -1
	next := make([]int64, len(keys))
	names := make([]string, len(keys))
	for i, key := range keys {
		names[i] = l.slot(key, now)
		mine := p.scaled(key.multiplier)
		tat, known := l.tats[names[i]]
		if back := mine.bounded(tat, now); known && back < tat {
			l.tats[names[i]] = back
			tat = back
		}
		var w int64
		if next[i], w = mine.next(tat, now); w > wait {
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

// check gives the key that would refuse a call, or -1, and how long to wait in microseconds. Nothing is spent.
func (l *local) check(keys []key, p rate, now int64) (which int, wait int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	which = -1
	for i, k := range keys {
		mine := p.scaled(k.multiplier)
		tat, known := l.tats[k.name]
		if !known {
			if tat, known = l.tats[kindOf(k)]; !known || len(l.tats) < l.limit {
				continue
			}
		}
		tat = min(tat, now+(mine.burst+maxPending*k.multiplier)*mine.interval)
		if w := max(tat, now) + mine.interval - mine.burst*mine.interval - now; w > wait {
			which, wait = i, w
		}
	}
	return which, wait
}

// charge spends one call of each key, whether there is something left or not. The debt is bounded by maxPending calls.
func (l *local) charge(keys []key, p rate, now int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range keys {
		mine := p.scaled(k.multiplier)
		name := l.slot(k, now)
		l.tats[name] = max(min(l.tats[name], now+(mine.burst+maxPending*k.multiplier-1)*mine.interval), now) + mine.interval
	}
}

// slot is the key's own, or, when there is no room, one that it shares with all newcomers of its kind: who comes from ever new
// addresses gets no more for it.
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

// kindOf is the key's name without its value, "l:{class}:by:", and for larger networks how many times the quota they have.
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
