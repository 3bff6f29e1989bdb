package openim

import (
	"strconv"
	"strings"

	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// Defaults of what a stack may choose, as upstream's configuration has them.
const (
	defaultDevicesPerPlatform = 30
	defaultTokenLifetimeDays  = 90
	defaultMessageDays        = 365
	defaultFileDays           = 180
	defaultSchedule           = "0 2 * * *"
	defaultMaxConnections     = 100000
	defaultHandshakeTimeout   = 10
	defaultMaxRPCMessageBytes = 8 << 20
	// forEver is the largest number of days that the spec takes: openim-crontask ends with 0 days.
	forEver = 36500
)

// defaultFileTypes are the kinds of files that OpenIM's clients upload, but avatars.
var defaultFileTypes = []string{"msg-picture", "msg-file", "msg-voice", "msg-video", "msg-video-snapshot", "sdklog"}

// logLevels are the numbers of OpenIM's levels (openimsdk/tools, log.ZDebug to log.ZError).
var logLevels = map[v1alpha1.LogLevel]int{v1alpha1.LogError: 2, v1alpha1.LogWarning: 3, v1alpha1.LogInfo: 4, v1alpha1.LogDebug: 5}

// multiLoginPolicies are OpenIM's numbers (protocol, constant.DefalutNotKick to PCAndOther).
var multiLoginPolicies = map[v1alpha1.MultiLoginPolicy]int{
	v1alpha1.MultiLoginUnlimited: 0, v1alpha1.MultiLoginOnePerPlatform: 1,
	v1alpha1.MultiLoginOnePerClass: 4, v1alpha1.MultiLoginComputerAndOne: 5,
}

// chosen returns the chosen settings.
func (v view) chosen() v1alpha1.Settings { return ptr.Deref(v.Chosen, v1alpha1.Settings{}) }

// multiLogin returns the multi-login policy that OpenIM itself is to enforce. A policy that is only reported ends nothing at OpenIM either.
func (v view) multiLogin() v1alpha1.MultiLogin {
	if m := v.chosen().MultiLogin; m != nil && m.Enforcement == v1alpha1.EnforcementEnforce {
		return *m
	}
	return v1alpha1.MultiLogin{Policy: v1alpha1.MultiLoginOnePerPlatform}
}

// MultiLoginPolicy returns OpenIM's number of the multi-login policy.
func (v view) MultiLoginPolicy() int { return multiLoginPolicies[v.multiLogin().Policy] }

// DevicesPerPlatform returns the number of tokens of a user on each platform, with the policy Unlimited.
func (v view) DevicesPerPlatform() int32 {
	return ptr.Deref(v.multiLogin().MaxPerPlatform, defaultDevicesPerPlatform)
}

// TokenLifetimeDays returns the lifetime of tokens.
func (v view) TokenLifetimeDays() int32 {
	return ptr.Deref(v.chosen().TokenLifetimeDays, defaultTokenLifetimeDays)
}

// FriendsOnly reports whether only friends send each other messages.
func (v view) FriendsOnly() bool { return v.chosen().Friendship == v1alpha1.FriendshipRequired }

// HistoryForNewMembers reports whether new members of a group see earlier messages.
func (v view) HistoryForNewMembers() bool { return v.chosen().NewMemberHistory != v1alpha1.Hidden }

func (v view) retention() v1alpha1.Retention {
	return ptr.Deref(v.chosen().Retention, v1alpha1.Retention{})
}

// MessageDays returns the age at which messages are deleted.
func (v view) MessageDays() int32 {
	if days := ptr.Deref(v.retention().MessageDays, defaultMessageDays); days > 0 {
		return days
	}
	return forEver
}

// FileDays returns the age at which files are deleted. 0: never.
func (v view) FileDays() int32 { return ptr.Deref(v.retention().FileDays, defaultFileDays) }

// FileTypes returns the kinds of files that are deleted, as a YAML list.
func (v view) FileTypes() (string, error) {
	if types := v.retention().FileTypes; len(types) > 0 {
		return list(types)
	}
	return "[" + strings.Join(defaultFileTypes, ", ") + "]", nil
}

// Schedule returns when deletion starts, as cron has it, in YAML: a text that begins with an asterisk needs quotes.
func (v view) Schedule() string {
	if schedule := v.retention().Schedule; schedule != "" {
		return strconv.Quote(schedule)
	}
	return defaultSchedule
}

// LogLevel returns the number of the level from which OpenIM writes to its log.
func (v view) LogLevel() int {
	if log := v.chosen().Log; log != nil && log.Level != "" {
		return logLevels[log.Level]
	}
	return logLevels[v1alpha1.LogError]
}

// LogJSON reports whether a line of the log is JSON.
func (v view) LogJSON() bool {
	log := v.chosen().Log
	return log != nil && log.Format == v1alpha1.LogJSON
}

func (v view) webSocket() v1alpha1.WebSocketSettings {
	return ptr.Deref(v.chosen().WebSocket, v1alpha1.WebSocketSettings{})
}

// MaxConnections returns the connections of each pod of msggateway.
func (v view) MaxConnections() int32 {
	return ptr.Deref(v.webSocket().MaxConnections, defaultMaxConnections)
}

// HandshakeTimeout returns the seconds that the opening of a connection may take.
func (v view) HandshakeTimeout() int32 {
	return ptr.Deref(v.webSocket().HandshakeTimeoutSeconds, defaultHandshakeTimeout)
}

// MaxRPCMessageBytes returns the size of a message between two processes.
func (v view) MaxRPCMessageBytes() int32 {
	return ptr.Deref(v.chosen().MaxRPCMessageBytes, defaultMaxRPCMessageBytes)
}

// Free returns the value of a key of the present file that overrides may set: theirs, or the default, as YAML. Texts are quoted. Values
// were checked (package settings), so that they are whole numbers, true, false, or a word.
func (v view) Free(key, byDefault string) string {
	for _, override := range v.chosen().Overrides {
		if value, ok := override.Values[key]; ok && override.File == string(v.file) {
			return scalar(string(value))
		}
	}
	return byDefault
}

// scalar returns a value as YAML. Whatever is not a number or a truth value is quoted.
func scalar(value string) string {
	if _, err := strconv.Atoi(value); err == nil || value == "true" || value == "false" {
		return value
	}
	return strconv.Quote(value)
}

// Notification is an event that OpenIM sends to its clients.
type Notification struct {
	// Key in notification.yml.
	Key string
	// Message is true when the event also appears as a message in the conversation.
	Message bool
	// Stored is true when clients that are offline get the event later.
	Stored bool
	// Push is true when users without a connected client are told of the event by offline push.
	Push bool
}

// ReliabilityLevel returns OpenIM's number for who gets the event (protocol, constant.UnreliableNotification and
// ReliableNotificationNoMsg).
func (n Notification) ReliabilityLevel() int {
	if n.Stored {
		return 2
	}
	return 1
}

// Notifications returns the settings of notification.yml: the defaults in their order, with what was chosen.
func (v view) Notifications() []Notification {
	byName := map[v1alpha1.NotificationName]v1alpha1.NotificationSettings{}
	for _, n := range v.chosen().Notifications {
		byName[n.Name] = n
	}
	var all []Notification
	for _, n := range notifications {
		chosen, ok := byName[v1alpha1.NotificationName(n.Key)]
		if ok && chosen.Message != "" {
			n.Message = chosen.Message == v1alpha1.MessageShown
		}
		n.Push = ok && chosen.Push == v1alpha1.PushSent
		n.Stored = ok && chosen.Delivery == v1alpha1.DeliverStored
		if ok || !n.unlisted() {
			all = append(all, n)
		}
	}
	return all
}

// NotificationNames returns the names of all events.
func NotificationNames() []string {
	var names []string
	for _, n := range notifications {
		names = append(names, n.Key)
	}
	return names
}

// unlisted reports whether upstream's notification.yml lacks the event, so that it is listed only when it was chosen.
func (n Notification) unlisted() bool {
	return n.Key == "groupMemberSetToAdmin" || n.Key == "groupMemberSetToOrdinary"
}
