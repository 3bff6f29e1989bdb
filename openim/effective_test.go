package openim_test

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// values returns the effective values by name, after a look at what holds for all of them.
func values(t *testing.T, s openim.Settings) map[string]string {
	t.Helper()
	g := NewWithT(t)
	all := map[string]string{}
	for _, v := range s.Effective() {
		g.Expect(all).NotTo(HaveKey(v.Name))
		g.Expect(v.Value).NotTo(BeEmpty(), v.Name)
		g.Expect(len(v.Value)).To(BeNumerically("<=", 256), v.Name)
		g.Expect(len(v.Name)).To(BeNumerically("<=", 64))
		all[v.Name] = v.Value
	}
	g.Expect(len(all)).To(BeNumerically("<=", 32), "the schema of the status takes no more")
	g.Expect(s.Effective()).To(Equal(s.Effective()), "always in the same order, so that the status is not written again")
	return all
}

func TestTheDefaultsAreTold(t *testing.T) {
	g := NewWithT(t)
	all := values(t, settings(t, "v3.8.3"))
	for name, value := range map[string]string{
		"settings.tokenLifetimeDays": "90", "settings.friendship": "Optional", "settings.newMemberHistory": "Visible",
		"settings.retention.messageDays": "365", "settings.retention.fileDays": "180", "settings.retention.schedule": "0 2 * * *",
		"settings.retention.fileTypes": "msg-picture msg-file msg-voice msg-video msg-video-snapshot sdklog",
		"settings.log.level":           "Error", "settings.log.format": "Text",
		"settings.webSocket.maxConnections": "100000", "settings.webSocket.handshakeTimeoutSeconds": "10",
	} {
		g.Expect(all).To(HaveKeyWithValue(name, value))
	}
	g.Expect(all).NotTo(HaveKey("settings.multiLogin.policy"), "without one no session ends for another")
	g.Expect(all).NotTo(HaveKey("settings.maxRPCMessageBytes"), "the release has no such setting")
	g.Expect(values(t, settings(t, "v3.8.3-patch.5"))).To(HaveKeyWithValue("settings.maxRPCMessageBytes", "8388608"))
}

func TestWhatWasChosenIsTold(t *testing.T) {
	g := NewWithT(t)
	s := settings(t, "v3.8.3-patch.16")
	s.Chosen = chosen(t)
	all := values(t, s)
	for name, value := range map[string]string{
		"settings.multiLogin.policy": "Unlimited", "settings.multiLogin.maxPerPlatform": "7", "settings.multiLogin.enforcement": "Enforce",
		"settings.tokenLifetimeDays": "30", "settings.friendship": "Required", "settings.newMemberHistory": "Hidden",
		"settings.retention.messageDays": "0", "settings.retention.fileDays": "0", "settings.retention.fileTypes": "msg-file true 7",
		"settings.log.level": "Warning", "settings.log.format": "JSON", "settings.maxRPCMessageBytes": "1048576",
	} {
		g.Expect(all).To(HaveKeyWithValue(name, value))
	}
	s.Chosen = &v1alpha1.Settings{MultiLogin: &v1alpha1.MultiLogin{Policy: v1alpha1.MultiLoginOnePerClass}}
	g.Expect(values(t, s)).To(And(
		HaveKeyWithValue("settings.multiLogin.enforcement", "Report"), Not(HaveKey("settings.multiLogin.maxPerPlatform"))))

	s.RedisAddresses = []string{"a:1", "b:1"}
	g.Expect(values(t, s)).To(And(HaveKeyWithValue("dependencies.redis.mode", "Cluster"), Not(HaveKey("dependencies.redis.database"))))
	s.RedisAddresses = s.RedisAddresses[:1]
	s.RedisDatabase = 3
	g.Expect(values(t, s)).To(And(
		HaveKeyWithValue("dependencies.redis.mode", "Standalone"), HaveKeyWithValue("dependencies.redis.database", "3")))
	long := strings.Repeat("é", 64)
	s.Chosen.Retention = &v1alpha1.Retention{FileTypes: []string{long, long, long, long}}
	g.Expect(values(t, s)["settings.retention.fileTypes"]).To(HaveSuffix("..."))
}
