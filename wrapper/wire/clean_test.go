package wire

import (
	"strings"
	"testing"
	"unicode/utf8"

	. "github.com/onsi/gomega"
)

// TestAddressesOfTheClusterAreTakenOut has texts as OpenIM's processes, gRPC, Go's net package and the stores' drivers write them.
func TestAddressesOfTheClusterAreTakenOut(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"a refused call", `rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial tcp 10.1.2.3:10280: connect: connection refused"`,
			`rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial tcp [removed]: connect: connection refused"`},
		{"both ends of a connection", "read tcp 10.244.0.7:43210->10.244.1.9:6379: i/o timeout",
			"read tcp [removed]->[removed]: i/o timeout"},
		{"an address alone", "peer 192.168.1.10 is gone", "peer [removed] is gone"},
		{"an address at the end of a sentence", "cannot reach 192.168.1.10.", "cannot reach [removed]."},
		{"a network", "not in 10.0.0.0/8", "not in [removed]"},
		{"IPv6 with a port", "dial tcp [fd00:10:244::7]:10280: connect: no route to host", "dial tcp [removed]: connect: no route to host"},
		{"IPv6 alone", "peer fd00:10:244::7, is gone", "peer [removed], is gone"},
		{"IPv6 with a zone", "dial udp [fe80::1%eth0]:53: i/o timeout", "dial udp [removed]: i/o timeout"},
		{"IPv4 in IPv6", "peer ::ffff:10.1.2.3 is gone", "peer [removed] is gone"},
		{"loopback of IPv6", "dial tcp [::1]:6379: connect: connection refused", "dial tcp [removed]: connect: connection refused"},
		{"a Service by its short name", "dial tcp: lookup redis-master on 10.96.0.10:53: no such host",
			"dial tcp: lookup [removed] on [removed]: no such host"},
		{"a Service by its whole name", "no host demo-mongodb.im-prod.svc.cluster.local here", "no host [removed] here"},
		{"in another domain of clusters", "no host demo-mongodb.im-prod.svc.k8s.corp here", "no host [removed] here"},
		{"by its name and namespace", "no host demo-mongodb.im-prod.svc", "no host [removed]"},
		{"a pod of a StatefulSet", "no host kafka-0.kafka.infra here", "no host [removed] here"},
		{"a node", "no host ip-10-1-2-3.eu-west-1.compute.internal here", "no host [removed] here"},
		{"host and port", "Servers: [{ Addr: mongo:27017, Type: Unknown }]", "Servers: [{ Addr: [removed], Type: Unknown }]"},
		{"localhost", "dial tcp localhost:10280: connect: connection refused", "dial tcp [removed]: connect: connection refused"},
		{"an OpenIM process", "openim-rpc-msg-7c9f6d-x2x4z is away", "[removed] is away"},
		{"a URL", `Get "http://minio.infra:9000/openim?location=": EOF`, `Get "[removed]": EOF`},
		{"a URL with a password", "error parsing uri: mongodb://openim:pa%20ss@mongo:27017/openim_v3", "error parsing uri: [removed]"},
		{"a target of gRPC", `dial target "etcd:///openim/msg"`, `dial target "[removed]"`},
		{"a key of etcd", "no address at openim/msg/10.1.2.3:10280", "no address at [removed]"},
		{"a socket file", "dial unix /var/run/openim/msg.sock: connect: no such file", "dial unix [removed]: connect: no such file"},
		{"an address in a list", "(10.1.2.3:1|10.1.2.4:2;10.1.2.5)", "([removed]|[removed];[removed])"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := CleanText(c.in)
			NewWithT(t).Expect(got).To(Equal(c.want))
			NewWithT(t).Expect(CleanText(got)).To(Equal(got), "cleaned twice")
		})
	}
}

// TestWhatIsNoAddressStays has texts that SDKs and users need.
func TestWhatIsNoAddressStays(t *testing.T) {
	for _, text := range []string{
		"RecordNotFoundError",
		"userID is already registered: alice",
		"args is invalid: pageNumber: 0",
		"ArgsError: conversationID si_alice_bob is not yours",
		"produced zero addresses",
		"at 12:30:45 on 2026-03-01T12:30:45Z",
		"release v3.8.3-patch.16 of 1.2.3",
		"std::bad_alloc",
		"the user 10001 is not in the group 2000_3000",
		"用户不存在: 12",
		"see docs/websocket.md",
		"ratio 3:10, seq:5",
		"the address is [removed]",
	} {
		NewWithT(t).Expect(CleanText(text)).To(Equal(text))
	}
}

func TestAnAddressAtTheCutIsGoneWhole(t *testing.T) {
	for pad := MaxErrMsgBytes - 30; pad <= MaxErrMsgBytes; pad++ {
		got := CleanText(strings.Repeat("x", pad) + " 10.244.17.23:10280")
		NewWithT(t).Expect(got).NotTo(ContainSubstring("10."), "after %d", pad)
	}
}

func TestTheLogKeepsAddressesAndNoSecret(t *testing.T) {
	NewWithT(t).Expect(CleanDetail("dial tcp 10.1.2.3:10280 as s3cr3t\nmore", "s3cr3t")).To(Equal("dial tcp 10.1.2.3:10280 as [removed]"))
}

// FuzzCleanText checks that an address in any text is removed, and that the result is bounded and valid UTF-8.
func FuzzCleanText(f *testing.F) {
	f.Add("dial tcp ", ": connect: connection refused")
	f.Add("a ", "")
	f.Add("read tcp 10.1.1.1:2->", ": eof")
	f.Fuzz(func(t *testing.T, before, after string) {
		got := CleanText(before + " 10.244.17.23:10280 " + after)
		if strings.Contains(got, "10.244.17.23") || strings.Contains(got, "10280") && !strings.Contains(before+after, "10280") {
			t.Fatalf("left: %q", got)
		}
		if len(got) > MaxErrMsgBytes || !utf8.ValidString(got) {
			t.Fatalf("not bounded or not UTF-8: %q", got)
		}
	})
}
