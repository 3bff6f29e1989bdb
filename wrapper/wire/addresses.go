package wire

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// Patterns of the cluster's addresses as gRPC, Go's net package and the stores' drivers write them. Hosts are lower case, as in
// Kubernetes.
var (
	// A URL, a target of gRPC, a key of OpenIM's in etcd, or the path of a Unix socket.
	resourceLike = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.\-]*://[^\s"'<>]+|\bopenim/[\w./:\-]*[\w/]|\b(?:unix|unixgram) /[^\s:"]+`)
	// net.DNSError: lookup NAME on SERVER.
	lookupLike = regexp.MustCompile(`\blookup [^\s:,"]+`)
	// Candidates, which netip verifies.
	bracketLike = regexp.MustCompile(`\[[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%[\w.\-]+)?\](?::\d{1,5})?`)
	colonsLike  = regexp.MustCompile(`[0-9A-Fa-f]*(?::[0-9A-Fa-f.]*){2,}(?:%[\w.\-]+)?(?:/\d{1,3})?`)
	ipv4Like    = regexp.MustCompile(`\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?(?:/\d{1,2})?`)
	// Names of Services, of pods of StatefulSets, of nodes, of OpenIM's processes.
	nameLike = regexp.MustCompile(`\b(?:` +
		`[a-z0-9\-]+(?:\.[a-z0-9\-]+)*\.(?:svc|local|internal|localdomain)(?:\.[a-z0-9\-]+)*` +
		`|[a-z0-9\-]*[a-z0-9]-\d+(?:\.[a-z0-9\-]+)+` +
		`|openim-[a-z0-9\-]*[a-z0-9]` +
		`|(?:[a-z0-9\-]+-)?(?:rpc-(?:auth|conversation|friend|group|msg|third|user)|msggateway|msgtransfer)(?:-[a-z0-9\-]*[a-z0-9])?` +
		`)\b(?::\d{1,5})?`)
	hostPortLike = regexp.MustCompile(`[a-z0-9](?:[a-z0-9_\-.]*[a-z0-9])?:\d{1,5}`)
)

// firstUnprivileged is the lowest port for which a single word before it counts as a host: "mongo:27017" is an address, "seq:5"
// is not.
const firstUnprivileged = 1024

// withoutAddresses removes what reveals the location of the processes behind the wrapper: addresses, ports, names of hosts and
// Services, URLs. It removes too much rather than too little: SDKs act on errCode, not on the text.
func withoutAddresses(s string) string {
	s = resourceLike.ReplaceAllStringFunc(s, func(found string) string {
		if kind, _, unix := strings.Cut(found, " /"); unix {
			return kind + " " + Removed
		}
		return Removed
	})
	s = lookupLike.ReplaceAllString(s, "lookup "+Removed)
	s = bracketLike.ReplaceAllStringFunc(s, func(found string) string {
		host, _, _ := strings.Cut(found[1:], "]")
		if _, err := netip.ParseAddr(host); err != nil {
			return found
		}
		return Removed
	})
	s = replaceWords(s, colonsLike, withoutIPv6)
	s = ipv4Like.ReplaceAllString(s, Removed)
	s = nameLike.ReplaceAllString(s, Removed)
	return replaceWords(s, hostPortLike, withoutHost)
}

// replaceWords replaces the matches that do not begin or end within a word.
func replaceWords(s string, like *regexp.Regexp, replace func(string) string) string {
	var b strings.Builder
	last := 0
	for _, at := range like.FindAllStringIndex(s, -1) {
		if at[0] > 0 && isWord(s[at[0]-1]) || at[1] < len(s) && isWord(s[at[1]]) {
			continue
		}
		b.WriteString(s[last:at[0]])
		b.WriteString(replace(s[at[0]:at[1]]))
		last = at[1]
	}
	b.WriteString(s[last:])
	return b.String()
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// withoutIPv6 removes an IPv6 address, which a prefix length, a zone, a port or punctuation may follow.
func withoutIPv6(found string) string {
	address, _, _ := strings.Cut(found, "/")
	address, _, _ = strings.Cut(address, "%")
	trimmed := strings.TrimRight(address, ".")
	for _, candidate := range []string{trimmed, strings.TrimSuffix(trimmed, ":"), withoutLast(trimmed)} {
		if ip, err := netip.ParseAddr(candidate); err == nil && ip.Is6() && candidate != "::" {
			if candidate == withoutLast(trimmed) {
				return Removed
			}
			return Removed + address[len(candidate):]
		}
	}
	return found
}

func withoutLast(address string) string {
	if at := strings.LastIndexByte(address, ':'); at >= 0 {
		return address[:at]
	}
	return address
}

func withoutHost(found string) string {
	host, port, _ := strings.Cut(found, ":")
	n, err := strconv.Atoi(port)
	if err != nil || n == 0 || n > 1<<16-1 || !strings.ContainsAny(host, "abcdefghijklmnopqrstuvwxyz") {
		return found
	}
	if strings.ContainsAny(host, ".-") || host == "localhost" || n >= firstUnprivileged {
		return Removed
	}
	return found
}
