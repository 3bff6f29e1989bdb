package ratelimit

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/openimstack/openim-operator/wrapper/httpserver"
)

// plain returns keys with the quota of the class.
func plain(names ...string) (all []key) {
	for _, name := range names {
		all = append(all, key{name: name, multiplier: 1})
	}
	return all
}

// withinQuota returns an error if an interval contains more than burst + rate * time calls.
func withinQuota(passed []int64, p rate) error {
	for i := range passed {
		for j := i; j < len(passed); j++ {
			if most := p.burst + (passed[j]-passed[i])/p.interval; int64(j-i+1) > most {
				return fmt.Errorf("%d calls passed in %d us, %d are permitted", j-i+1, passed[j]-passed[i], most)
			}
		}
	}
	return nil
}

// TestNoScheduleGetsMoreThanTheQuota checks random schedules. For each key, no interval contains more than burst + rate * time calls. A
// refused call may pass after the wait that it was told, and not before.
func TestNoScheduleGetsMoreThanTheQuota(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Class{
			PerSecond: rapid.Float64Range(0.01, 5000).Draw(t, "perSecond"), Burst: rapid.IntRange(1, 20).Draw(t, "burst"),
			By: []string{ByUser, ByIP},
		}
		p := c.rate()
		l := newLocal(maxLocalKeys)
		now := int64(1_700_000_000_000_000)
		passed := map[string][]int64{}
		for range rapid.IntRange(1, 200).Draw(t, "calls") {
			now += rapid.Int64Range(0, 3*p.interval).Draw(t, "pause") * rapid.Int64Range(0, 1).Draw(t, "burst or not")
			oneOrTwo := rapid.SampledFrom([]string{"1", "2"})
			names := plain("u"+oneOrTwo.Draw(t, "user"), "i"+oneOrTwo.Draw(t, "ip"))
			which, wait := l.take(names, p, now)
			if which < 0 {
				for _, name := range names {
					passed[name.name] = append(passed[name.name], now)
				}
				continue
			}
			if wait < 1 || wait > p.interval {
				t.Fatalf("a wait of %d us with an interval of %d", wait, p.interval)
			}
			for _, early := range []int64{0, wait - 1} {
				if again, _ := l.take(names, p, now+early); again < 0 {
					t.Fatalf("passed after %d us, the wait was %d", early, wait)
				}
			}
		}
		for name, moments := range passed {
			if err := withinQuota(moments, p); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	})
}

func TestARefusedCallUsesNothing(t *testing.T) {
	g := NewWithT(t)
	l := newLocal(maxLocalKeys)
	p := rate{interval: 1_000_000, burst: 2}
	take := func(names ...string) int { which, _ := l.take(plain(names...), p, 1); return which }
	g.Expect(take("u:a", "i:1")).To(Equal(-1))
	g.Expect(take("u:b", "i:1")).To(Equal(-1))
	for range 10 {
		g.Expect(take("u:a", "i:1")).To(Equal(1), "the address is used up")
	}
	g.Expect(take("u:a", "i:2")).To(Equal(-1), "the refused calls did not use the user's quota")
	g.Expect(take("u:a", "i:2")).To(Equal(0))
}

func TestManyAddressesNeitherFillMemoryNorGetMore(t *testing.T) {
	g := NewWithT(t)
	l := newLocal(100)
	p := rate{interval: 1_000_000, burst: 5}
	passed := 0
	for i := range 10_000 {
		if which, _ := l.take(plain(fmt.Sprintf("l:{login}:ip:10.0.%d.%d", i/256, i%256)), p, 1); which < 0 {
			passed++
		}
	}
	g.Expect(l.size()).To(Equal(101))
	g.Expect(passed).To(Equal(105), "one each for a hundred, and one quota for all the others")
	which, _ := l.take(plain("l:{login}:ip:10.0.0.1"), p, 1)
	g.Expect(which).To(Equal(-1), "a known address keeps its own quota")
	which, _ = l.take(plain("l:{login}:ip:192.0.2.1"), p, 20_000_000)
	g.Expect(which).To(Equal(-1))
	g.Expect(l.size()).To(BeNumerically("<", 100), "expired entries are removed")
}

func TestAShareHasABurstOfAtLeastOne(t *testing.T) {
	g := NewWithT(t)
	p := (&Class{PerSecond: 10, Burst: 20}).rate()
	g.Expect(p.share(4)).To(Equal(rate{interval: 400_000, burst: 5}))
	g.Expect(p.share(50)).To(Equal(rate{interval: 5_000_000, burst: 1}))
	g.Expect(p.share(0)).To(Equal(p))
}

func TestAfterAClockJumpBackCallersAreNotLockedOut(t *testing.T) {
	g := NewWithT(t)
	p := rate{interval: 1000, burst: 3}
	_, wait := p.next(1_000_000_000, 5)
	g.Expect(wait).To(Equal(int64(1000)))
}

func TestKeysOfACall(t *testing.T) {
	g := NewWithT(t)
	of := func(ip string) string {
		return keys("c", []string{ByIP}, Subject{IP: netip.MustParseAddr(ip)})[0].name
	}
	g.Expect(of("192.0.2.1")).To(Equal("l:{c}:ip:192.0.2.1"))
	g.Expect(of("::ffff:192.0.2.1")).To(Equal(of("192.0.2.1")), "one address in two spellings")
	g.Expect(of("2001:db8:1:2:3::4")).To(Equal(of("2001:db8:1:2:ffff::")), "one customer's /64")
	g.Expect(of("2001:db8:1:3::4")).NotTo(Equal(of("2001:db8:1:2::4")))
	g.Expect(of("fe80::1%eth0")).To(Equal(of("fe80::2%eth1")))

	g.Expect(keys("c", []string{ByIP}, Subject{IP: netip.MustParseAddr("2001:db8:1:203::4")})).To(Equal([]key{
		{"l:{c}:ip:2001:db8:1:203::/64", ByIP, 1}, {"l:{c}:ip:2001:db8:1:200::/56", ByIP, 4}, {"l:{c}:ip:2001:db8:1::/48", ByIP, 16},
	}))
	g.Expect(keys("c", []string{ByUser, ByDevice, ByIP}, Subject{})).To(Equal([]key{
		{"l:{c}:user:-", ByUser, 1}, {"l:{c}:device:-", ByDevice, 1}, {"l:{c}:ip:-", ByIP, 1},
	}))
	long := strings.Repeat("x", 65)
	names := keys("c", []string{ByUser}, Subject{User: long})
	g.Expect(len(names[0].name)).To(BeNumerically("<", 70))
	g.Expect(names).NotTo(Equal(keys("c", []string{ByUser}, Subject{User: long + "y"})))
	byUser := func(user string) []key { return keys("c", []string{ByUser}, Subject{User: user}) }
	g.Expect(byUser("-")).NotTo(Equal(byUser("")), "no id yields the key of an unknown user")
	g.Expect(byUser(names[0].name[len("l:{c}:user:"):])).NotTo(Equal(names), "no id yields the key of another id's hash")
}

func TestClassesInYAML(t *testing.T) {
	for _, c := range []struct{ name, yaml, want string }{
		{"good", `{perSecond: 0.5, burst: 10, by: [user, device, ip]}`, ""},
		{"no rate", `{burst: 10, by: [user]}`, "c.perSecond: write 0.0001 to 100000"},
		{"not a number", `{perSecond: .nan, burst: 10, by: [user]}`, "decoding the configuration"},
		{"negative", `{perSecond: -1, burst: 10, by: [user]}`, "c.perSecond: write"},
		{"too fast", `{perSecond: 100001, burst: 10, by: [user]}`, "c.perSecond: write"},
		{"no burst", `{perSecond: 1, by: [user]}`, "c.burst: write 1 to 1000000"},
		{"by nothing", `{perSecond: 1, burst: 1}`, "c.by: write one or more"},
		{"by name", `{perSecond: 1, burst: 1, by: [name]}`, `c.by[0]: unknown value "name"`},
		{"twice", `{perSecond: 1, burst: 1, by: [ip, ip]}`, `c.by[1]: duplicate value "ip"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			var class Class
			err := httpserver.DecodeYAML([]byte(c.yaml), &class)
			if err == nil {
				var p httpserver.Problems
				class.Validate(&p, "c")
				err = p.Err()
			}
			if c.want == "" {
				g.Expect(err).NotTo(HaveOccurred())
				return
			}
			g.Expect(err).To(MatchError(ContainSubstring(c.want)))
		})
	}
}
