package openim

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"strings"
	"text/template"
)

// Settings are what configuration is rendered from. They hold no secret: secrets reach a process by environment variables.
type Settings struct {
	Release Release
	// Brokers of Kafka, host:port.
	Brokers []string
	// TopicPrefix stands before the names of topics and consumer groups: stacks that share a Kafka must not get each other's messages.
	TopicPrefix string
	// RedisAddresses, host:port. More than one means a cluster.
	RedisAddresses []string
	// RedisDatabase is the number of the database. OpenIM gives its keys no prefix.
	RedisDatabase int32
	// EtcdEndpoints, host:port.
	EtcdEndpoints []string
	// EtcdRoot is the prefix of the stack's keys in etcd: stacks that share an etcd must not find each other's processes.
	EtcdRoot string
	MongoDB  MongoDBSettings
	// ObjectStorage is nil when there is none.
	ObjectStorage *ObjectStorageSettings
}

// MongoDBSettings say how OpenIM finds MongoDB.
type MongoDBSettings struct {
	// Addresses, host:port; empty when the whole connection string comes from a Secret.
	Addresses []string
	// Database to use. OpenIM takes it from its configuration, also beside a connection string that names one.
	Database string
	// AuthSource is the database in which the user is looked up. Empty: Database, as OpenIM does without it.
	AuthSource string
	// Credentials is true when user name and password come from a Secret.
	Credentials bool
}

// URI is the connection string for a MongoDB without credentials: OpenIM cannot leave them out of the one it builds
// itself. It is empty when the string comes from a Secret, or when OpenIM must build it from credentials.
func (m MongoDBSettings) URI() string {
	if m.Credentials || len(m.Addresses) == 0 {
		return ""
	}
	return "mongodb://" + strings.Join(m.Addresses, ",") + "/" + m.Database
}

// ObjectStorageSettings say how OpenIM and its clients find the object store.
type ObjectStorageSettings struct {
	InternalAddress string
	ExternalAddress string
	Bucket          string
}

// AdminUserID is the user that OpenIM treats as its administrator.
const AdminUserID = "imAdmin"

//go:embed templates/*.yml
var templateFiles embed.FS

var templates = template.Must(template.New("").Option("missingkey=error").Funcs(template.FuncMap{"list": list}).
	ParseFS(templateFiles, "templates/*.yml"))

// list writes a YAML flow list of strings. JSON is YAML.
func list(items []string) (string, error) {
	text, err := json.Marshal(items)
	return string(text), err
}

// view is what a template sees.
type view struct {
	Settings
	process Process
}

// Port is the number of the rendered process's port of a kind.
func (v view) Port(kind PortKind) (int32, error) {
	port, ok := v.process.Port(kind)
	if !ok {
		return 0, fmt.Errorf("%s has no %s port", v.process.Name, kind)
	}
	return port.Number, nil
}

// AdminUserID is the user that OpenIM treats as its administrator.
func (v view) AdminUserID() string { return AdminUserID }

// Services are the names under which the rpc processes register in etcd, by the key of share.yml.
func (v view) Services() []registeredName { return services }

// Notifications are the notifications that OpenIM also sends as messages.
func (v view) Notifications() []Notification { return notifications }

// Render returns the configuration files of a process by name: those that it reads, and no others.
func Render(p Process, s Settings) (map[string]string, error) {
	rendered := make(map[string]string, len(p.Files))
	for _, file := range p.Files {
		var text bytes.Buffer
		if err := templates.ExecuteTemplate(&text, string(file), view{Settings: s, process: p}); err != nil {
			return nil, fmt.Errorf("rendering %s for %s: %w", file, p.Name, err)
		}
		rendered[string(file)] = text.String()
	}
	return rendered, nil
}
