package v1alpha1

// Webhooks are calls of OpenIM to a service of yours. OpenIM signs none, and waits for those whose names begin with before: when such a
// call fails, the operation is refused.
// +kubebuilder:validation:XValidation:rule="has(self.serviceRef) != has(self.url)",message="webhooks needs exactly one of serviceRef and url: remove one of the two"
// +kubebuilder:validation:XValidation:rule="!has(self.peerPort) || has(self.peers)",message="webhooks.peerPort is the port of peers: write peers, or remove peerPort"
type Webhooks struct {
	// serviceRef names the Service that is called.
	// +optional
	ServiceRef *ServiceReference `json:"serviceRef,omitempty"`

	// url is called in place of a Service, with a slash and the name of the command appended.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.matches('^https://([a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?([.][a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)*|[[][0-9a-fA-F:.]+[]])(:[1-9][0-9]{0,4})?(/[-a-zA-Z0-9._~]+)*$')",message="webhooks.url must be an https URL without user, query, fragment and a slash at the end, for example https://hooks.example.com/openim"
	URL string `json:"url,omitempty"`

	// via says who calls: OpenIM itself.
	// +required
	Via WebhooksVia `json:"via,omitempty"`

	// peers select the service on the network, when the URL's host is not an address.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Peers []Peer `json:"peers,omitempty"`

	// peerPort is the port of the peers' pods. Default: the Service's target port, or the port of the URL.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	PeerPort *int32 `json:"peerPort,omitempty"`

	// hooks that are called.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=46
	Hooks []Hook `json:"hooks,omitempty"`
}

// WebhooksVia says who calls the service.
// +kubebuilder:validation:Enum=OpenIM
type WebhooksVia string

// WebhooksViaOpenIM is the value of WebhooksVia for calls by OpenIM's processes themselves.
const WebhooksViaOpenIM WebhooksVia = "OpenIM"

// ServiceReference names a port of a Service.
type ServiceReference struct {
	// name of the Service.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="serviceRef.name must be the name of a Service, for example moderation"
	Name string `json:"name,omitempty"`

	// namespace of the Service. Default: the stack's.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="serviceRef.namespace must be the name of a namespace, for example apps"
	Namespace string `json:"namespace,omitempty"`

	// port of the Service.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`

	// path before the name of the command, for example /openim
	// +optional
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches('^(/[-a-zA-Z0-9._~]+)+$')",message="serviceRef.path must begin with a slash and not end with one, for example /openim"
	Path string `json:"path,omitempty"`

	// scheme of the URL. Default http. With https an authority of OpenIM's image or of
	// pods.trust must sign the certificate.
	// +optional
	Scheme URLScheme `json:"scheme,omitempty"`
}

// URLScheme is the scheme of a URL.
// +kubebuilder:validation:Enum=http;https
type URLScheme string

// Values of URLScheme. An empty value means SchemeHTTP.
const (
	SchemeHTTP  URLScheme = "http"
	SchemeHTTPS URLScheme = "https"
)

// Hook is one event or operation of OpenIM that the service is told of.
// +kubebuilder:validation:XValidation:rule="!(has(self.contentTypes) || has(self.exceptContentTypes)) || self.name in ['beforeSendSingleMsg', 'afterSendSingleMsg', 'beforeSendGroupMsg', 'afterSendGroupMsg', 'beforeMsgModify']",message="hooks[].contentTypes and exceptContentTypes belong to the hooks of sending: remove them, or write them to beforeSendSingleMsg, afterSendSingleMsg, beforeSendGroupMsg, afterSendGroupMsg or beforeMsgModify"
// +kubebuilder:validation:XValidation:rule="!has(self.userIDs) || self.name in ['afterSendSingleMsg', 'afterSendGroupMsg']",message="hooks[].userIDs belongs to afterSendSingleMsg and afterSendGroupMsg: OpenIM reads it of no other hook"
type Hook struct {
	// name of the hook, as OpenIM's webhooks.yml has it.
	// +required
	Name HookName `json:"name,omitempty"`

	// timeoutSeconds that a call may take. A call of a hook that begins with before refuses the operation afterwards. Default 5.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=15
	TimeoutSeconds *int32 `json:"timeoutSeconds,omitempty"`

	// contentTypes are the types of messages that the hook is called for: numbers, or ranges such as 101-120. Default: all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	ContentTypes []ContentTypes `json:"contentTypes,omitempty"`

	// exceptContentTypes are the types of messages that the hook is not called for.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	ExceptContentTypes []ContentTypes `json:"exceptContentTypes,omitempty"`

	// userIDs are the senders and receivers that the hook is called for. Default: all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=64
	// +kubebuilder:validation:items:Pattern=`^[A-Za-z0-9_@:-]+$`
	UserIDs []string `json:"userIDs,omitempty"`
}

// ContentTypes is a type of messages, or a range of types.
// +kubebuilder:validation:MaxLength=11
// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]{1,5}(-[0-9]{1,5})?$') && (!self.contains('-') || int(self.split('-')[0]) <= int(self.split('-')[1]))",message="content types must be a number or a range that ascends, for example 101 or 101-120"
type ContentTypes string

// HookName is the name of a hook that OpenIM calls. afterUserKickOff and afterGroupMsgRevoke of its webhooks.yml are never called.
// +kubebuilder:validation:Enum=afterUserOnline;afterUserOffline;beforeOfflinePush;beforeOnlinePush;beforeGroupOnlinePush;beforeAddBlack;afterRemoveBlack;beforeAddFriend;afterAddFriend;beforeAddFriendAgree;afterAddFriendAgree;afterDeleteFriend;beforeImportFriends;afterImportFriends;beforeSetFriendRemark;afterSetFriendRemark;beforeCreateGroup;afterCreateGroup;beforeMemberJoinGroup;beforeSetGroupMemberInfo;afterSetGroupMemberInfo;afterQuitGroup;afterKickGroupMember;afterDismissGroup;beforeApplyJoinGroup;afterTransferGroupOwner;afterJoinGroup;beforeInviteUserToGroup;afterSetGroupInfo;beforeSetGroupInfo;afterSetGroupInfoEx;beforeSetGroupInfoEx;beforeSendSingleMsg;afterSendSingleMsg;beforeSendGroupMsg;afterSendGroupMsg;beforeMsgModify;afterGroupMsgRead;afterSingleMsgRead;afterRevokeMsg;beforeUpdateUserInfo;afterUpdateUserInfo;beforeUpdateUserInfoEx;afterUpdateUserInfoEx;beforeUserRegister;afterUserRegister
type HookName string
