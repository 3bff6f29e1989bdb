package session

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/openimstack/openim-operator/wrapper/config"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
)

// MultiLogin is the policy on how many devices of a user may be logged in. The gateway has it in its hot configuration and sends it with
// each login; the backend applies it.
type MultiLogin = config.MultiLogin

// ValidateMultiLogin adds a problem for each invalid value, with its field below at.
func ValidateMultiLogin(m *MultiLogin, p *httpserver.Problems, at string) {
	switch m.Policy {
	case config.PolicyUnlimited:
		if m.MaxPerPlatform < 0 || m.MaxPerPlatform > config.MaxDevicesPerPlatform {
			p.Add(at+".maxPerPlatform", "write 1 to %d", config.MaxDevicesPerPlatform)
		}
	case config.PolicyOnePerPlatform, config.PolicyOnePerClass, config.PolicyComputerAndOne:
		if m.MaxPerPlatform != 0 {
			p.Add(at+".maxPerPlatform", "it belongs to policy Unlimited: remove it, or write policy: Unlimited")
		}
	default:
		p.Add(at+".policy", "write Unlimited, OnePerPlatform, OnePerClass or ComputerAndOne")
	}
	switch m.Enforcement {
	case "", config.EnforcementReport, config.EnforcementEnforce:
	default:
		p.Add(at+".enforcement", "write Report or Enforce")
	}
}

// Classes of platforms, as OpenIM has them (protocol, constant.PlatformIDToClass). A platform without a class is a class of its own.
const (
	classMobile   = "Mobile"
	classComputer = "PC"
	classPad      = "Pad"
)

// classes are by OpenIM's numbers of platforms: 1 iOS, 2 Android, 3 Windows, 4 macOS, 5 web, 6 mini program, 7 Linux, 8 Android tablet,
// 9 iPad. Web and mini program are classes of their own.
var classes = map[int32]string{
	1: classMobile, 2: classMobile, 3: classComputer, 4: classComputer, 7: classComputer, 8: classPad, 9: classPad,
}

// group is a set of platforms on which together max devices may be logged in. max 0: any number.
type group struct {
	class    string // of classes, or empty
	platform int32  // of a group with one platform
}

// groupOf returns the group of a platform, and how many devices it may have.
func groupOf(m MultiLogin, platform int32) (group, int) {
	class := classes[platform]
	switch m.Policy {
	case config.PolicyOnePerPlatform:
		return group{platform: platform}, 1
	case config.PolicyOnePerClass:
		if class == "" {
			return group{platform: platform}, 1
		}
		return group{class: class}, 1
	case config.PolicyComputerAndOne:
		if class == classComputer {
			return group{class: class}, 0
		}
		return group{}, 1
	}
	return group{platform: platform}, int(cmp.Or(m.MaxPerPlatform, config.DefaultDevicesPerPlatform))
}

// clockTolerance is how far a session's beginning may be ahead of Redis' clock. One that is further ahead began before the clock was set
// back, for example by a failover: it counts as older than all others. Otherwise no later login would last until the clock has caught up.
const clockTolerance = 2 * time.Second

// excluded returns those of a user's sessions that the policy excludes, newest first. In each group the devices that logged in last are
// kept, with all their sessions. The order is total, so that all replicas keep the same ones.
func excluded(m MultiLogin, sessions []Session, now time.Time) []Session {
	ordered := slices.Clone(sessions)
	slices.SortFunc(ordered, func(a, b Session) int {
		aheadA, aheadB := a.Created.After(now.Add(clockTolerance)), b.Created.After(now.Add(clockTolerance))
		if aheadA != aheadB {
			if aheadA {
				return 1
			}
			return -1
		}
		return cmp.Or(b.Created.Compare(a.Created), strings.Compare(b.ID, a.ID))
	})
	kept := map[group]map[string]bool{}
	var out []Session
	for _, s := range ordered {
		g, limit := groupOf(m, s.PlatformID)
		if kept[g] == nil {
			kept[g] = map[string]bool{}
		}
		switch {
		case kept[g][s.DeviceID]:
		case limit == 0 || len(kept[g]) < limit:
			kept[g][s.DeviceID] = true
		default:
			out = append(out, s)
		}
	}
	return out
}
