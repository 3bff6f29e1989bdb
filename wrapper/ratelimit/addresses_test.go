package ratelimit

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

var (
	attacker = netip.MustParseAddr("192.0.2.1")
	neighbor = netip.MustParseAddr("192.0.2.2")
	slow     = Class{PerSecond: 2, Burst: 40, By: []string{ByIP}}
)

// clock is a manual clock.
type clock struct{ time.Time }

func newClock() *clock { return &clock{time.Unix(1_700_000_000, 0)} }

func (c *clock) now() time.Time        { return c.Time }
func (c *clock) pass(d time.Duration)  { c.Time = c.Add(d) }
func (c *clock) addresses() *Addresses { return NewAddresses(c.now) }

// attack makes n calls one after the other, each of which is refused later, and returns how many were processed.
func attack(a *Addresses, from netip.Addr, n int) (processed int) {
	for range n {
		if done, d := a.Admit(from, slow); d.OK {
			processed++
			done(true)
		}
	}
	return processed
}

func TestRefusedCallsUseTheQuota(t *testing.T) {
	g := NewWithT(t)
	c := newClock()
	a := c.addresses()
	g.Expect(attack(a, attacker, 1000)).To(Equal(40))
	_, d := a.Admit(attacker, slow)
	g.Expect(d).To(Equal(Decision{By: ByIP, RetryAfter: 500 * time.Millisecond}))
	done, d := a.Admit(neighbor, slow)
	g.Expect(d.OK).To(BeTrue(), "another address")
	done(false)
	c.pass(time.Second)
	g.Expect(attack(a, attacker, 1000)).To(Equal(2))
	c.pass(time.Minute)
	done, d = a.Admit(attacker, slow)
	g.Expect(d.OK).To(BeTrue(), "the address again")
	done(false)
	for range 1000 {
		done, d := a.Admit(attacker, slow)
		g.Expect(d.OK).To(BeTrue(), "calls that are not refused use no quota")
		done(false)
	}
}

// TestCallsAtTheSameTimeGetNoMore checks that concurrent calls beyond the quota become a debt.
func TestCallsAtTheSameTimeGetNoMore(t *testing.T) {
	g := NewWithT(t)
	c := newClock()
	a := c.addresses()
	var pending []func(bool)
	for range 1000 {
		if done, d := a.Admit(attacker, slow); d.OK {
			pending = append(pending, done)
		}
	}
	g.Expect(pending).To(HaveLen(maxPending))
	done, d := a.Admit(neighbor, slow)
	g.Expect(d.OK).To(BeTrue(), "another address")
	done(false)
	for _, done := range pending {
		done(true)
	}
	g.Expect(a.pending).To(BeEmpty())
	c.pass(40 * time.Second)
	g.Expect(attack(a, attacker, 10)).To(BeZero(), "still in debt")
	c.pass(5 * time.Second)
	g.Expect(attack(a, attacker, 10)).To(BeNumerically(">", 0), "the debt expires")
}

func TestAnIPv6SiteHasSixteenTimesTheQuota(t *testing.T) {
	g := NewWithT(t)
	c := newClock()
	a := c.addresses()
	processed := 0
	for subnet := range 2000 {
		processed += attack(a, netip.MustParseAddr(fmt.Sprintf("2001:db8:1:%x::1", subnet)), 50)
	}
	g.Expect(processed).To(Equal(16 * 40))
	g.Expect(attack(a, netip.MustParseAddr("2001:db8:2::1"), 1)).To(Equal(1), "another site")
	c.pass(time.Minute)
	g.Expect(attack(a, netip.MustParseAddr("2001:db8:1:ffff::1"), 1)).To(Equal(1), "the site again")
}

// TestManyAddressesShareAFullTable checks that memory is bounded, and that a caller gets no more quota by using many addresses.
func TestManyAddressesShareAFullTable(t *testing.T) {
	g := NewWithT(t)
	c := newClock()
	a := c.addresses()
	a.spent = newLocal(100)
	processed := 0
	for i := range 10_000 {
		processed += attack(a, netip.MustParseAddr(fmt.Sprintf("10.0.%d.%d", i/256, i%256)), 1)
	}
	g.Expect(processed).To(Equal(100 + 40))
	g.Expect(a.spent.size()).To(BeNumerically("<=", 101))
	c.pass(time.Hour)
	g.Expect(attack(a, netip.MustParseAddr("10.0.99.99"), 1)).To(Equal(1))
}

func TestTakeUsesTheQuota(t *testing.T) {
	g := NewWithT(t)
	c := newClock()
	a := c.addresses()
	taken := func(from netip.Addr) (n int) {
		for range 100 {
			if a.Take(from, slow).OK {
				n++
			}
		}
		return n
	}
	g.Expect(taken(attacker)).To(Equal(40))
	g.Expect(taken(neighbor)).To(Equal(40))
	c.pass(time.Second)
	g.Expect(taken(attacker)).To(Equal(2))
	g.Expect(a.Take(netip.Addr{}, slow).OK).To(BeTrue(), "callers without address share a quota")
	g.Expect(a.Take(attacker, Class{}).OK).To(BeFalse(), "an invalid class refuses every call")
}
