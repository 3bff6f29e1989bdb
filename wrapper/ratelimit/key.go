package ratelimit

import (
	"crypto/sha256"
	"encoding/base64"
	"net/netip"

	"github.com/openimstack/openim-operator/wrapper/httpserver"
)

// maxKeyBytes limits the length of an identifier in a key, which a caller chooses.
const maxKeyBytes = 64

// networkMultipliers are the multiples of the quota of one address that its networks have, the smallest network first. An IPv6 /64 has
// the quota of one address, a /56 four times and a /48 sixteen times as much. Otherwise an owner of a /48 would have the quota 65,536
// times.
var networkMultipliers = []int64{1, 4, 16}

// key is one counted user, device or network.
type key struct {
	name       string
	by         string
	multiplier int64 // multiple of the class's quota
}

// unknown replaces an unknown value. Callers for whom the field is unknown share one quota.
const unknown = "-"

// keys returns the keys of a call: one for each of the class's By, and three for an IPv6 address. All keys of a class have the same
// hash tag, so that they are in one slot of a Redis Cluster.
func keys(class string, by []string, s Subject) []key {
	out := make([]key, 0, len(by)+len(networkMultipliers)-1)
	for _, b := range by {
		at := "l:{" + class + "}:" + b + ":"
		switch b {
		case ByUser:
			out = append(out, key{at + bounded(s.User), b, 1})
		case ByDevice:
			out = append(out, key{at + bounded(s.Device), b, 1})
		case ByIP:
			networks := httpserver.Networks(s.IP)
			if len(networks) == 0 {
				out = append(out, key{at + unknown, b, 1})
			}
			for i, n := range networks {
				out = append(out, key{at + nameOf(n), b, networkMultipliers[i]})
			}
		}
	}
	return out
}

// bounded keeps short ids readable and hashes long ones. The prefixes = and ~ distinguish the two.
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

// nameOf returns the text of a network; an IPv4 address has no prefix length.
func nameOf(n netip.Prefix) string {
	if n.IsSingleIP() {
		return n.Addr().String()
	}
	return n.String()
}
