package v1alpha1

// Dependencies are the stores that OpenIM needs. Addresses are host:port. A host of the form service.namespace.svc
// names a Service: the network policies then select its pods. An IP address becomes an IP block. Any other host needs peers,
// because a NetworkPolicy cannot contain a host name.
type Dependencies struct {
	// kafka carries messages between OpenIM's processes. The stack's four topics must exist, or be made by the brokers or the stack
	// (kafka.topics.management).
	// +required
	Kafka Kafka `json:"kafka,omitzero"`

	// redis holds tokens, presence and caches. It should be persistent: when it is emptied, all users are logged out.
	// +required
	Redis Redis `json:"redis,omitzero"`

	// mongodb stores messages, users, groups and conversations.
	// +required
	MongoDB MongoDB `json:"mongodb,omitzero"`

	// etcd is OpenIM's service discovery.
	// +required
	Etcd Etcd `json:"etcd,omitzero"`

	// objectStorage stores the files that clients upload, in one of five kinds of stores. When absent, OpenIM's object routes answer with
	// errors.
	// +optional
	ObjectStorage *ObjectStorage `json:"objectStorage,omitempty"`
}

// Address is host:port, with a port from 1 to 65535. An IPv6 address is written in brackets.
// +kubebuilder:validation:MinLength=3
// +kubebuilder:validation:MaxLength=261
// +kubebuilder:validation:XValidation:rule="self.matches('^([a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?|[[][0-9a-fA-F:.]+[]]):[0-9]{1,5}$') && !self.contains('..') && int(self.split(':')[self.split(':').size()-1]) >= 1 && int(self.split(':')[self.split(':').size()-1]) <= 65535",message="an address must be host:port with a port from 1 to 65535 and no scheme, for example redis.infra.svc:6379"
type Address string

// Kafka is a reference to Kafka.
// +kubebuilder:validation:XValidation:rule="has(self.topics) && has(self.topics.prefix) ? has(oldSelf.topics) && has(oldSelf.topics.prefix) && self.topics.prefix == oldSelf.topics.prefix : !has(oldSelf.topics) || !has(oldSelf.topics.prefix)",message="kafka.topics.prefix cannot be changed: messages in the old topics would never be read. Create another stack"
// +kubebuilder:validation:XValidation:rule="!has(self.saslMechanism) || has(self.credentialsRef)",message="kafka.saslMechanism is how the user of credentialsRef logs in: write credentialsRef, or remove saslMechanism"
// +kubebuilder:validation:XValidation:rule="!has(self.peerPort) || has(self.peers)",message="kafka.peerPort is the port of peers: write peers, or remove peerPort"
// +kubebuilder:validation:XValidation:rule="has(self.resourceRef) != has(self.brokers)",message="kafka needs exactly one of brokers and resourceRef: write one of the two"
// +kubebuilder:validation:XValidation:rule="!has(self.resourceRef) || (!has(self.credentialsRef) && !has(self.tls))",message="kafka.resourceRef already says how to log in and which certificates count: remove credentialsRef and tls"
type Kafka struct {
	// resourceRef names an object that says where Kafka is and how to log in, in place of brokers, credentialsRef and tls.
	// +optional
	ResourceRef *ResourceReference `json:"resourceRef,omitempty"`

	// brokers are the bootstrap addresses. The addresses that the brokers advertise must belong to the same peers.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Brokers []Address `json:"brokers,omitempty"`

	// credentialsRef names a Secret with the keys username and password (SASL PLAIN). Without tls the password crosses the network as it is.
	// +optional
	CredentialsRef *LocalReference `json:"credentialsRef,omitempty"`

	// saslMechanism by which the user of credentialsRef logs in. No supported release of OpenIM has another than PLAIN, the default: with
	// SCRAM the stack is refused and says what to do.
	// +optional
	SASLMechanism SASLMechanism `json:"saslMechanism,omitempty"`

	// tls encrypts the connections.
	// +optional
	TLS *StoreTLS `json:"tls,omitempty"`

	// topics of the stack.
	// +optional
	Topics *Topics `json:"topics,omitempty"`

	// peers select the brokers on the network, when the addresses are host names that are not Services.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Peers []Peer `json:"peers,omitempty"`

	// peerPort is the port of the peers' pods. With peers and peerPort nothing is read of a Service. Default: the Service's target port, or
	// the port of the address.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	PeerPort *int32 `json:"peerPort,omitempty"`
}

// SASLMechanism is how a user logs in to Kafka.
// +kubebuilder:validation:Enum=PLAIN;SCRAM-SHA-256;SCRAM-SHA-512
type SASLMechanism string

// The mechanisms of SASL.
const (
	SASLPlain       SASLMechanism = "PLAIN"
	SASLScramSHA256 SASLMechanism = "SCRAM-SHA-256"
	SASLScramSHA512 SASLMechanism = "SCRAM-SHA-512"
)

// Topics are the stack's topics and consumer groups in Kafka. Topics are named prefix followed by toRedis, toMongo, toPush and
// toOfflinePush, consumer groups prefix followed by redis, mongo, push and offlinePush.
// +kubebuilder:validation:XValidation:rule="(!has(self.partitions) && !has(self.replication)) || (has(self.management) && self.management == 'Create')",message="topics.partitions and topics.replication are those of topics that the stack makes: write management: Create, or remove them"
type Topics struct {
	// management of the topics. Existing: they are made by others before the stack, or by brokers that make topics by themselves. Create:
	// the pods that use Kafka make those that are missing, before OpenIM starts; the user of credentialsRef then needs the permission Create
	// on topics with the prefix. Topics that exist are never changed and never deleted. Default Existing.
	// +optional
	Management TopicManagement `json:"management,omitempty"`

	// partitions of each topic that is made. A topic that has fewer is named (TopicDiffers), and OpenIM is not started with it. At most this
	// many pods of msgtransfer, or of push, share the work. Default 8.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	Partitions *int32 `json:"partitions,omitempty"`

	// replication is the number of brokers that keep each partition of a topic that is made. A topic that has fewer is named
	// (TopicDiffers), and OpenIM is not started with it. Default: the brokers' own default, which is not compared.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10
	Replication *int32 `json:"replication,omitempty"`

	// prefix of their names. No other stack may use it on the same brokers. Default <namespace>.<stack>. with the final dot.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9._-]+$')",message="topics.prefix must be made of letters, digits, '.', '_' and '-', for example im-chat-"
	Prefix string `json:"prefix,omitempty"`
}

// TopicManagement is who makes the topics.
// +kubebuilder:validation:Enum=Existing;Create
type TopicManagement string

// Who makes the topics.
const (
	TopicsExisting TopicManagement = "Existing"
	TopicsCreate   TopicManagement = "Create"
)

// Redis is a reference to Redis. More than one address means a Redis cluster.
// +kubebuilder:validation:XValidation:rule="!has(self.database) || self.database == 0 || !has(self.addresses) || size(self.addresses) == 1",message="redis.database must be 0 in a Redis Cluster, which has no other database: remove database, or write one address"
// +kubebuilder:validation:XValidation:rule="!has(self.mode) || self.mode != 'Cluster' || !has(self.database) || self.database == 0",message="redis.database must be 0 with mode: Cluster: a Redis Cluster has no other database"
// +kubebuilder:validation:XValidation:rule="!has(self.mode) || self.mode != 'Standalone' || !has(self.addresses) || size(self.addresses) == 1",message="redis.mode Standalone has one address: write mode: Cluster, or the address of the primary's Service alone"
// +kubebuilder:validation:XValidation:rule="!has(self.peerPort) || has(self.peers)",message="redis.peerPort is the port of peers: write peers, or remove peerPort"
// +kubebuilder:validation:XValidation:rule="has(self.resourceRef) != has(self.addresses)",message="redis needs exactly one of addresses and resourceRef: write one of the two"
// +kubebuilder:validation:XValidation:rule="!has(self.resourceRef) || (!has(self.credentialsRef) && !has(self.tls))",message="redis.resourceRef already says how to log in and which certificates count: remove credentialsRef and tls"
type Redis struct {
	// resourceRef names an object that says where Redis is and how to log in, in place of addresses, credentialsRef and tls.
	// +optional
	ResourceRef *ResourceReference `json:"resourceRef,omitempty"`

	// addresses of Redis.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Addresses []Address `json:"addresses,omitempty"`

	// credentialsRef names a Secret with the key password and, optionally, the key username.
	// +optional
	CredentialsRef *LocalReference `json:"credentialsRef,omitempty"`

	// mode of Redis. Cluster with one address is a Redis Cluster behind a Service or a proxy. Sentinel is not supported by any release of
	// OpenIM: write the address of a Service that follows the primary. Default: Standalone with one address, Cluster with more.
	// +optional
	Mode RedisMode `json:"mode,omitempty"`

	// database is the number of the database in Redis. Default 0. No other stack may use the same number on the same address.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1023
	Database *int32 `json:"database,omitempty"`

	// tls encrypts the connections of gateway and backend to a Redis of their own. No supported release of OpenIM speaks TLS to Redis: a
	// stack with it in dependencies is refused and says what to do. Default: plain.
	// +optional
	TLS *RedisTLS `json:"tls,omitempty"`

	// peers select Redis on the network, when the addresses are host names that are not Services.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Peers []Peer `json:"peers,omitempty"`

	// peerPort is the port of the peers' pods. With peers and peerPort nothing is read of a Service. Default: the Service's target port, or
	// the port of the address.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	PeerPort *int32 `json:"peerPort,omitempty"`
}

// RedisMode is how the servers of a Redis work together.
// +kubebuilder:validation:Enum=Standalone;Cluster;Sentinel
type RedisMode string

// The modes of Redis.
const (
	RedisStandalone RedisMode = "Standalone"
	RedisCluster    RedisMode = "Cluster"
	RedisSentinel   RedisMode = "Sentinel"
)

// MongoDB is a reference to MongoDB: a connection string in a Secret, addresses, or an object that has either.
// +kubebuilder:validation:XValidation:rule="[has(self.uriRef), has(self.addresses), has(self.resourceRef)].filter(v, v).size() == 1",message="mongodb needs exactly one of uriRef, addresses and resourceRef: set one, and remove the others"
// +kubebuilder:validation:XValidation:rule="!has(self.resourceRef) || (!has(self.credentialsRef) && !has(self.tls))",message="mongodb.resourceRef already says how to log in and which certificates count: remove credentialsRef and tls"
// +kubebuilder:validation:XValidation:rule="!has(self.uriRef) || (!has(self.credentialsRef) && !has(self.authSource))",message="mongodb.uriRef already holds credentials and authSource: remove credentialsRef and authSource"
// +kubebuilder:validation:XValidation:rule="!has(self.uriRef) || !has(self.options)",message="mongodb.uriRef already holds the options: remove options, and write them to the connection string"
// +kubebuilder:validation:XValidation:rule="!has(self.tls) || !has(self.tls.clientCertificate) || !has(self.tls.clientCertificate.keyKey)",message="MongoDB's clients read certificate and private key from one file: write the key that holds both to certKey, and remove keyKey"
// +kubebuilder:validation:XValidation:rule="!has(self.authSource) || has(self.credentialsRef) || has(self.resourceRef)",message="mongodb.authSource is where the user of credentialsRef is looked up: write credentialsRef, or remove authSource"
// +kubebuilder:validation:XValidation:rule="!has(self.peerPort) || has(self.peers)",message="mongodb.peerPort is the port of peers: write peers, or remove peerPort"
type MongoDB struct {
	// resourceRef names an object that says where MongoDB is and how to log in, in place of uriRef, addresses, credentialsRef and tls.
	// +optional
	ResourceRef *ResourceReference `json:"resourceRef,omitempty"`

	// uriRef is the key of a Secret that holds a connection string, mongodb://...
	// +optional
	URIRef *KeyReference `json:"uriRef,omitempty"`

	// addresses of MongoDB.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Addresses []Address `json:"addresses,omitempty"`

	// database to use. No other stack may use it. Default: the database in uriRef's path unless it is admin, local or config;
	// otherwise openim_<namespace>_<stack>, which is shortened with a hash when it exceeds 63 bytes.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_-]+$')",message="mongodb.database must be made of letters, digits, '_' and '-'"
	// +kubebuilder:validation:XValidation:rule="!(self in ['admin', 'local', 'config'])",message="mongodb.database must not be admin, local or config, which MongoDB uses: write another name"
	Database string `json:"database,omitempty"`

	// authSource is the database in which the user of credentialsRef is looked up. Default: database.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_-]+$')",message="mongodb.authSource must be made of letters, digits, '_' and '-', for example admin"
	AuthSource string `json:"authSource,omitempty"`

	// credentialsRef names a Secret with the keys username and password, for use with addresses. OpenIM does not escape
	// them, so they must not contain characters that are reserved in URLs.
	// +optional
	CredentialsRef *LocalReference `json:"credentialsRef,omitempty"`

	// options of the connection string, for use with addresses, for example replicaSet: rs0. Those of TLS and of the user have fields of
	// their own, and are refused here.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=16
	Options map[string]OptionValue `json:"options,omitempty"`

	// tls encrypts the connections. It also adds files to a connection string that says tls=true itself.
	// +optional
	TLS *StoreTLS `json:"tls,omitempty"`

	// peers select MongoDB on the network, when the addresses are host names that are not Services.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Peers []Peer `json:"peers,omitempty"`

	// peerPort is the port of the peers' pods. With peers and peerPort nothing is read of a Service. Default: the Service's target port, or
	// the port of the address.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	PeerPort *int32 `json:"peerPort,omitempty"`
}

// Etcd is a reference to etcd.
// +kubebuilder:validation:XValidation:rule="!has(self.peerPort) || has(self.peers)",message="etcd.peerPort is the port of peers: write peers, or remove peerPort"
type Etcd struct {
	// endpoints of etcd.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Endpoints []Address `json:"endpoints,omitempty"`

	// credentialsRef names a Secret with the keys username and password.
	// +optional
	CredentialsRef *LocalReference `json:"credentialsRef,omitempty"`

	// tls encrypts the connections. OpenIM has no certificate of its own for etcd, at any supported release.
	// +optional
	TLS *ServerTLS `json:"tls,omitempty"`

	// peers select etcd on the network, when the addresses are host names that are not Services.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Peers []Peer `json:"peers,omitempty"`

	// peerPort is the port of the peers' pods. With peers and peerPort nothing is read of a Service. Default: the Service's target port, or
	// the port of the address.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	PeerPort *int32 `json:"peerPort,omitempty"`
}
