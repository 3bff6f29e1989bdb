package dependencies

import (
	"net/netip"
	"strings"
	"testing"
)

// The connection string of a Secret may be any text. The hosts are always host:port, and never a part of the credentials.
func FuzzHostsOf(f *testing.F) {
	for _, seed := range []string{
		"mongodb://a", "mongodb://a:1,b:2/db?x=y", "mongodb://user:p%40ss@host:27017/db", "mongodb://[::1]:27017", "mongodb+srv://x",
		"mongodb://@/", "mongodb://u:p@h1,h2:99999", "mongodb://u%40v@a%40b/", "mongodb://claimed?x@real/db", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		hosts, ok := hostsOf(uri)
		if !ok {
			return
		}
		if len(hosts) == 0 {
			t.Fatalf("%q: no host", uri)
		}
		for _, address := range hosts {
			host, port, err := splitAddress(address)
			if err != nil || port < 1 || host == "" {
				t.Fatalf("%q: %q is not host:port: %v", uri, address, err)
			}
			if strings.Contains(address, "@") {
				t.Fatalf("%q: credentials in %q", uri, address)
			}
		}
	})
}

func FuzzServiceOf(f *testing.F) {
	for _, seed := range []string{"redis", "redis.infra.svc", "kafka-0.kafka.infra.svc.cluster.local", "..svc", ".", "svc.svc.svc",
		"a.b.svc.svc", "redis..svc", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, host string) {
		name, ok := ServiceOf(host, "im")
		if ok && (strings.Contains(name.Name+name.Namespace, ".") || name.Name == "" || name.Namespace == "") {
			t.Fatalf("%q: %s is no name of a Service", host, name)
		}
	})
}

func FuzzBlock(f *testing.F) {
	for _, seed := range []string{"192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "fe80::1%eth0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ip, err := netip.ParseAddr(text)
		if err != nil {
			return
		}
		prefix, err := netip.ParsePrefix(block(ip).IPBlock.CIDR)
		if err != nil || !prefix.IsSingleIP() {
			t.Fatalf("%q: %v, %v", text, prefix, err)
		}
	})
}
