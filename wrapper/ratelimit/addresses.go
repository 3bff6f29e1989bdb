package ratelimit

import (
	"net/netip"
	"sync"
	"time"
)

// maxPending is how many calls from one address may be looked at at once: what it can cause before the first of them was refused.
// Larger networks of IPv6 have it as many times as their quota. It also bounds how long an address stays in debt.
const maxPending = 128

// Addresses keeps allowances of addresses and their networks in the memory of one replica, so that to be refused costs no round trip.
// It is safe for concurrent use and waits for nobody.
type Addresses struct {
	now func() time.Time

	mu    sync.Mutex
	spent *local
	// pending are calls that are being looked at, by network. Each is a request in flight, so that they are bounded by the connections.
	pending map[string]int64
}

// NewAddresses begins with nothing spent.
func NewAddresses(now func() time.Time) *Addresses {
	return &Addresses{now: now, spent: newLocal(maxLocalKeys), pending: map[string]int64{}}
}

// Ask decides whether a call from an address may be looked at, before any work is done for it. Only what turns out to be refused is
// spent, beyond the quota if need be: then nothing from there is looked at until the debt is paid off. When the call may be looked at,
// done must be called once with what came of it. Of c only rate and burst count.
func (a *Addresses) Ask(from netip.Addr, c Class) (done func(refused bool), d Decision) {
	if !c.usable() {
		return nil, Decision{RetryAfter: time.Second, By: "class"}
	}
	names, p := addressKeys(from), c.rate()
	a.mu.Lock()
	defer a.mu.Unlock()
	if which, wait := a.spent.check(names, p, a.now().UnixMicro()); which >= 0 {
		return nil, decision(names, which, wait)
	}
	for _, k := range names {
		if a.pending[k.name] >= maxPending*k.multiplier {
			return nil, Decision{RetryAfter: time.Second, By: ByIP}
		}
	}
	for _, k := range names {
		a.pending[k.name]++
	}
	return func(refused bool) { a.finish(names, p, refused) }, Decision{OK: true}
}

// Take spends one call of an address's allowance, if there is one left.
func (a *Addresses) Take(from netip.Addr, c Class) Decision {
	if !c.usable() {
		return Decision{RetryAfter: time.Second, By: "class"}
	}
	names := addressKeys(from)
	which, wait := a.spent.take(names, c.rate(), a.now().UnixMicro())
	return decision(names, which, wait)
}

func addressKeys(from netip.Addr) []key { return keys("address", []string{ByIP}, Subject{IP: from}) }

func (a *Addresses) finish(names []key, p rate, refused bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, k := range names {
		if a.pending[k.name]--; a.pending[k.name] <= 0 {
			delete(a.pending, k.name)
		}
	}
	if refused {
		a.spent.charge(names, p, a.now().UnixMicro())
	}
}
