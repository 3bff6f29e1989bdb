package settings

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/openim/settings"
)

func stackWith(chosen *v1alpha1.Settings) *v1alpha1.OpenIMStack {
	stack := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: "chat", Generation: 3}}
	stack.Spec.Version, stack.Spec.Settings = "v3.8.3", chosen
	stack.Status.ObservedGeneration = 3
	return stack
}

// full has every field of spec.settings.
func full() *v1alpha1.Settings {
	return &v1alpha1.Settings{
		MultiLogin:        &v1alpha1.MultiLogin{Policy: v1alpha1.MultiLoginUnlimited, MaxPerPlatform: ptr.To[int32](7), Enforcement: "Report"},
		TokenLifetimeDays: ptr.To[int32](9), Friendship: v1alpha1.FriendshipRequired, NewMemberHistory: v1alpha1.Hidden,
		Retention: &v1alpha1.Retention{
			MessageDays: ptr.To[int32](0), FileDays: ptr.To[int32](1), FileTypes: []string{"a", "b"}, Schedule: "0 3 * * *",
		},
		Notifications: []v1alpha1.NotificationSettings{
			{Name: "groupCreated", Message: v1alpha1.MessageShown, Delivery: v1alpha1.DeliverStored, Push: v1alpha1.PushSent},
		},
		Log:                &v1alpha1.LogSettings{Level: v1alpha1.LogInfo, Format: v1alpha1.LogJSON},
		WebSocket:          &v1alpha1.WebSocketSettings{MaxConnections: ptr.To[int32](5), HandshakeTimeoutSeconds: ptr.To[int32](6)},
		MaxRPCMessageBytes: ptr.To[int32](1 << 20),
		Overrides: []v1alpha1.SettingsFile{
			{File: "redis.yml", Values: map[string]v1alpha1.SettingValue{"poolSize": "50", "maxRetry": "3"}},
		},
	}
}

func TestEveryFieldIsPrinted(t *testing.T) {
	NewWithT(t).Expect(chosen(full())).To(Equal([]value{
		{"settings.friendship", "Required"}, {"settings.log.format", "JSON"}, {"settings.log.level", "Info"},
		{"settings.maxRPCMessageBytes", "1048576"}, {"settings.multiLogin.enforcement", "Report"},
		{"settings.multiLogin.maxPerPlatform", "7"}, {"settings.multiLogin.policy", "Unlimited"}, {"settings.newMemberHistory", "Hidden"},
		{"settings.notifications[groupCreated].delivery", "Stored"}, {"settings.notifications[groupCreated].message", "Shown"},
		{"settings.notifications[groupCreated].push", "Sent"}, {"settings.retention.fileDays", "1"},
		{"settings.retention.fileTypes", "a b"}, {"settings.retention.messageDays", "0"}, {"settings.retention.schedule", "0 3 * * *"},
		{"settings.tokenLifetimeDays", "9"}, {"settings.webSocket.handshakeTimeoutSeconds", "6"}, {"settings.webSocket.maxConnections", "5"},
		{`settings.overrides[redis.yml]."maxRetry"`, "3"}, {`settings.overrides[redis.yml]."poolSize"`, "50"},
	}))
}

// Each value that is set belongs to a file, so that --file finds it.
func TestEveryFieldIsInAFile(t *testing.T) {
	selects := map[string]func(string) bool{}
	for _, file := range files() {
		selects[file] = selection(openim.File(file))
	}
	for _, v := range chosen(full()) {
		in := slices.DeleteFunc(files(), func(file string) bool { return !selects[file](v.Name) })
		NewWithT(t).Expect(in).To(HaveLen(1), v.Name)
	}
	g := NewWithT(t)
	g.Expect(selection("redis.yml")("dependencies.redis.mode")).To(BeTrue())
	g.Expect(selection("redis.yml")("dependencies.redisLike.mode")).To(BeFalse(), "a prefix is a part of a path")
	g.Expect(selection("log.yml")("settings.overrides[redis.yml].\"poolSize\"")).To(BeFalse())
}

// What is listed for a file is every key that the release has, with who sets it; for all files it is what spec.settings sets.
func TestWhatAReleaseTakes(t *testing.T) {
	for _, release := range openim.Releases() {
		g := NewWithT(t)
		dialect, ok := settings.DialectOf(release)
		g.Expect(ok).To(BeTrue())
		free := 0
		for file, keys := range dialect.Files {
			all := takes(release, file)
			g.Expect(all).To(HaveLen(len(keys)), release.Tag, file)
			var settable []string
			for _, k := range all {
				g.Expect(k.SetBy).NotTo(BeEmpty())
				if k.SetBy == "spec.settings.overrides" {
					g.Expect(k.Values).NotTo(BeEmpty(), k.Key)
					settable = append(settable, k.Key)
				} else {
					g.Expect(k.Values).To(BeEmpty(), k.Key)
				}
			}
			g.Expect(settable).To(Equal(settings.FreeKeys(keys, file)), release.Tag, file)
			free += len(settable)
		}
		g.Expect(free).NotTo(BeZero())
		for _, k := range takes(release, "") {
			g.Expect(k.SetBy).To(HavePrefix("spec.settings."))
			if k.SetBy == "spec.settings.maxRPCMessageBytes" {
				g.Expect(release.RPCMaxBodySize()).To(BeTrue(), release.Tag)
			}
		}
	}
}

// In a cluster the operator says what is in force, and of which spec.
func TestWhatIsInForceInACluster(t *testing.T) {
	condition := func(status metav1.ConditionStatus) []metav1.Condition {
		return []metav1.Condition{{Type: v1alpha1.ConditionSettingsAccepted, Status: status}}
	}
	values := []v1alpha1.EffectiveValue{{Name: "settings.log.level", Value: "Error"}}
	for name, c := range map[string]struct {
		change func(*v1alpha1.OpenIMStack)
		note   string
	}{
		"of this spec": {func(s *v1alpha1.OpenIMStack) { s.Status.Conditions = condition(metav1.ConditionTrue) }, ""},
		"not reported": {func(s *v1alpha1.OpenIMStack) { s.Status.Effective = nil }, "the operator has not reported what is in force"},
		"not applied yet": {
			func(s *v1alpha1.OpenIMStack) { s.Generation = 4 }, "generation 4 of the spec is not applied yet; these are of generation 3",
		},
		"refused": {
			func(s *v1alpha1.OpenIMStack) { s.Status.Conditions = condition(metav1.ConditionFalse) }, "the last one that it accepted",
		},
	} {
		stack := stackWith(nil)
		stack.Status.Effective = values
		c.change(stack)
		g := NewWithT(t)
		r := newReport(observed(stack), "", "")
		g.Expect(r.Verdict).To(Equal(verdictAccepted), name)
		g.Expect(r.InForceNote).To(ContainSubstring(c.note), name)
		if c.note == "" {
			g.Expect(r.InForceNote).To(BeEmpty(), name)
		}
		g.Expect(r.InForce).To(HaveLen(len(stack.Status.Effective)), name)
		var out bytes.Buffer
		g.Expect(writeTable(&out, r)).To(Succeed())
		g.Expect(out.String()).To(ContainSubstring(c.note), name)
	}
}

// A password that was written to the wrong place is not printed, whatever release is asked about; what the spec holds stays as it is.
func TestRefusedValuesAreNotPrinted(t *testing.T) {
	const hidden = "hunter2-is-hidden"
	for _, version := range []string{"v3.8.3", "v9", ""} {
		for _, tag := range []string{"", "v3.8.3-patch.16"} {
			stack := stackWith(&v1alpha1.Settings{Overrides: []v1alpha1.SettingsFile{
				{File: "redis.yml", Values: map[string]v1alpha1.SettingValue{"password": hidden, "poolSize": hidden, "x": hidden}},
				{File: "nothing.yml", Values: map[string]v1alpha1.SettingValue{"password": hidden}},
			}})
			stack.Spec.Version = version
			r := newReport(subject{stack: stack}, tag, "")
			g := NewWithT(t)
			g.Expect(r.Set).To(HaveLen(4))
			for _, write := range writers {
				var out bytes.Buffer
				g.Expect(write(&out, r)).To(Succeed())
				g.Expect(out.String()).NotTo(ContainSubstring(hidden))
			}
			g.Expect(stack.Spec.Settings.Overrides[1].Values).To(HaveKeyWithValue("password", v1alpha1.SettingValue(hidden)))
		}
	}
}

// Names and values of others move no cursor, add no row, and have an end.
func TestTextsOfOthersAreOneLine(t *testing.T) {
	const bad = "\x1b[2J\u009b1m\nforged\tcell"
	stack := stackWith(&v1alpha1.Settings{
		Friendship: bad, Retention: &v1alpha1.Retention{FileTypes: []string{bad, strings.Repeat("x", 1<<20)}, Schedule: bad},
		Notifications: []v1alpha1.NotificationSettings{{Name: bad, Message: bad}},
		Overrides:     []v1alpha1.SettingsFile{{File: bad, Values: map[string]v1alpha1.SettingValue{bad: bad}}},
	})
	stack.Name, stack.Namespace = bad, bad
	stack.Status.Effective = []v1alpha1.EffectiveValue{{Name: bad, Value: bad}}
	for _, version := range []string{"v3.8.3", bad, strings.Repeat("9", 1<<20)} {
		stack.Spec.Version = version
		r := newReport(observed(stack), "", "")
		for name, write := range writers {
			var out bytes.Buffer
			g := NewWithT(t)
			g.Expect(write(&out, r)).To(Succeed())
			g.Expect(out.String()).NotTo(ContainSubstring("\x1b"), name)
			g.Expect(out.String()).NotTo(ContainSubstring("\u009b"), name)
			g.Expect(out.String()).NotTo(ContainSubstring("\nforged"), name)
			g.Expect(out.Len()).To(BeNumerically("<", 20_000), name)
		}
		NewWithT(t).Expect(r.exitCode()).NotTo(Equal(cli.ExitSealed))
	}
}
