package routes

import (
	"fmt"
	"strconv"
	"strings"
)

// Release is a supported release of OpenIM: 0 is v3.8.3, N is v3.8.3-patch.N.
type Release int

const (
	baseRelease = "v3.8.3"
	// LastRelease is the newest supported release.
	LastRelease Release = 16
	// later marks routes of releases after LastRelease.
	later = LastRelease + 1
)

// ParseRelease parses a release's tag as OpenIM writes it.
func ParseRelease(tag string) (Release, error) {
	if tag == baseRelease {
		return 0, nil
	}
	digits, _ := strings.CutPrefix(tag, baseRelease+"-patch.")
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || n > int(LastRelease) || strconv.Itoa(n) != digits {
		return 0, fmt.Errorf("parsing the release: unsupported: write %s or %s-patch.1 to %s", baseRelease, baseRelease, LastRelease)
	}
	return Release(n), nil
}

func (r Release) String() string {
	if r == 0 {
		return baseRelease
	}
	return fmt.Sprintf("%s-patch.%d", baseRelease, int(r))
}

// In reports whether a release has the route.
func (r *Route) In(release Release) bool { return r.Since <= release }

// Releases returns a text about the releases that have the route.
func (r *Route) Releases() string {
	switch r.Since {
	case 0:
		return "all"
	case later:
		return "none that is supported"
	}
	return "from " + r.Since.String()
}
