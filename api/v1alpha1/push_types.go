package v1alpha1

// Push sends notifications to the devices of users who are offline, by one vendor. openim-push alone calls the vendor.
// +kubebuilder:validation:XValidation:rule="[has(self.fcm), has(self.getui), has(self.jpush)].filter(v, v).size() == 1",message="push needs exactly one of fcm, getui and jpush: OpenIM uses one vendor at a time"
// +kubebuilder:validation:XValidation:rule="!has(self.peerPort) || has(self.peers)",message="push.peerPort is the port of peers: write peers, or remove peerPort"
type Push struct {
	// fcm is Firebase Cloud Messaging of Google.
	// +optional
	FCM *FCM `json:"fcm,omitempty"`

	// getui is GeTui.
	// +optional
	GeTui *GeTui `json:"getui,omitempty"`

	// jpush is JPush of Aurora Mobile.
	// +optional
	JPush *JPush `json:"jpush,omitempty"`

	// peers are the addresses of the vendor, or the pods of a proxy behind the vendor's name. A NetworkPolicy cannot name a host: peers are
	// needed unless an entry of network.extraEgress names push.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Peers []Peer `json:"peers,omitempty"`

	// peerPort is the port of the peers' pods. Default: the port of the URL, or the Service's target port; for fcm 443.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	PeerPort *int32 `json:"peerPort,omitempty"`
}

// FCM is Firebase Cloud Messaging. OpenIM calls https://fcm.googleapis.com, and for a token Google's token_uri of the
// service account's file.
type FCM struct {
	// credentialsRef is the key of a Secret with the file of a service account, in JSON, as Google's console makes it.
	// +required
	CredentialsRef KeyReference `json:"credentialsRef,omitzero"`
}

// GeTui is the vendor GeTui. It knows a user's devices by their alias, which is the user's ID.
type GeTui struct {
	// url of the vendor's API, for example https://restapi.getui.com/v2/<appId>, without a slash at the end.
	// +required
	// +kubebuilder:validation:XValidation:rule="!self.endsWith('/')",message="getui.url must not end with a slash: OpenIM appends a path, write for example https://restapi.getui.com/v2/<appId>"
	URL PushURL `json:"url,omitempty"`

	// credentialsRef names a Secret with the keys appKey and masterSecret.
	// +required
	CredentialsRef LocalReference `json:"credentialsRef,omitzero"`

	// channelID is the channel of notifications on Android.
	// +optional
	ChannelID PushText `json:"channelID,omitempty"`

	// channelName is the channel's name, which users see.
	// +optional
	ChannelName PushText `json:"channelName,omitempty"`
}

// JPush is the vendor JPush. It knows a user's devices by their alias, which is the user's ID.
type JPush struct {
	// url of the vendor's API. Default https://api.jpush.cn/v3/push.
	// +optional
	URL PushURL `json:"url,omitempty"`

	// credentialsRef names a Secret with the keys appKey and masterSecret.
	// +required
	CredentialsRef LocalReference `json:"credentialsRef,omitzero"`

	// intent is what a notification opens on Android, for example intent:#Intent;component=com.example.im/.Main;end
	// +optional
	Intent PushText `json:"intent,omitempty"`

	// apns is the environment of Apple's push service that JPush uses. Default Production.
	// +optional
	APNS APNSEnvironment `json:"apns,omitempty"`
}

// PushURL is an https URL: the vendor's credentials are in the requests.
// +kubebuilder:validation:MinLength=9
// +kubebuilder:validation:MaxLength=512
// +kubebuilder:validation:XValidation:rule="self.matches('^https://([a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?([.][a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)*|[[][0-9a-fA-F:.]+[]])(:[1-9][0-9]{0,4})?(/[-a-zA-Z0-9._~/]*)?$')",message="the URL of a push vendor must be an https URL without user, query and fragment, for example https://api.jpush.cn/v3/push"
type PushURL string

// PushText is one line that is passed on to a vendor. The joiners U+200C and U+200D are part of scripts and of emoji.
// +kubebuilder:validation:MaxLength=512
// +kubebuilder:validation:XValidation:rule=`self.matches(r'^([^\p{C}\p{Zl}\p{Zp}]|\x{200c}|\x{200d})*$')`,message="the text for a push vendor must be one line without control characters and without characters that hide text or turn its direction"
type PushText string

// APNSEnvironment is an environment of Apple's push service.
// +kubebuilder:validation:Enum=Production;Development
type APNSEnvironment string

// Values of APNSEnvironment. An empty value means APNSProduction.
const (
	APNSProduction  APNSEnvironment = "Production"
	APNSDevelopment APNSEnvironment = "Development"
)

// Keys of the Secrets of push vendors.
const (
	KeyAppKey       = "appKey"
	KeyMasterSecret = "masterSecret"
)
