package settings

import (
	"fmt"
	"path"
	"strings"

	"github.com/openimstack/openim-operator/openim"
)

// Class says who decides about a key.
type Class string

// Classes.
const (
	// Field is the class of keys for which the spec has a field, which Row.Field names.
	Field Class = "Field"
	// Free is the class of keys that overrides may set within bounds.
	Free Class = "Free"
	// Operator is the class of keys that the operator sets, for the reason in Row.Why.
	Operator Class = "Operator"
	// Dead is the class of keys that no code of the release reads: setting them would only look as if it worked.
	Dead Class = "Dead"
)

// Row is the class of some keys.
type Row struct {
	// Files is a pattern of file names, Keys one of keys (package path, where each part between dots counts as one between slashes).
	Files, Keys string
	Class       Class
	// Field is the field of the spec that sets the key, for the class Field.
	Field string
	// Why says why nobody else sets the key, for the class Operator.
	Why string
	// Values are the bounds of a key of the class Free.
	Values Values
	// What says what a key of the class Free does, for documentation.
	What string
}

// Values are what a free key may be: one of a list of texts, or a whole number within bounds. Without both: true or false.
type Values struct {
	Texts    []string
	Min, Max int
}

// Describe says in words what a key of the class Free and of this type may be.
func (v Values) Describe(kind Type) string {
	switch kind {
	case "bool":
		return "true, false"
	case "int":
		return fmt.Sprintf("%d to %d", v.Min, v.Max)
	}
	return strings.Join(v.Texts, ", ")
}

// SetBy says in words who sets the keys of the row: a field of the spec, the operator and why, or nobody.
func (r Row) SetBy() string {
	switch r.Class {
	case Field:
		return "spec." + r.Field
	case Operator:
		return "the operator: " + r.Why
	case Dead:
		return "nobody: no code of OpenIM reads it"
	default:
		return "spec.settings.overrides"
	}
}

// Reasons of the class Operator that several rows have.
const (
	whyPorts    = "policies, Services and probes are made from the ports"
	whyAddress  = "the pod's address is registered, and it listens on all of them: policies decide who reaches it"
	whyMetrics  = "metrics have no authentication: spec.network.monitoring decides who reaches them"
	whyStore    = "it is set from the rest of the spec"
	whyNames    = "all processes of a stack use the same name, and another stack in the same store another"
	whyTopics   = "all processes that share a Redis tell each other by it what has changed"
	whyBucket   = "with it anybody could read the store, and write to it"
	whySession  = "it expires, and OpenIM reads it at its start alone"
	whyLogFiles = "the log goes to the container's output alone"
)

// table has one row for each group of keys. The first row that matches counts.
var table = []Row{
	// Ports, addresses and metrics, in the file of each process.
	{Files: "openim-*.yml", Keys: "rpc.registerIP", Class: Operator, Why: whyAddress},
	{Files: "openim-*.yml", Keys: "rpc.listenIP", Class: Operator, Why: whyAddress},
	{Files: "openim-*.yml", Keys: "rpc.*", Class: Operator, Why: whyPorts},
	{Files: "openim-api.yml", Keys: "prometheus.grafanaURL", Class: Operator, Why: "it redirects everybody who asks, without authentication"},
	{Files: "openim-*.yml", Keys: "prometheus.*", Class: Operator, Why: whyMetrics},
	{Files: "openim-msggateway.yml", Keys: "listenIP", Class: Operator, Why: whyAddress},
	{Files: "openim-msggateway.yml", Keys: "longConnSvr.ports", Class: Operator, Why: whyPorts},
	{Files: "openim-msggateway.yml", Keys: "longConnSvr.websocketMaxConnNum", Class: Field, Field: "settings.webSocket.maxConnections"},
	{Files: "openim-msggateway.yml", Keys: "longConnSvr.websocketTimeout", Class: Field, Field: "settings.webSocket.handshakeTimeoutSeconds"},
	{Files: "openim-msggateway.yml", Keys: "longConnSvr.websocketMaxMsgLen", Class: Dead},
	{Files: "openim-api.yml", Keys: "api.compressionLevel", Class: Free, Values: Values{Min: -1, Max: 2},
		What: "compression of replies to the backend: -1 none, 0 as gzip has it, 1 the smallest, 2 the fastest"},
	{Files: "openim-api.yml", Keys: "api.*", Class: Operator, Why: whyPorts},

	// What single processes do.
	{Files: "openim-crontask.yml", Keys: "cronExecuteTime", Class: Field, Field: "settings.retention.schedule"},
	{Files: "openim-crontask.yml", Keys: "retainChatRecords", Class: Field, Field: "settings.retention.messageDays"},
	{Files: "openim-crontask.yml", Keys: "fileExpireTime", Class: Field, Field: "settings.retention.fileDays"},
	{Files: "openim-crontask.yml", Keys: "deleteObjectType", Class: Field, Field: "settings.retention.fileTypes"},
	{Files: "openim-rpc-auth.yml", Keys: "tokenPolicy.expire", Class: Field, Field: "settings.tokenLifetimeDays"},
	{Files: "openim-rpc-group.yml", Keys: "enableHistoryForNewMembers", Class: Field, Field: "settings.newMemberHistory"},
	{Files: "openim-rpc-msg.yml", Keys: "friendVerify", Class: Field, Field: "settings.friendship"},
	{Files: "openim-rpc-third.yml", Keys: "object.cos.publicRead", Class: Field, Field: "dependencies.objectStorage.cos.access"},
	{Files: "openim-rpc-third.yml", Keys: "object.oss.publicRead", Class: Field, Field: "dependencies.objectStorage.oss.access"},
	{Files: "openim-rpc-third.yml", Keys: "object.kodo.publicRead", Class: Dead},
	{Files: "openim-rpc-third.yml", Keys: "object.aws.endpoint", Class: Dead},
	{Files: "openim-rpc-third.yml", Keys: "object.enable", Class: Field, Field: "dependencies.objectStorage"},
	{Files: "openim-rpc-third.yml", Keys: "object.*.sessionToken", Class: Operator, Why: whySession},
	{Files: "openim-rpc-third.yml", Keys: "object.aws.*", Class: Field, Field: "dependencies.objectStorage.aws"},
	{Files: "openim-rpc-third.yml", Keys: "object.cos.*", Class: Field, Field: "dependencies.objectStorage.cos"},
	{Files: "openim-rpc-third.yml", Keys: "object.oss.*", Class: Field, Field: "dependencies.objectStorage.oss"},
	{Files: "openim-rpc-third.yml", Keys: "object.kodo.*", Class: Field, Field: "dependencies.objectStorage.kodo"},
	{Files: "openim-push.yml", Keys: "maxConcurrentWorkers", Class: Free, Values: Values{Min: 3, Max: 1000},
		What: "how many msggateways one message is pushed to at a time; OpenIM takes less than 3 as 3"},
	{Files: "openim-push.yml", Keys: "fullUserCache", Class: Free,
		What: "true: the pod remembers of every user whether they are online; false: of those who were asked for last"},
	{Files: "openim-push.yml", Keys: "geTui.intent", Class: Dead},
	{Files: "openim-push.yml", Keys: "iosPush.pushSound", Class: Dead},
	{Files: "openim-push.yml", Keys: "iosPush.badgeCount", Class: Dead},
	{Files: "openim-push.yml", Keys: "fcm.authURL", Class: Operator, Why: "credentials would come from the network"},
	{Files: "openim-push.yml", Keys: "fcm.filePath", Class: Field, Field: "push.fcm.credentialsRef"},
	{Files: "openim-push.yml", Keys: "geTui.*", Class: Field, Field: "push.getui"},
	{Files: "openim-push.yml", Keys: "jpush.*", Class: Field, Field: "push.jpush"},
	{Files: "openim-push.yml", Keys: "iosPush.production", Class: Field, Field: "push.jpush.apns"},
	{Files: "openim-push.yml", Keys: "enable", Class: Field, Field: "push"},

	// Files that several processes read.
	{Files: "discovery.yml", Keys: "zooKeeper.*", Class: Dead},
	{Files: "discovery.yml", Keys: "enable", Class: Operator, Why: "etcd needs no access to the API server of Kubernetes"},
	{Files: "discovery.yml", Keys: "etcd.rootDirectory", Class: Operator, Why: whyNames},
	{Files: "discovery.yml", Keys: "etcd.*", Class: Field, Field: "dependencies.etcd"},
	{Files: "kafka.yml", Keys: "producerAck", Class: Free, Values: Values{Texts: []string{"wait_for_local", "wait_for_all"}},
		What: "which brokers have a message before its sending is acknowledged: the leader, or all that are in sync (default)"},
	{Files: "kafka.yml", Keys: "compressType", Class: Free, Values: Values{Texts: []string{"none", "gzip", "snappy", "lz4", "zstd"}},
		What: "compression of messages in Kafka"},
	{Files: "kafka.yml", Keys: "*Topic", Class: Operator, Why: whyNames},
	{Files: "kafka.yml", Keys: "*GroupID", Class: Operator, Why: whyNames},
	{Files: "kafka.yml", Keys: "tls.clientKeyPwd", Class: Operator,
		Why: "the file would hold the password of the private key: write the key to its Secret without a password"},
	{Files: "kafka.yml", Keys: "tls.*", Class: Field, Field: "dependencies.kafka.tls"},
	{Files: "kafka.yml", Keys: "*", Class: Field, Field: "dependencies.kafka"},
	{Files: "local-cache.yml", Keys: "*.topic", Class: Operator, Why: whyTopics},
	{Files: "local-cache.yml", Keys: "*.slotNum", Class: Free, Values: Values{Min: 1, Max: 10000},
		What: "slots of a process's cache of users, groups, friends or conversations"},
	{Files: "local-cache.yml", Keys: "*.slotSize", Class: Free, Values: Values{Min: 1, Max: 100000}, What: "entries of a slot"},
	{Files: "local-cache.yml", Keys: "*.successExpire", Class: Free, Values: Values{Min: 1, Max: 86400},
		What: "seconds for which an entry is kept"},
	{Files: "local-cache.yml", Keys: "*.failedExpire", Class: Free, Values: Values{Min: 1, Max: 3600},
		What: "seconds for which it is kept that something does not exist"},
	{Files: "log.yml", Keys: "remainLogLevel", Class: Field, Field: "settings.log.level"},
	{Files: "log.yml", Keys: "isJson", Class: Field, Field: "settings.log.format"},
	{Files: "log.yml", Keys: "isSimplify", Class: Operator, Why: "without it OpenIM prints whole requests"},
	{Files: "log.yml", Keys: "withStack", Class: Dead},
	{Files: "log.yml", Keys: "*", Class: Operator, Why: whyLogFiles},
	{Files: "minio.yml", Keys: "publicRead", Class: Operator, Why: whyBucket},
	{Files: "minio.yml", Keys: "sessionToken", Class: Operator, Why: whySession},
	{Files: "minio.yml", Keys: "*", Class: Field, Field: "dependencies.objectStorage.minio"},
	{Files: "mongodb.yml", Keys: "maxPoolSize", Class: Free, Values: Values{Min: 1, Max: 10000},
		What: "connections of each process to each server of MongoDB"},
	{Files: "mongodb.yml", Keys: "maxRetry", Class: Free, Values: Values{Min: 1, Max: 100}, What: "attempts to connect at the start"},
	{Files: "mongodb.yml", Keys: "*", Class: Field, Field: "dependencies.mongodb"},
	{Files: "notification.yml", Keys: "*.isSendMsg", Class: Field, Field: "settings.notifications"},
	{Files: "notification.yml", Keys: "*.reliabilityLevel", Class: Field, Field: "settings.notifications"},
	{Files: "notification.yml", Keys: "*.offlinePush.enable", Class: Field, Field: "settings.notifications"},
	{Files: "notification.yml", Keys: "*.offlinePush.*", Class: Dead},
	{Files: "notification.yml", Keys: "*.unreadCount", Class: Operator,
		Why: "OpenIM counts what also appears as a message, and reads this up to v3.8.3-patch.2 alone"},
	{Files: "redis.yml", Keys: "maxRetry", Class: Free, Values: Values{Min: 1, Max: 100}, What: "repetitions of a command that failed"},
	{Files: "redis.yml", Keys: "poolSize", Class: Free, Values: Values{Min: 1, Max: 10000}, What: "connections of each process to each Redis"},
	{Files: "redis.yml", Keys: "clusterMode", Class: Operator, Why: whyStore},
	{Files: "redis.yml", Keys: "redisMode", Class: Operator, Why: whyStore},
	{Files: "redis.yml", Keys: "*", Class: Field, Field: "dependencies.redis"},
	{Files: "share.yml", Keys: "rpcMaxBodySize.*", Class: Field, Field: "settings.maxRPCMessageBytes"},
	{Files: "share.yml", Keys: "secret", Class: Operator, Why: "it is generated, and kept in a Secret"},
	{Files: "share.yml", Keys: "imAdminUserID", Class: Operator, Why: "the wrapper obtains tokens of this user"},
	{Files: "share.yml", Keys: "rpcRegisterName.*", Class: Operator, Why: whyNames},
	{Files: "share.yml", Keys: "multiLogin.*", Class: Field, Field: "settings.multiLogin"},
	{Files: "webhooks.yml", Keys: "*.failedContinue", Class: Dead},
	{Files: "webhooks.yml", Keys: "afterUserKickOff.*", Class: Dead},
	{Files: "webhooks.yml", Keys: "afterGroupMsgRevoke.*", Class: Dead},
	{Files: "webhooks.yml", Keys: "url", Class: Field, Field: "webhooks"},
	{Files: "webhooks.yml", Keys: "*.*", Class: Field, Field: "webhooks.hooks"},
}

// Table returns the rows, in the order in which they are compared.
func Table() []Row { return append([]Row(nil), table...) }

// RowOf returns the row of a key.
func RowOf(file openim.File, key string) (Row, bool) {
	for _, row := range table {
		if row.matches(file, key) {
			return row, true
		}
	}
	return Row{}, false
}

func (r Row) matches(file openim.File, key string) bool {
	inFile, _ := path.Match(r.Files, string(file)) // the only error is a bad pattern, which a test excludes
	hasKey, _ := path.Match(strings.ReplaceAll(r.Keys, ".", "/"), strings.ReplaceAll(key, ".", "/"))
	return inFile && hasKey
}
