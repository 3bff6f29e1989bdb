package openim

import (
	"fmt"
	"strconv"
	"strings"
)

// Release is a supported release of OpenIM.
type Release struct {
	// Tag as upstream writes it.
	Tag string
	// patch is 0 for v3.8.3 itself, N for v3.8.3-patch.N.
	patch int
}

// Supported releases: v3.8.3 and its patches. The patches are later than v3.8.3 itself, although semantic versioning
// orders them before it.
const (
	base      = "v3.8.3"
	lastPatch = 16
)

// ParseRelease recognises a supported release by its tag.
func ParseRelease(tag string) (Release, error) {
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

// RedisMode tells whether redis.yml names the mode (patch 12 and later) instead of setting clusterMode.
func (r Release) RedisMode() bool { return r.patch >= 12 }

// RPCMaxBodySize tells whether share.yml bounds the size of rpc messages (patch 5 and later).
func (r Release) RPCMaxBodySize() bool { return r.patch >= 5 }
