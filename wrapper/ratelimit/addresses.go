package ratelimit

import (
	"net/netip"
	"sync"
	"time"
)

// maxPending limits the calls from one address that are being processed at once, before the first of them is refused. Larger networks
// of IPv6 have a multiple of it, as of their quota. It also limits the debt of an address.
const maxPending = 128

// Addresses holds quotas of addresses and their networks in the memory of one replica, so that refusing a call costs no round trip. It
// is safe for concurrent use and never blocks on I/O.
type Addresses struct {
	now func() time.Time

	mu    sync.Mutex
	spent *local
	// pending counts the calls in progress, by network. The number of connections bounds its size.
	pending map[string]int64
}

// NewAddresses returns a table without entries.
func NewAddresses(now func() time.Time) *Addresses {
	return &Addresses{now: now, spent: newLocal(maxLocalKeys), pending: map[string]int64{}}
}

// Admit decides whether a call from an address may be processed, before any work is done for it. Only calls that are refused later use
// quota, even beyond the burst: the address then has a debt, and its calls are refused until the debt has expired. If the call may be
// processed, the caller must call done exactly once with the result. Of c only PerSecond and Burst are used.
func (a *Addresses) Admit(from netip.Addr, c Class) (done func(refused bool), d Decision) {
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

// Take uses one call of an address's quota, if one is left.
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
