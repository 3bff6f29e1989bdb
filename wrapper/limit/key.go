package limit

import (
	"crypto/sha256"
	"encoding/base64"
	"net/netip"
)

// maxKeyBytes bounds what a caller can make us store.
const maxKeyBytes = 64

// ipv6Bits is what one customer is given at least: within it, addresses are free.
const ipv6Bits = 64

// unknown is shared by all of whom the value is not known.
const unknown = "-"

// keys names what is counted, one for each of the class's By. All keys of a class share a hash tag, for a Cluster.
func keys(class string, by []string, s Subject) []string {
	out := make([]string, len(by))
	for i, b := range by {
		value := ""
		switch b {
		case ByUser:
			value = bounded(s.User)
		case ByDevice:
			value = bounded(s.Device)
		case ByIP:
			value = network(s.IP)
		}
		out[i] = "l:{" + class + "}:" + b + ":" + value
	}
	return out
}

// bounded leaves ids readable where it can. The marks = and ~ keep the kinds apart.
func bounded(id string) string {
	if id == "" {
		return unknown
	}
	if len(id) > maxKeyBytes {
		sum := sha256.Sum256([]byte(id))
		return "~" + base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return "=" + id
}

func network(ip netip.Addr) string {
	ip = ip.Unmap().WithZone("")
	if !ip.IsValid() {
		return unknown
	}
	if ip.Is4() {
		return ip.String()
	}
	prefix, err := ip.Prefix(ipv6Bits)
	if err != nil {
		return unknown
	}
	return prefix.String()
}
