package openim

import (
	"bytes"
	"cmp"
	"embed"
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"text/template"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/mongouri"
)

// Settings are the input of the configuration templates. They contain no secret: processes get secrets by environment variables.
type Settings struct {
	Release Release
	// Brokers of Kafka, host:port.
	Brokers []string
	// KafkaTLS is nil for connections without TLS.
	KafkaTLS *KafkaTLS `json:",omitempty"`
	// TopicPrefix is the prefix of topics and consumer groups. Stacks that share a Kafka must not receive each other's messages.
	TopicPrefix string
	// NewTopics are the topics that are made where they are missing. Nil: none is made.
	NewTopics *NewTopics `json:",omitempty"`
	// RedisAddresses, host:port. More than one means a cluster.
	RedisAddresses []string
	// RedisCluster is true for a cluster behind one address.
	RedisCluster bool `json:",omitempty"`
	// RedisDatabase is the number of the database. OpenIM's keys have no prefix.
	RedisDatabase int32
	// EtcdEndpoints, host:port.
	EtcdEndpoints []string
	// EtcdTLS is true when the connections to etcd are encrypted. The authorities are those of the system (TrustEnv).
	EtcdTLS bool `json:",omitempty"`
	// EtcdRoot is the prefix of the stack's keys in etcd. Stacks that share an etcd must not discover each other's processes.
	EtcdRoot string
	MongoDB  MongoDBSettings
	// ObjectStorage is nil for a stack without object storage.
	ObjectStorage *ObjectStorageSettings
	// Chosen are the settings that the stack chose among those that OpenIM leaves free. Nil: the defaults. Package settings checks them.
	Chosen *v1alpha1.Settings `json:",omitempty"`
	// Push selects the vendor of notifications. Nil: none.
	Push *v1alpha1.Push `json:",omitempty"`
	// Webhooks are the calls to a service of the user's. Nil: none.
	Webhooks *v1alpha1.Webhooks `json:",omitempty"`
	// Namespace of the stack, in which a Service without namespace is.
	Namespace string `json:",omitempty"`
}

// NewTopics describe topics of Kafka that are made.
type NewTopics struct {
	// Partitions of each topic.
	Partitions int32
	// Replication is the number of copies of each partition, 0 for the brokers' default.
	Replication int32 `json:",omitempty"`
}

// KafkaTLS configures TLS to Kafka. The files are in the folder of Kafka's files (StoreDir).
type KafkaTLS struct {
	// Authority is true when a file holds the authorities. Without it those of the image are trusted, and those of TrustEnv.
	Authority bool
	// Certificate is true when OpenIM has a certificate of its own.
	Certificate bool
	// Unverified is true when every certificate of Kafka is accepted.
	Unverified bool
}

// CAFile returns the path of the authorities' certificates, "" without any.
func (k *KafkaTLS) CAFile() string {
	if k == nil || !k.Authority {
		return ""
	}
	return path.Join(StoreDir(Kafka), CAFile)
}

// CertificateFile returns the path of the client's certificate, "" without one.
func (k *KafkaTLS) CertificateFile() string {
	if k == nil || !k.Certificate {
		return ""
	}
	return path.Join(StoreDir(Kafka), CertificateFile)
}

// PrivateKeyFile returns the path of the client's private key, "" without one.
func (k *KafkaTLS) PrivateKeyFile() string {
	if k == nil || !k.Certificate {
		return ""
	}
	return path.Join(StoreDir(Kafka), PrivateKeyFile)
}

// Insecure reports whether every certificate of Kafka is accepted.
func (k *KafkaTLS) Insecure() bool { return k != nil && k.Unverified }

// MongoDBSettings configure OpenIM's connection to MongoDB.
type MongoDBSettings struct {
	// Addresses, host:port. Empty when the connection string comes from a Secret.
	Addresses []string
	// Database to use. OpenIM reads it from its configuration, even when the connection string names a database.
	Database string
	// AuthSource is the database in which the user is looked up. Empty means Database, as in OpenIM.
	AuthSource string
	// Credentials is true when user name and password come from a Secret.
	Credentials bool
	// Options of the connection string, name=value joined by &. OpenIM has no other way to set them.
	Options string `json:",omitempty"`
}

// URI returns the connection string for a MongoDB without credentials, because the string that OpenIM builds always contains
// credentials. It returns an empty string when the connection string comes from a Secret or the environment (ComposedURI), or OpenIM builds
// it from credentials.
func (m MongoDBSettings) URI() string {
	if m.Credentials || len(m.Addresses) == 0 {
		return ""
	}
	uri := "mongodb://" + strings.Join(m.Addresses, ",") + "/" + m.Database
	return uri + mongouri.Suffix(uri, m.Options)
}

// ComposedURI returns the connection string for credentials with options: OpenIM adds no option to the string that it builds. The kubelet
// replaces the names of the variables that hold user name and password, so that no template has a secret.
func (m MongoDBSettings) ComposedURI() string {
	source := cmp.Or(m.AuthSource, m.Database)
	return fmt.Sprintf("mongodb://$(%s):$(%s)@%s/%s?authSource=%s&%s", EnvName(MongoDBFile, KeyUsername), EnvName(MongoDBFile, KeyPassword),
		strings.Join(m.Addresses, ","), m.Database, source, m.Options)
}

// AdminUserID is the user that OpenIM treats as its administrator.
const AdminUserID = "imAdmin"

//go:embed templates/*.yml
var templateFiles embed.FS

var templates = template.Must(template.New("").Option("missingkey=error").Funcs(template.FuncMap{"list": list, "text": text}).
	ParseFS(templateFiles, "templates/*.yml"))

// list returns a YAML flow list of strings, as JSON.
func list(items []string) (string, error) {
	text, err := json.Marshal(items)
	return string(text), err
}

// text returns a text of the spec as YAML: in quotes, as JSON.
func text(value any) (string, error) {
	quoted, err := json.Marshal(value)
	return string(quoted), err
}

// view is the data of a template.
type view struct {
	Settings
	process Process
	file    File
}

// Port returns the number of the process's port of a kind.
func (v view) Port(kind PortKind) (int32, error) {
	port, ok := v.process.Port(kind)
	if !ok {
		return 0, fmt.Errorf("%s has no %s port", v.process.Name, kind)
	}
	return port.Number, nil
}

// AdminUserID returns the user that OpenIM treats as its administrator.
func (v view) AdminUserID() string { return AdminUserID }

// ClusterOfRedis reports whether Redis is a cluster.
func (v view) ClusterOfRedis() bool { return v.RedisCluster || len(v.RedisAddresses) > 1 }

// RedisSeeds returns the addresses as the release needs them: some connect to a cluster only when they have two.
func (v view) RedisSeeds() []string {
	if v.ClusterOfRedis() && len(v.RedisAddresses) == 1 && v.Release.RedisClusterNeedsTwo() {
		return []string{v.RedisAddresses[0], v.RedisAddresses[0]}
	}
	return v.RedisAddresses
}

// HasMinIO reports whether the object store is MinIO.
func (v view) HasMinIO() bool {
	return v.ObjectStorage != nil && v.ObjectStorage.Enable() == StorageMinIO
}

// Services returns the names under which the rpc processes register in etcd.
func (v view) Services() []string { return registeredNames() }

// EtcdAddresses returns the endpoints of etcd as OpenIM and the supervisor read them: with a scheme, the client uses TLS.
func (s Settings) EtcdAddresses() []string {
	if !s.EtcdTLS {
		return s.EtcdEndpoints
	}
	var urls []string
	for _, endpoint := range s.EtcdEndpoints {
		urls = append(urls, "https://"+endpoint)
	}
	return urls
}

// Render returns the configuration files that a process reads, by name.
func Render(p Process, s Settings) (map[string]string, error) {
	rendered := make(map[string]string, len(p.Files))
	for _, file := range p.Files {
		var text bytes.Buffer
		if err := templates.ExecuteTemplate(&text, string(file), view{Settings: s, process: p, file: file}); err != nil {
			return nil, fmt.Errorf("rendering %s for %s: %w", file, p.Name, err)
		}
		rendered[string(file)] = text.String()
	}
	return rendered, nil
}
