package ratelimit

import (
	"crypto/sha256"
	"encoding/base64"
	"net/netip"

	"github.com/openimstack/openim-operator/wrapper/httpserver"
)

// maxKeyBytes bounds what a caller can make us store.
const maxKeyBytes = 64

// networkMultipliers is how many times the quota of an address its networks have, the smallest network first: an IPv6 /64 counts as one address,
// a /56 has four times and a /48 sixteen times as much. Else whoever is given a /48 has the quota 65,536 times.
var networkMultipliers = []int64{1, 4, 16}

// key is one thing that is counted.
type key struct {
	name       string
	by         string
	multiplier int64 // of the class's quota
}

// unknown is shared by all of whom the value is not known.
const unknown = "-"

// keys names what is counted: one for each of the class's By, and three for an IPv6 address. All keys of a class share a hash tag, for
// a Cluster.
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

// nameOf leaves an IPv4 address without its length.
func nameOf(n netip.Prefix) string {
	if n.IsSingleIP() {
		return n.Addr().String()
	}
	return n.String()
}
