package httpserver

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

func TestTheClientsAddress(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:1::/48")}
	for _, c := range []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"no proxy", "192.0.2.1:1000", nil, "192.0.2.1"},
		{"no proxy, and a forged header", "192.0.2.1:1000", []string{"198.51.100.7"}, "192.0.2.1"},
		{"a proxy", "10.0.0.1:1000", []string{"192.0.2.1"}, "192.0.2.1"},
		{"a proxy that adds nothing", "10.0.0.1:1000", nil, "10.0.0.1"},
		{"the client wrote an address before", "10.0.0.1:1000", []string{"127.0.0.1, 192.0.2.1"}, "192.0.2.1"},
		{"the client wrote a trusted address before", "10.0.0.1:1000", []string{"10.0.0.9, 192.0.2.1"}, "192.0.2.1"},
		{"the client wrote a whole header before", "10.0.0.1:1000", []string{"198.51.100.7", "192.0.2.1"}, "192.0.2.1"},
		{"two proxies", "10.0.0.1:1000", []string{"192.0.2.1, 10.0.0.2"}, "192.0.2.1"},
		{"two proxies, two headers", "10.0.0.1:1000", []string{"192.0.2.1", "10.0.0.2"}, "192.0.2.1"},
		{"all are proxies", "10.0.0.1:1000", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"no address", "10.0.0.1:1000", []string{"unknown"}, "10.0.0.1"},
		{"an address with a port", "10.0.0.1:1000", []string{"192.0.2.1:99"}, "192.0.2.1"},
		{"each hop with a port", "10.0.0.1:1000", []string{"198.51.100.7:1, 192.0.2.1:65535, 10.0.0.2:443"}, "192.0.2.1"},
		{"IPv6 with a port", "10.0.0.1:1000", []string{"[2001:db8:2::1]:443"}, "2001:db8:2::1"},
		{"IPv6 in brackets", "10.0.0.1:1000", []string{"[2001:db8:2::1]"}, "2001:db8:2::1"},
		{"IPv4 in IPv6 with a port", "10.0.0.1:1000", []string{"[::ffff:192.0.2.1]:443"}, "192.0.2.1"},
		{"in quotes", "10.0.0.1:1000", []string{`"192.0.2.1"`}, "192.0.2.1"},
		{"IPv6 in quotes with a port", "10.0.0.1:1000", []string{`"[2001:db8:2::1]:443"`}, "2001:db8:2::1"},
		{"spaces and tabs", "10.0.0.1:1000", []string{" \t192.0.2.1:99 \t , 10.0.0.2 "}, "192.0.2.1"},
		{"an invalid port", "10.0.0.1:1000", []string{"192.0.2.1:99999"}, "10.0.0.1"},
		{"a port and nothing before it", "10.0.0.1:1000", []string{":443"}, "10.0.0.1"},
		{"IPv4 in brackets", "10.0.0.1:1000", []string{"[192.0.2.1]"}, "10.0.0.1"},
		{"half a quote", "10.0.0.1:1000", []string{`"192.0.2.1`}, "10.0.0.1"},
		{"a name", "10.0.0.1:1000", []string{"client.example.com"}, "10.0.0.1"},
		{"no address behind a proxy", "10.0.0.1:1000", []string{"192.0.2.1, unknown, 10.0.0.2"}, "10.0.0.1"},
		{"an empty header", "10.0.0.1:1000", []string{""}, "10.0.0.1"},
		{"nothing after the comma", "10.0.0.1:1000", []string{"192.0.2.1,"}, "10.0.0.1"},
		{"IPv4 in IPv6 as peer", "[::ffff:10.0.0.1]:1000", []string{"192.0.2.1"}, "192.0.2.1"},
		{"IPv4 in IPv6 in the header", "10.0.0.1:1000", []string{"::ffff:192.0.2.1"}, "192.0.2.1"},
		{"IPv6 by an IPv6 proxy", "[2001:db8:1::1]:1000", []string{"2001:db8:2::1"}, "2001:db8:2::1"},
		{"a zone", "10.0.0.1:1000", []string{"fe80::1%eth0"}, "fe80::1"},
		{"too many hops", "10.0.0.1:1000", []string{"192.0.2.1" + strings.Repeat(", 10.0.0.2", 20)}, "10.0.0.2"},
		{"no peer", "@", []string{"192.0.2.1"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			got := ClientAddress(&http.Request{RemoteAddr: c.peer, Header: http.Header{headerForwardedFor: c.forwarded}}, trusted)
			if c.want == "" {
				g.Expect(got.IsValid()).To(BeFalse())
				return
			}
			g.Expect(got.String()).To(Equal(c.want))
		})
	}
}

// FuzzClientAddress checks that no header changes the address of an untrusted peer.
func FuzzClientAddress(f *testing.F) {
	f.Add("192.0.2.1, 10.0.0.2")
	f.Add(",,,")
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	f.Fuzz(func(t *testing.T, forwarded string) {
		header := http.Header{headerForwardedFor: {forwarded}}
		if got := ClientAddress(&http.Request{RemoteAddr: "192.0.2.1:1", Header: header}, trusted); got.String() != "192.0.2.1" {
			t.Fatalf("an untrusted peer became %s", got)
		}
		if got := ClientAddress(&http.Request{RemoteAddr: "10.0.0.1:1", Header: header}, trusted); !got.IsValid() {
			t.Fatal("an address was lost")
		}
	})
}
