package session

import (
	"fmt"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/openimstack/openim-operator/wrapper/config"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
)

// OpenIM's platforms that a device can be on.
const (
	ios = iota + 1
	android
	windows
	macOS
	web
	miniProgram
	linux
	androidPad
	iPad
)

var policies = []string{config.PolicyUnlimited, config.PolicyOnePerPlatform, config.PolicyOnePerClass, config.PolicyComputerAndOne}

// openIMKicks reports whether OpenIM ends the login of a user on one platform when the user logs in on another one, by its own rules:
// pkg/common/storage/controller/auth.go, checkToken, of v3.8.3, which is the same in v3.8.3-patch.16, with the classes of
// constant.PlatformIDToClass (protocol v0.0.72-alpha.71 and v0.0.73-alpha.12, the same in both) and maxNumOneEnd 1.
func openIMKicks(policy string, old, next int) bool {
	class := map[int]string{
		ios: "Mobile", android: "Mobile", miniProgram: "MiniWeb", web: "Web", windows: "PC", macOS: "PC", linux: "PC",
		androidPad: "Pad", iPad: "Pad",
	}
	switch policy {
	case config.PolicyUnlimited: // DefalutNotKick: ts[:l-limit] of the platform
		return old == next
	case config.PolicyOnePerPlatform: // AllLoginButSameTermKick
		return old == next
	case config.PolicyOnePerClass: // AllLoginButSameClassKick
		return class[old] == class[next]
	case config.PolicyComputerAndOne: // PCAndOther: a computer ends nothing, and only another device ends a device
		return class[next] != "PC" && class[old] != "PC"
	}
	panic(policy)
}

func TestEachPolicyEndsWhatOpenIMEnds(t *testing.T) {
	now := time.Now()
	for _, policy := range policies {
		m := MultiLogin{Policy: policy}
		if policy == config.PolicyUnlimited {
			m.MaxPerPlatform = 1
		}
		for old := ios; old <= iPad; old++ {
			for next := ios; next <= iPad; next++ {
				name := fmt.Sprintf("%s: %d, then %d", policy, old, next)
				g := NewWithT(t)
				sessions := []Session{
					{ID: "a", DeviceID: "first", PlatformID: int32(old), Created: now.Add(-time.Minute)},
					{ID: "b", DeviceID: "second", PlatformID: int32(next), Created: now},
				}
				if openIMKicks(policy, old, next) {
					g.Expect(excluded(m, sessions, now)).To(Equal(sessions[:1]), name)
				} else {
					g.Expect(excluded(m, sessions, now)).To(BeEmpty(), name)
				}
			}
		}
	}
}

func TestADeviceCountsOnce(t *testing.T) {
	g, now := NewWithT(t), time.Now()
	at := func(id, device string, platform int32, ago int) Session {
		return Session{ID: id, DeviceID: device, PlatformID: platform, Created: now.Add(-time.Duration(ago) * time.Second)}
	}
	ids := func(sessions []Session) (out []string) {
		for _, s := range sessions {
			out = append(out, s.ID)
		}
		return out
	}
	all := []Session{
		at("phone-1", "phone", ios, 90), at("phone-2", "phone", ios, 10), at("other", "phone2", ios, 50),
		at("tab-1", "browser", web, 80), at("tab-2", "browser", web, 70), at("laptop", "laptop", linux, 60), at("desk", "desk", windows, 40),
		at("tablet", "tablet", iPad, 5),
	}
	g.Expect(ids(excluded(MultiLogin{Policy: config.PolicyOnePerPlatform}, all, now))).To(Equal([]string{"other"}))
	g.Expect(ids(excluded(MultiLogin{Policy: config.PolicyOnePerClass}, all, now))).To(Equal([]string{"other", "laptop"}))
	g.Expect(ids(excluded(MultiLogin{Policy: config.PolicyComputerAndOne}, all, now))).
		To(Equal([]string{"phone-2", "other", "tab-2", "tab-1", "phone-1"}), "computers are not counted")
	g.Expect(excluded(MultiLogin{Policy: config.PolicyUnlimited}, all, now)).To(BeEmpty())
	g.Expect(ids(excluded(MultiLogin{Policy: config.PolicyUnlimited, MaxPerPlatform: 1}, all, now))).To(Equal([]string{"other"}))
	g.Expect(ids(excluded(MultiLogin{Policy: config.PolicyUnlimited, MaxPerPlatform: 2}, all, now))).To(BeEmpty())
	g.Expect(excluded(MultiLogin{Policy: config.PolicyOnePerPlatform}, nil, now)).To(BeEmpty())
	unheard := []Session{at("x", "x", 77, 2), at("y", "y", 77, 1), at("z", "z", 78, 1)}
	g.Expect(ids(excluded(MultiLogin{Policy: config.PolicyOnePerClass}, unheard, now))).To(Equal([]string{"x"}), "a platform without a class")
}

// A Redis whose clock was set back must not make every later login the older one.
func TestASessionFromTheFutureReplacesNone(t *testing.T) {
	g, now := NewWithT(t), time.Now()
	future := Session{ID: "a", DeviceID: "phone", PlatformID: ios, Created: now.Add(5 * time.Minute)}
	fresh := Session{ID: "b", DeviceID: "phone2", PlatformID: ios, Created: now}
	g.Expect(excluded(MultiLogin{Policy: config.PolicyOnePerPlatform}, []Session{future, fresh}, now)).To(Equal([]Session{future}))
	g.Expect(excluded(MultiLogin{Policy: config.PolicyOnePerPlatform}, []Session{fresh, future}, now)).To(Equal([]Session{future}))
}

// drawSessions draws up to 12 sessions of up to 6 devices. Many begin in the same millisecond.
func drawSessions(t *rapid.T, now time.Time) []Session {
	platforms := map[string]int32{}
	var all []Session
	for i := range rapid.IntRange(0, 12).Draw(t, "sessions") {
		device := fmt.Sprint("device-", rapid.IntRange(0, 5).Draw(t, "device"))
		if _, there := platforms[device]; !there {
			platforms[device] = rapid.Int32Range(ios, iPad).Draw(t, "platform")
		}
		all = append(all, Session{ID: fmt.Sprintf("s%02d", i), DeviceID: device, PlatformID: platforms[device],
			Created: now.Add(time.Duration(rapid.IntRange(-5, 1).Draw(t, "created")) * time.Second)})
	}
	return all
}

func drawPolicy(t *rapid.T) MultiLogin {
	m := MultiLogin{Policy: rapid.SampledFrom(policies).Draw(t, "policy")}
	if m.Policy == config.PolicyUnlimited {
		m.MaxPerPlatform = rapid.Int32Range(1, 3).Draw(t, "max")
	}
	return m
}

// What must hold for any sessions: the newest device stays, with all its sessions; the rest satisfies the policy; the order in which Redis
// lists sessions does not matter; and applying the policy twice ends nothing more.
func TestWhatAPolicyExcludes(t *testing.T) {
	now := time.Now()
	rapid.Check(t, func(t *rapid.T) {
		all, m := drawSessions(t, now), drawPolicy(t)
		gone := excluded(m, all, now)
		shuffled := rapid.Permutation(all).Draw(t, "order")
		if !slices.EqualFunc(gone, excluded(m, shuffled, now), func(a, b Session) bool { return a.ID == b.ID }) {
			t.Fatal("the order of the list matters")
		}
		left := slices.DeleteFunc(slices.Clone(all), func(s Session) bool {
			return slices.ContainsFunc(gone, func(g Session) bool { return g.ID == s.ID })
		})
		if len(excluded(m, left, now)) > 0 {
			t.Fatal("what is left does not satisfy the policy")
		}
		if len(all) == 0 {
			return
		}
		newest := slices.MaxFunc(all, func(a, b Session) int { return max(-1, min(1, 2*a.Created.Compare(b.Created)+compare(a.ID, b.ID))) })
		for _, s := range gone {
			if s.DeviceID == newest.DeviceID {
				t.Fatalf("a session of the newest device is excluded: %+v", s)
			}
		}
	})
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func TestPoliciesAreValidated(t *testing.T) {
	for text, m := range map[string]MultiLogin{
		"":                               {Policy: config.PolicyOnePerClass, Enforcement: config.EnforcementEnforce},
		" ":                              {Policy: config.PolicyUnlimited, MaxPerPlatform: 1000, Enforcement: config.EnforcementReport},
		"m.policy: write Unlimited":      {},
		"m.policy: write Unlimited, One": {Policy: "oneperplatform"},
		"m.maxPerPlatform: it belongs":   {Policy: config.PolicyOnePerPlatform, MaxPerPlatform: 3},
		"m.maxPerPlatform: write 1 to":   {Policy: config.PolicyUnlimited, MaxPerPlatform: 1001},
		"m.maxPerPlatform: write 1":      {Policy: config.PolicyUnlimited, MaxPerPlatform: -1},
		"m.enforcement: write Report or": {Policy: config.PolicyOnePerPlatform, Enforcement: "Enforced"},
	} {
		var p httpserver.Problems
		ValidateMultiLogin(&m, &p, "m")
		if text == "" || text == " " {
			NewWithT(t).Expect(p.Err()).NotTo(HaveOccurred(), "%+v", m)
			continue
		}
		NewWithT(t).Expect(p.Err()).To(MatchError(HavePrefix(text)), "%+v", m)
	}
}
