package settings_test

import (
	"path"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/openim/settings"
)

func release(t *testing.T, tag string) openim.Release {
	t.Helper()
	r, err := openim.ParseRelease(tag)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return r
}

func TestEveryReleaseHasADialect(t *testing.T) {
	for _, r := range openim.Releases() {
		d, ok := settings.DialectOf(r)
		NewWithT(t).Expect(ok).To(BeTrue(), r.Tag)
		NewWithT(t).Expect(d.Files).To(HaveLen(22), r.Tag)
	}
	NewWithT(t).Expect(settings.Dialects()).To(HaveLen(4))
}

// A new release, or a key that nobody has read about, fails here.
func TestEveryKeyHasAClass(t *testing.T) {
	for _, d := range settings.Dialects() {
		for file, keys := range d.Files {
			for key := range keys {
				row, ok := settings.RowOf(file, key)
				NewWithT(t).Expect(ok).To(BeTrue(), "%s, %s: no class", file, key)
				NewWithT(t).Expect(row.Class).To(BeElementOf(settings.Field, settings.Free, settings.Operator, settings.Dead))
			}
		}
	}
}

func TestEveryRowCountsForAKeyAndSaysWhatItMust(t *testing.T) {
	used := map[string]bool{}
	for _, d := range settings.Dialects() {
		for file, keys := range d.Files {
			for key := range keys {
				row, _ := settings.RowOf(file, key)
				used[row.Files+" "+row.Keys] = true
			}
		}
	}
	for _, row := range settings.Table() {
		g := NewWithT(t)
		name := row.Files + " " + row.Keys
		_, badFiles := path.Match(row.Files, "")
		_, badKeys := path.Match(row.Keys, "")
		g.Expect(badFiles).NotTo(HaveOccurred(), name)
		g.Expect(badKeys).NotTo(HaveOccurred(), name)
		g.Expect(used).To(HaveKey(name), "the row matches no key, or an earlier one hides it")
		for class, text := range map[settings.Class]string{settings.Field: row.Field, settings.Operator: row.Why, settings.Free: row.What} {
			if row.Class == class {
				g.Expect(text).NotTo(BeEmpty(), name)
			} else {
				g.Expect(text).To(BeEmpty(), name)
			}
		}
	}
}

// freeKeys calls a function with each free key of a dialect and its row.
func freeKeys(d settings.Dialect, each func(file openim.File, key string, kind settings.Type, row settings.Row)) {
	for file, keys := range d.Files {
		for _, key := range settings.FreeKeys(keys, file) {
			row, _ := settings.RowOf(file, key)
			each(file, key, keys[key], row)
		}
	}
}

// The schema of the CRD names the files, so each free key must be in one of them.
func TestTheFreeKeys(t *testing.T) {
	for _, d := range settings.Dialects() {
		count := 0
		freeKeys(d, func(file openim.File, key string, kind settings.Type, row settings.Row) {
			g := NewWithT(t)
			g.Expect(string(file)).To(BeElementOf("kafka.yml", "local-cache.yml", "mongodb.yml", "openim-api.yml", "openim-push.yml", "redis.yml"))
			switch kind {
			case "int":
				g.Expect(row.Values.Max).To(BeNumerically(">", row.Values.Min), key)
			case "string":
				g.Expect(row.Values.Texts).NotTo(BeEmpty(), key)
			case "bool":
			default:
				t.Errorf("%s is of the type %s: values of it are not checked", key, kind)
			}
			count++
		})
		NewWithT(t).Expect(count).To(Equal(25))
	}
}

func TestOverrides(t *testing.T) {
	old, newest := release(t, "v3.8.3"), release(t, "v3.8.3-patch.16")
	for _, c := range []struct {
		release                openim.Release
		file, key, value, says string
	}{
		{newest, "redis.yml", "poolSize", "200", ""},
		{newest, "redis.yml", "poolSize", "1", ""},
		{newest, "redis.yml", "poolSize", "10000", ""},
		{newest, "redis.yml", "poolSize", "0", "write a whole number from 1 to 10000"},
		{newest, "redis.yml", "poolSize", "10001", "write a whole number from 1 to 10000"},
		{newest, "redis.yml", "poolSize", "-1", "write a whole number"},
		{newest, "redis.yml", "poolSize", "0x10", "write a whole number"},
		{newest, "redis.yml", "poolSize", "010", "write a whole number"},
		{newest, "redis.yml", "poolSize", "+5", "write a whole number"},
		{newest, "redis.yml", "poolSize", "1e3", "write a whole number"},
		{newest, "redis.yml", "poolSize", "99999999999999999999", "write a whole number"},
		{newest, "redis.yml", "poolSize", "5\npassword: x", "write a whole number"},
		{newest, "openim-api.yml", "api.compressionLevel", "-1", ""},
		{newest, "openim-push.yml", "fullUserCache", "false", ""},
		{newest, "openim-push.yml", "fullUserCache", "yes", "write true or false"},
		{newest, "kafka.yml", "compressType", "zstd", ""},
		{newest, "kafka.yml", "compressType", "ZSTD", "write one of none, gzip, snappy, lz4, zstd"},
		{newest, "kafka.yml", "producerAck", "no_response", "write one of wait_for_local, wait_for_all"},
		{newest, "kafka.yml", "producerAck", "", "write one of"},
		{newest, "kafka.yml", "username", "me", "it is set by spec.dependencies.kafka: remove it here"},
		{newest, "kafka.yml", "toRedisTopic", "x", "it is the operator's, because all processes of a stack use the same name"},
		{newest, "openim-api.yml", "api.ports", "80", "it is the operator's, because policies"},
		{newest, "openim-push.yml", "geTui.intent", "x", "no code of OpenIM v3.8.3-patch.16 reads it: remove it"},
		{newest, "redis.yml", "poolsize", "5", "OpenIM v3.8.3-patch.16 has no such key: write one of maxRetry, poolSize"},
		{newest, "redis.yml", "", "5", "OpenIM v3.8.3-patch.16 has no such key"},
		{newest, "redis.yml", "storage", "5", "OpenIM v3.8.3-patch.16 has no such key"},
		{old, "redis.yml", "storage", "5", "it is set by spec.dependencies.redis"},
		{newest, "nothing.yml", "a", "b", "OpenIM v3.8.3-patch.16 has no such key: remove it"},
		{newest, "local-cache.yml", "user.slotNum", "0", "write a whole number from 1 to 10000"},
		{newest, "local-cache.yml", "nobody.slotNum", "5", "OpenIM v3.8.3-patch.16 has no such key: write one of conversation.failedExpire, "},
		{openim.Release{Tag: "v4.0.0"}, "redis.yml", "poolSize", "5", "nothing is known of the settings of v4.0.0"},
	} {
		g := NewWithT(t)
		problem := settings.Check(c.release, openim.File(c.file), c.key, c.value)
		if c.says == "" {
			g.Expect(problem).To(BeNil(), "%s %s: %s", c.file, c.key, c.value)
			continue
		}
		g.Expect(problem).NotTo(BeNil(), "%s %s: %s", c.file, c.key, c.value)
		g.Expect(problem.Text).To(HavePrefix(c.says), "%s %s: %s", c.file, c.key, c.value)
		g.Expect(problem.Unknown).To(Equal(strings.Contains(c.says, "no such key") || strings.HasPrefix(c.says, "nothing is known")))
	}
}

func TestRefusalsNameTheField(t *testing.T) {
	g := NewWithT(t)
	days, bytes := int32(0), int32(1<<20)
	chosen := &v1alpha1.Settings{
		Retention:          &v1alpha1.Retention{MessageDays: &days, Schedule: "99 2 * * *"},
		MaxRPCMessageBytes: &bytes,
		Overrides: []v1alpha1.SettingsFile{
			{File: "redis.yml", Values: map[string]v1alpha1.SettingValue{"poolSize": "many", "pool": "1", "maxRetry": "5"}},
			{File: "openim-push.yml", Values: map[string]v1alpha1.SettingValue{"maxConcurrentWorkers": "2"}},
		},
	}
	refusals := settings.Refusals(release(t, "v3.8.3-patch.4"), chosen)
	var lines []string
	for _, r := range refusals {
		lines = append(lines, r.Reason+" "+r.Field)
	}
	g.Expect(lines).To(Equal([]string{
		"SettingRefused spec.settings.retention.schedule",
		"UnsupportedByRelease spec.settings.maxRPCMessageBytes",
		`UnknownSetting spec.settings.overrides[redis.yml]."pool"`,
		`SettingRefused spec.settings.overrides[redis.yml]."poolSize"`,
		`SettingRefused spec.settings.overrides[openim-push.yml]."maxConcurrentWorkers"`,
	}))
	g.Expect(settings.Refusals(release(t, "v3.8.3-patch.5"), &v1alpha1.Settings{MaxRPCMessageBytes: &bytes})).To(BeEmpty())
	g.Expect(settings.Refusals(release(t, "v3.8.3"), nil)).To(BeEmpty())
	g.Expect(settings.Refusals(openim.Release{}, chosen)).To(BeEmpty(), "a release that is not supported is a problem of its own")
}

// What openim-crontask refuses ends the process, again and again.
func TestSchedulesThatCronDoesNotUnderstandAreRefused(t *testing.T) {
	for schedule, accepted := range map[string]bool{
		"0 2 * * *": true, "*/5 * * * 1-5": true, "0 2 1,15 * MON": true, "60 2 * * *": false, "0 24 * * *": false, "0 2 * * 8": false,
		"a b c d e": false, "0 2 0 * *": false, "0 2 * * *; rm": false,
	} {
		refusals := settings.Refusals(release(t, "v3.8.3"), &v1alpha1.Settings{Retention: &v1alpha1.Retention{Schedule: schedule}})
		NewWithT(t).Expect(refusals).To(HaveLen(map[bool]int{true: 0, false: 1}[accepted]), schedule)
	}
}

// The texts of a refusal are in a condition: none repeats a value, which may be a password that was written to the wrong place.
func TestNoRefusalRepeatsAValue(t *testing.T) {
	const value = "hunter2"
	for _, d := range settings.Dialects() {
		r := release(t, d.Releases[0])
		for file, keys := range d.Files {
			for key := range keys {
				if problem := settings.Check(r, file, key, value); problem != nil {
					NewWithT(t).Expect(problem.Text).NotTo(ContainSubstring(value), key)
				} else {
					t.Errorf("%s, %s takes %q", file, key, value)
				}
			}
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("redis.yml", "poolSize", "5")
	f.Add("kafka.yml", "compressType", "lz4")
	f.Add("local-cache.yml", "user.slotNum", "-0")
	newest := slices.MaxFunc(openim.Releases(), openim.Release.Compare)
	f.Fuzz(func(t *testing.T, file, key, value string) {
		if settings.Check(newest, openim.File(file), key, value) != nil {
			return
		}
		// What is accepted is rendered as it is.
		if strings.ContainsAny(value, "\n\r:#{}[]&*!|>'\"%@` ") || value == "" {
			t.Errorf("%s %s takes %q", file, key, value)
		}
	})
}
