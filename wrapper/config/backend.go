package config

// Backend is the backend's configuration file.
type Backend struct {
	// Listen is the address at which the gateway reaches the backend, host:port.
	Listen    string    `json:"listen"`
	Telemetry Telemetry `json:"telemetry"`
	Debug     Debug     `json:"debug,omitzero"`
	Tracing   Tracing   `json:"tracing,omitzero"`
	// AssertionKeyFile holds the key that gateway and backend share, 32 to 1024 bytes.
	AssertionKeyFile string `json:"assertionKeyFile"`
	OpenIM           OpenIM `json:"openim"`
	// Admins has the same values in the gateway's file: each role verifies administrators' tokens by itself.
	Admins Admins `json:"admins"`
	// Users, Redis, MongoDB and CustodyKeyFile serve users. Either all of them are set or none; without them users are answered 503.
	Users   *Login   `json:"users,omitempty"`
	Redis   *Redis   `json:"redis,omitempty"`
	MongoDB *MongoDB `json:"mongodb,omitempty"`
	// CustodyKeyFile holds the keys under which users' sessions and OpenIM tokens are sealed, in the form of tokenvault.KeyFile.
	CustodyKeyFile string `json:"custodyKeyFile,omitempty"`
	// ShutdownGraceSeconds bounds a stop, requests in flight included.
	ShutdownGraceSeconds int32 `json:"shutdownGraceSeconds"`
}

// Login configures how users log in, and how long they stay logged in.
type Login struct {
	// Audience is the origin under which clients know the gateway, such as https://im.example.com. It is part of every login: a login for
	// one audience is refused at another.
	Audience string `json:"audience"`
	// ServerKeysDir is a mounted folder with one to four static keys of the login, one file each.
	ServerKeysDir string `json:"serverKeysDir"`
	// Session has the same values in the gateway's file.
	Session Session `json:"session"`
}

// OpenIM holds the address of OpenIM's API, and the credentials of its administrator.
type OpenIM struct {
	// APIURL is http://host:port.
	APIURL      string `json:"apiURL"`
	AdminUserID string `json:"adminUserID"`
	// SecretFile holds OpenIM's share.secret.
	SecretFile string `json:"secretFile"`
	// PreviousSecretFile holds the share.secret before that, while it is being replaced. Empty: there is none.
	PreviousSecretFile string `json:"previousSecretFile,omitempty"`
	// Release is OpenIM's release, such as v3.8.3 or v3.8.3-patch.16. Required when there are users.
	Release string `json:"release,omitempty"`
	// ExternalURL is where users reach OpenIM's paths: https://host/im/v1. OpenIM writes it before the paths of objects. Required when
	// there are users.
	ExternalURL string `json:"externalURL,omitempty"`
	// ObjectURL is the object store as users reach it, the only host to which a download may be redirected. Empty: downloads are refused.
	ObjectURL string `json:"objectURL,omitempty"`
	// ObjectPictures permits scaled pictures of objects (type=image). openim-rpc-third decodes the whole object for them: 48 KB of PNG can
	// take 391 MiB of its memory. Off: the parameters are removed, and users get the object itself.
	ObjectPictures bool `json:"objectPictures,omitempty"`
	// ObjectOnePart refuses uploads in several parts, for an object store whose parts OpenIM signs without their query: the signature would
	// write any content to the object, for a day.
	ObjectOnePart bool `json:"objectOnePart,omitempty"`
}
