package config

// Redis configures the connection to the wrapper's own Redis. It is never OpenIM's: a client of OpenIM's Redis controls OpenIM.
type Redis struct {
	// Addresses are host:port. Two or more are nodes of a Redis Cluster, and any of them may be unreachable.
	Addresses []string `json:"addresses"`
	// Username is the ACL user. Empty, and UsernameFile empty too: Redis' default user.
	Username string `json:"username,omitempty"`
	// UsernameFile holds the ACL user's name. It excludes Username.
	UsernameFile string `json:"usernameFile,omitempty"`
	// PasswordFile holds the password, 1 to 1024 bytes.
	PasswordFile string `json:"passwordFile,omitempty"`
	// KeyPrefix is written before every key and channel, so that stacks can share one Redis. Example: im/chat:
	KeyPrefix string `json:"keyPrefix"`
	// Database is the number of the database. A Cluster has database 0 alone.
	Database int `json:"database,omitempty"`
	// Cluster is true for a Redis Cluster behind one address.
	Cluster bool `json:"cluster,omitempty"`
	// TLS absent: plain TCP. Present, even when empty: TLS 1.2 or newer, and the server's name is verified.
	TLS *RedisTLS `json:"tls,omitempty"`
}

// RedisTLS names the certificates that Redis' certificate is verified with.
type RedisTLS struct {
	// CAFile holds PEM certificates. Empty: the system's roots.
	CAFile string `json:"caFile"`
}

// MongoDB configures the connection to MongoDB: either URIFile, or Addresses with the files of the credentials.
type MongoDB struct {
	// URIFile holds a connection string, mongodb:// or mongodb+srv://. It may change while the wrapper runs.
	URIFile string `json:"uriFile,omitempty"`
	// Addresses are host:port of the members.
	Addresses    []string `json:"addresses,omitempty"`
	UsernameFile string   `json:"usernameFile,omitempty"`
	PasswordFile string   `json:"passwordFile,omitempty"`
	// Database holds the wrapper's four collections. MongoDB authenticates the user in it unless the connection string names another.
	Database string `json:"database"`
	// AuthSource is the database in which MongoDB authenticates the user of UsernameFile. Empty: Database.
	AuthSource string `json:"authSource,omitempty"`
	// Options are more options of the connection string, name=value joined by & and escaped for a URL, such as replicaSet=rs0 and those of
	// TLS. Files that they name are read when the backend starts. An option must not be in the string of URIFile too.
	Options string `json:"options,omitempty"`
}
