package v1alpha1

// Settings are OpenIM's own settings. What is absent has the default. docs/settings.md has every key of OpenIM's configuration.
type Settings struct {
	// multiLogin says on how many devices a user may be logged in at the same time. Without it the gateway ends no session for another.
	// +optional
	MultiLogin *MultiLogin `json:"multiLogin,omitempty"`

	// tokenLifetimeDays is the lifetime of OpenIM's tokens, in days. Users never see them: the wrapper renews them. Default 90.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=3650
	TokenLifetimeDays *int32 `json:"tokenLifetimeDays,omitempty"`

	// friendship says whether two users must be friends to send each other messages. Default Optional.
	// +optional
	Friendship Friendship `json:"friendship,omitempty"`

	// newMemberHistory says whether a new member of a group sees the messages from before. Default Visible.
	// +optional
	NewMemberHistory Visibility `json:"newMemberHistory,omitempty"`

	// retention says for how long messages and files are kept.
	// +optional
	Retention *Retention `json:"retention,omitempty"`

	// notifications change how clients are told of events. Events that are not listed have OpenIM's defaults.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=33
	Notifications []NotificationSettings `json:"notifications,omitempty"`

	// log of OpenIM's processes.
	// +optional
	Log *LogSettings `json:"log,omitempty"`

	// webSocket of msggateway. The gateway has limits of its own.
	// +optional
	WebSocket *WebSocketSettings `json:"webSocket,omitempty"`

	// maxRPCMessageBytes bounds a message to and from OpenIM's rpc services, in bytes. Default 8388608. From v3.8.3-patch.5 on. It does not
	// bound what api, msgtransfer and crontask receive: 4 MiB, as gRPC has it.
	// +optional
	// +kubebuilder:validation:Minimum=1048576
	// +kubebuilder:validation:Maximum=134217728
	MaxRPCMessageBytes *int32 `json:"maxRPCMessageBytes,omitempty"`

	// overrides set further keys of OpenIM's configuration files: those of the class Free in docs/settings.md.
	// +optional
	// +listType=map
	// +listMapKey=file
	// +kubebuilder:validation:MaxItems=6
	Overrides []SettingsFile `json:"overrides,omitempty"`
}

// MultiLogin says on how many devices a user may be logged in at the same time. At a login the sessions of the devices that logged in
// longest ago end, until the policy is satisfied. A device counts once, however many sessions it has.
// +kubebuilder:validation:XValidation:rule="!has(self.maxPerPlatform) || self.policy == 'Unlimited'",message="multiLogin.maxPerPlatform belongs to policy Unlimited: remove it, or write policy: Unlimited"
type MultiLogin struct {
	// policy: with Unlimited a user may have maxPerPlatform devices on each platform, with OnePerPlatform one. With OnePerClass one phone,
	// one tablet, one computer, one browser and one mini program. With ComputerAndOne any number of computers, and one other device.
	// +required
	Policy MultiLoginPolicy `json:"policy,omitempty"`

	// maxPerPlatform is the number of devices on each platform, with policy Unlimited. Default 30.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	MaxPerPlatform *int32 `json:"maxPerPlatform,omitempty"`

	// enforcement: with Report the gateway counts and logs which sessions the policy excludes, and nothing ends. With Enforce they end, and
	// OpenIM gets the policy too, by which all its processes restart. Default Report.
	// +optional
	Enforcement Enforcement `json:"enforcement,omitempty"`
}

// MultiLoginPolicy is a policy of MultiLogin.
// +kubebuilder:validation:Enum=Unlimited;OnePerPlatform;OnePerClass;ComputerAndOne
type MultiLoginPolicy string

// Values of MultiLoginPolicy.
const (
	MultiLoginUnlimited      MultiLoginPolicy = "Unlimited"
	MultiLoginOnePerPlatform MultiLoginPolicy = "OnePerPlatform"
	MultiLoginOnePerClass    MultiLoginPolicy = "OnePerClass"
	MultiLoginComputerAndOne MultiLoginPolicy = "ComputerAndOne"
)

// Enforcement says whether what a policy excludes ends.
// +kubebuilder:validation:Enum=Report;Enforce
type Enforcement string

// Values of Enforcement.
const (
	EnforcementReport  Enforcement = "Report"
	EnforcementEnforce Enforcement = "Enforce"
)

// Friendship says whether users must be friends.
// +kubebuilder:validation:Enum=Optional;Required
type Friendship string

// Values of Friendship.
const (
	FriendshipOptional Friendship = "Optional"
	FriendshipRequired Friendship = "Required"
)

// Visibility says whether something is seen.
// +kubebuilder:validation:Enum=Visible;Hidden
type Visibility string

// Values of Visibility.
const (
	Visible Visibility = "Visible"
	Hidden  Visibility = "Hidden"
)

// Retention says for how long messages and files are kept. openim-crontask deletes what is older.
type Retention struct {
	// messageDays is the age in days from which messages are deleted. 0 keeps them for ever. Default 365.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=36500
	MessageDays *int32 `json:"messageDays,omitempty"`

	// fileDays is the age in days from which files are deleted. 0 keeps them for ever. Default 180.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=36500
	FileDays *int32 `json:"fileDays,omitempty"`

	// fileTypes are the kinds of files that are deleted, as clients name them. Default: all that OpenIM's clients have, but avatars:
	// msg-picture, msg-file, msg-voice, msg-video, msg-video-snapshot and sdklog.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=64
	// +kubebuilder:validation:items:Pattern=`^[A-Za-z0-9][A-Za-z0-9_.-]*$`
	FileTypes []string `json:"fileTypes,omitempty"`

	// schedule says when deletion starts: the five fields of cron, in UTC. Default "0 2 * * *".
	// +optional
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^[!-~]+( [!-~]+){4}$')",message="retention.schedule must have the five fields of cron: write for example 0 2 * * *"
	Schedule string `json:"schedule,omitempty"`
}

// NotificationSettings say how clients are told of an event.
type NotificationSettings struct {
	// name of the event.
	// +required
	Name NotificationName `json:"name,omitempty"`

	// message says whether the event also appears as a message in the conversation.
	// +optional
	Message NotificationMessage `json:"message,omitempty"`

	// delivery says whether clients that are offline get the event later. Default Online.
	// +optional
	Delivery NotificationDelivery `json:"delivery,omitempty"`

	// push says whether users none of whose clients are connected are told of the event by offline push. Default Withheld. Nothing is sent
	// without a vendor of offline push.
	// +optional
	Push NotificationPush `json:"push,omitempty"`
}

// NotificationName is the name of an event in OpenIM's notification.yml.
// +kubebuilder:validation:Enum=groupCreated;groupInfoSet;joinGroupApplication;memberQuit;groupApplicationAccepted;groupApplicationRejected;groupOwnerTransferred;memberKicked;memberInvited;memberEnter;groupDismissed;groupMuted;groupCancelMuted;groupMemberMuted;groupMemberCancelMuted;groupMemberInfoSet;groupMemberSetToAdmin;groupMemberSetToOrdinary;groupInfoSetAnnouncement;groupInfoSetName;friendApplicationAdded;friendApplicationApproved;friendApplicationRejected;friendAdded;friendDeleted;friendRemarkSet;blackAdded;blackDeleted;friendInfoUpdated;userInfoUpdated;userStatusChanged;conversationChanged;conversationSetPrivate
type NotificationName string

// NotificationMessage says whether an event appears as a message.
// +kubebuilder:validation:Enum=Shown;Hidden
type NotificationMessage string

// Values of NotificationMessage.
const (
	MessageShown  NotificationMessage = "Shown"
	MessageHidden NotificationMessage = "Hidden"
)

// NotificationDelivery says who gets an event.
// +kubebuilder:validation:Enum=Online;Stored
type NotificationDelivery string

// Values of NotificationDelivery.
const (
	// DeliverOnline: clients that are connected.
	DeliverOnline NotificationDelivery = "Online"
	// DeliverStored: all clients, when they connect.
	DeliverStored NotificationDelivery = "Stored"
)

// NotificationPush says whether an event is sent by offline push.
// +kubebuilder:validation:Enum=Sent;Withheld
type NotificationPush string

// Values of NotificationPush.
const (
	PushSent     NotificationPush = "Sent"
	PushWithheld NotificationPush = "Withheld"
)

// LogSettings configure the log of OpenIM's processes.
type LogSettings struct {
	// level from which OpenIM writes. Default Error. From Warning on OpenIM writes tokens and messages into its log, which is an exception
	// in the status and in the audit.
	// +optional
	Level LogLevel `json:"level,omitempty"`

	// format of a line. Default Text.
	// +optional
	Format LogFormat `json:"format,omitempty"`
}

// LogLevel is the level of a log.
// +kubebuilder:validation:Enum=Error;Warning;Info;Debug
type LogLevel string

// Levels.
const (
	LogError   LogLevel = "Error"
	LogWarning LogLevel = "Warning"
	LogInfo    LogLevel = "Info"
	LogDebug   LogLevel = "Debug"
)

// LogFormat is the format of a log.
// +kubebuilder:validation:Enum=Text;JSON
type LogFormat string

// Formats.
const (
	LogText LogFormat = "Text"
	LogJSON LogFormat = "JSON"
)

// WebSocketSettings configure msggateway's WebSocket.
type WebSocketSettings struct {
	// maxConnections bounds the connections of each pod. Default 100000.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	MaxConnections *int32 `json:"maxConnections,omitempty"`

	// handshakeTimeoutSeconds bounds the opening of a connection, in seconds. Default 10.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=60
	HandshakeTimeoutSeconds *int32 `json:"handshakeTimeoutSeconds,omitempty"`
}

// SettingsFile holds keys of one of OpenIM's configuration files.
type SettingsFile struct {
	// file is the name of the file.
	// +required
	// +kubebuilder:validation:Enum=kafka.yml;local-cache.yml;mongodb.yml;openim-api.yml;openim-push.yml;redis.yml
	File string `json:"file,omitempty"`

	// values by key. A key is a path with dots, for example user.slotNum. Values are text: write numbers in quotes.
	// +required
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=32
	Values map[string]SettingValue `json:"values,omitempty"`
}

// SettingValue is the value of a key, as text.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
type SettingValue string
