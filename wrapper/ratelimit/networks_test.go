package ratelimit

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/openimstack/openim-operator/wrapper/redisdb/redistest"
)

// TestAnIPv6SiteDoesNotHaveTheQuotaOfEachOfItsNetworks: the owner of a /48 has 65,536 networks of /64. Another site's quota is not used,
// and the first site's quota is refilled.
func TestAnIPv6SiteDoesNotHaveTheQuotaOfEachOfItsNetworks(t *testing.T) {
	for name, withRedis := range map[string]bool{"in Redis": true, "in memory": false} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			o := Options{Now: time.Now, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()}
			if withRedis {
				o.Redis = redistest.Start(t).Open("a:")
			}
			l := New(o)
			l.timeout = 10 * time.Second
			c := Class{PerSecond: 0.05, Burst: 3, By: []string{ByIP}}
			from := func(ip string) bool {
				d := l.Allow(context.Background(), "login", c, Subject{IP: netip.MustParseAddr(ip)})
				g.Expect(d.Degraded).To(BeFalse())
				return d.OK
			}
			passed := map[string]int{}
			for subnet := range 1024 {
				for host := range 4 {
					if from(fmt.Sprintf("2001:db8:1:%x::%x", subnet, host+1)) {
						passed["48"]++
						if subnet < 256 {
							passed["56"]++
						}
						if subnet == 0 {
							passed["64"]++
						}
					}
				}
			}
			// The quota may be refilled by a call during the test.
			g.Expect(passed["64"]).To(Equal(3))
			g.Expect(passed["56"]).To(BeNumerically("~", 4*3, 2))
			g.Expect(passed["48"]).To(BeNumerically("~", 16*3, 8))
			g.Expect(from("2001:db8:2::1")).To(BeTrue(), "another site")
			g.Expect(from("192.0.2.1")).To(BeTrue(), "IPv4")
			g.Eventually(func() bool { return from("2001:db8:1:ffff::1") }, time.Minute, "20ms").Should(BeTrue(), "the site again")
		})
	}
}
