package samples

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/openim/settings"
	"github.com/openimstack/openim-operator/test/loopback"
)

// A process of OpenIM that does not like a value ends. So every setting is tried at both ends of what the operator accepts.
func TestOpenIMRunsWithEverySettingAtItsBounds(t *testing.T) {
	for name, chosen := range map[string]func(openim.Release) *v1alpha1.Settings{"least": least, "most": most} {
		t.Run(name, func(t *testing.T) {
			s := &sample{stack: read(t, "../../config/samples/openimstack_v1alpha1_minimal.yaml")}
			s.adapt(t)
			release, err := openim.ParseRelease(s.stack.Spec.Version)
			NewWithT(t).Expect(err).NotTo(HaveOccurred())
			s.stack.Spec.Settings = chosen(release)
			NewWithT(t).Expect(settings.Refusals(release, s.stack.Spec.Settings)).To(BeEmpty())
			s.run(t)
		})
	}
}

// Every text that a key takes, in as many stacks as the longest list needs.
func TestOpenIMRunsWithEveryTextOfASetting(t *testing.T) {
	for i := 1; i < 4; i++ {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			s := &sample{stack: read(t, "../../config/samples/openimstack_v1alpha1_minimal.yaml")}
			s.adapt(t)
			release, err := openim.ParseRelease(s.stack.Spec.Version)
			NewWithT(t).Expect(err).NotTo(HaveOccurred())
			s.stack.Spec.Settings = &v1alpha1.Settings{Overrides: overrides(release, i)}
			s.run(t)
		})
	}
}

// With friendship: Required OpenIM refuses a message between users who are no friends, and delivers it between friends.
func TestFriendshipIsRequired(t *testing.T) {
	g := NewWithT(t)
	s := &sample{stack: read(t, "../../config/samples/openimstack_v1alpha1_minimal.yaml")}
	s.adapt(t)
	s.stack.Spec.Settings = &v1alpha1.Settings{Friendship: v1alpha1.FriendshipRequired}
	l := loopback.New(t, s.options)
	g.Expect(l.OpenIM.Register(t.Context(), "alice", "bob")).To(Succeed())
	_, err := l.OpenIM.Call(t.Context(), "/msg/send_msg", hello)
	g.Expect(err).To(MatchError(ContainSubstring("NotPeersFriend")))
	for _, pair := range [][2]string{{"alice", "bob"}, {"bob", "alice"}} {
		l.OpenIM.Must(t, "/friend/import_friend", loopback.Object{"ownerUserID": pair[0], "friendUserIDs": []string{pair[1]}})
	}
	l.OpenIM.Must(t, "/msg/send_msg", hello)
}

func least(release openim.Release) *v1alpha1.Settings {
	s := &v1alpha1.Settings{
		TokenLifetimeDays: ptr.To[int32](1), NewMemberHistory: v1alpha1.Visible, Friendship: v1alpha1.FriendshipOptional,
		Retention: &v1alpha1.Retention{
			MessageDays: ptr.To[int32](1), FileDays: ptr.To[int32](0), FileTypes: []string{"1"}, Schedule: "* * * * *",
		},
		Notifications: notifications(v1alpha1.MessageHidden, v1alpha1.DeliverOnline, v1alpha1.PushWithheld),
		Log:           &v1alpha1.LogSettings{Level: v1alpha1.LogError, Format: v1alpha1.LogText},
		WebSocket:     &v1alpha1.WebSocketSettings{MaxConnections: ptr.To[int32](1), HandshakeTimeoutSeconds: ptr.To[int32](1)},
		Overrides:     overrides(release, 0),
	}
	if release.RPCMaxBodySize() {
		s.MaxRPCMessageBytes = ptr.To[int32](1 << 20)
	}
	return s
}

func most(release openim.Release) *v1alpha1.Settings {
	s := &v1alpha1.Settings{
		TokenLifetimeDays: ptr.To[int32](3650), NewMemberHistory: v1alpha1.Hidden,
		Retention: &v1alpha1.Retention{
			MessageDays: ptr.To[int32](36500), FileDays: ptr.To[int32](36500), FileTypes: []string{"true", "msg-picture"}, Schedule: "59 23 31 12 6",
		},
		Notifications: notifications(v1alpha1.MessageShown, v1alpha1.DeliverStored, v1alpha1.PushSent),
		Log:           &v1alpha1.LogSettings{Level: v1alpha1.LogDebug, Format: v1alpha1.LogJSON},
		WebSocket:     &v1alpha1.WebSocketSettings{MaxConnections: ptr.To[int32](1000000), HandshakeTimeoutSeconds: ptr.To[int32](60)},
		Overrides:     overrides(release, math.MaxInt),
	}
	if release.RPCMaxBodySize() {
		s.MaxRPCMessageBytes = ptr.To[int32](128 << 20)
	}
	return s
}

// overrides returns every free key: numbers at their least for 0 and else at their most, texts by their place in the list.
func overrides(release openim.Release, place int) []v1alpha1.SettingsFile {
	dialect, _ := settings.DialectOf(release)
	var all []v1alpha1.SettingsFile
	for _, file := range slices.Sorted(maps.Keys(dialect.Files)) {
		values := map[string]v1alpha1.SettingValue{}
		for _, key := range settings.FreeKeys(dialect.Files[file], file) {
			row, _ := settings.RowOf(file, key)
			switch v := row.Values; dialect.Files[file][key] {
			case "int":
				values[key] = v1alpha1.SettingValue(strconv.Itoa(map[bool]int{true: v.Min, false: v.Max}[place == 0]))
			case "bool":
				values[key] = v1alpha1.SettingValue(strconv.FormatBool(place == 0))
			default:
				values[key] = v1alpha1.SettingValue(v.Texts[min(place, len(v.Texts)-1)])
			}
		}
		if len(values) > 0 {
			all = append(all, v1alpha1.SettingsFile{File: string(file), Values: values})
		}
	}
	return all
}

func notifications(
	message v1alpha1.NotificationMessage, delivery v1alpha1.NotificationDelivery, push v1alpha1.NotificationPush,
) []v1alpha1.NotificationSettings {
	var all []v1alpha1.NotificationSettings
	for _, name := range openim.NotificationNames() {
		all = append(all, v1alpha1.NotificationSettings{
			Name: v1alpha1.NotificationName(name), Message: message, Delivery: delivery, Push: push,
		})
	}
	return all
}
