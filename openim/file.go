package openim

import "strings"

// File is the name of a configuration file. OpenIM expects exactly these names in the folder of the flag -c.
type File string

// Files that several processes read.
const (
	LogFile          File = "log.yml"
	ShareFile        File = "share.yml"
	DiscoveryFile    File = "discovery.yml"
	RedisFile        File = "redis.yml"
	MongoDBFile      File = "mongodb.yml"
	KafkaFile        File = "kafka.yml"
	MinIOFile        File = "minio.yml"
	NotificationFile File = "notification.yml"
	WebhooksFile     File = "webhooks.yml"
	LocalCacheFile   File = "local-cache.yml"
)

// Files of one process each.
const (
	APIFile             File = "openim-api.yml"
	MsgGatewayFile      File = "openim-msggateway.yml"
	MsgTransferFile     File = "openim-msgtransfer.yml"
	PushFile            File = "openim-push.yml"
	CronTaskFile        File = "openim-crontask.yml"
	RPCAuthFile         File = "openim-rpc-auth.yml"
	RPCConversationFile File = "openim-rpc-conversation.yml"
	RPCFriendFile       File = "openim-rpc-friend.yml"
	RPCGroupFile        File = "openim-rpc-group.yml"
	RPCMsgFile          File = "openim-rpc-msg.yml"
	RPCThirdFile        File = "openim-rpc-third.yml"
	RPCUserFile         File = "openim-rpc-user.yml"
)

// EnvName returns the environment variable that overrides a key of a file, for example IMENV_REDIS_PASSWORD for redis.yml and
// "password". The key must be present in the file, and an empty value overrides nothing
// (pkg/common/config/load_config.go).
func EnvName(f File, key string) string {
	base := strings.TrimSuffix(string(f), ".yml")
	return "IMENV_" + strings.ToUpper(strings.ReplaceAll(base, "-", "_")+"_"+strings.ReplaceAll(key, ".", "_"))
}

// Keys that are set by environment variables, because their values are secret or differ between pods.
const (
	KeySecret          = "secret"
	KeyUsername        = "username"
	KeyPassword        = "password"
	KeyURI             = "uri"
	KeyEtcdUsername    = "etcd.username"
	KeyEtcdPassword    = "etcd.password"
	KeyAccessKeyID     = "accessKeyID"
	KeySecretAccessKey = "secretAccessKey"
	KeyRegisterIP      = "rpc.registerIP"
	KeyGeTuiAppKey     = "geTui.appKey"
	KeyGeTuiSecret     = "geTui.masterSecret"
	KeyJPushAppKey     = "jpush.appKey"
	KeyJPushSecret     = "jpush.masterSecret"
)

// ConnectionStringEnv is the environment variable with the connection string of a Secret, when more is added to it for OpenIM. OpenIM
// does not read it.
const ConnectionStringEnv = "MONGODB_CONNECTION_STRING"

// OwnFile returns the file with the settings of one process, including its ports.
func (p Process) OwnFile() File { return File(p.Binary + ".yml") }
