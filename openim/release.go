package openim

import (
	"fmt"
	"strconv"
	"strings"
)

// Release is a supported release of OpenIM.
type Release struct {
	// Tag of the release in OpenIM's repository.
	Tag string
	// patch is 0 for v3.8.3 itself, N for v3.8.3-patch.N.
	patch int
}

// Supported releases: v3.8.3 and its patches. The patches are later than v3.8.3, although semantic versioning orders them
// before v3.8.3.
const (
	base      = "v3.8.3"
	lastPatch = 16
	// unbuildable is a patch whose sources do not compile: pkg/common/config/config.go sets ClusterMode, which redisutil.Config of the version
	// of github.com/openimsdk/tools that it pins, v0.0.50-alpha.103, does not have.
	unbuildable = 11
)

// ParseRelease returns the supported release with the given tag.
func ParseRelease(tag string) (Release, error) {
	release, err := parse(tag)
	if err == nil && release.patch == unbuildable {
		return Release{}, fmt.Errorf("version %q is not supported, because its sources do not compile: write %s-patch.%d",
			tag, base, unbuildable+1)
	}
	return release, err
}

// parse returns the release with the given tag, also the one that is no longer supported: run revisions may name it.
func parse(tag string) (Release, error) {
	if tag == base {
		return Release{Tag: tag}, nil
	}
	digits, _ := strings.CutPrefix(tag, base+"-patch.")
	patch, err := strconv.Atoi(digits)
	if err != nil || patch < 1 || patch > lastPatch || strconv.Itoa(patch) != digits {
		return Release{}, fmt.Errorf("version %q is not supported: write %s, or a patch from %s-patch.1 to %s-patch.%d",
			tag, base, base, base, lastPatch)
	}
	return Release{Tag: tag, patch: patch}, nil
}

// Releases returns all supported releases, the oldest first.
func Releases() []Release {
	all := []Release{{Tag: base}}
	for patch := 1; patch <= lastPatch; patch++ {
		if patch == unbuildable {
			continue
		}
		all = append(all, Release{Tag: fmt.Sprintf("%s-patch.%d", base, patch), patch: patch})
	}
	return all
}

// RedisMode reports whether redis.yml has the key for the mode (patch 12 and later) instead of clusterMode.
func (r Release) RedisMode() bool { return r.patch >= 12 }

// RedisClusterNeedsTwo reports whether OpenIM takes a Redis Cluster with one address for a single server (patches 12 to 15;
// openimsdk/tools v0.0.50-alpha.106, db/redisutil/redis.go).
func (r Release) RedisClusterNeedsTwo() bool { return r.patch >= 12 && r.patch <= 15 }

// RegistersAgain reports whether a process writes its key in etcd again after it was lost (patch 16 and later), if etcd answers at once.
func (r Release) RegistersAgain() bool { return r.patch >= 16 }

// BracketsIPv6 reports whether a process registers an IPv6 address with brackets (patch 3 and later).
func (r Release) BracketsIPv6() bool { return r.patch >= 3 }

// RPCMaxBodySize reports whether share.yml limits the size of rpc messages (patch 5 and later).
func (r Release) RPCMaxBodySize() bool { return r.patch >= 5 }

// StorageAWS reports whether openim-rpc-third knows the object store aws (patch 6 and later).
func (r Release) StorageAWS() bool { return r.patch >= 6 }

// StorageMayBeAbsent reports whether openim-rpc-third starts without an object store (patch 6 and later; internal/rpc/third/third.go).
func (r Release) StorageMayBeAbsent() bool { return r.patch >= 6 }

// Compare returns a negative number when r is older than other, a positive one when it is newer, and 0 for the same release.
func (r Release) Compare(other Release) int { return r.patch - other.patch }

// MarshalText returns the tag.
func (r Release) MarshalText() ([]byte, error) { return []byte(r.Tag), nil }

// UnmarshalText parses a tag, also that of a release that was supported once. The empty text is the zero Release.
func (r *Release) UnmarshalText(text []byte) error {
	*r = Release{}
	if len(text) == 0 {
		return nil
	}
	var err error
	*r, err = parse(string(text))
	return err
}
