package openim

// common are the files that every process reads.
var common = []File{LogFile, ShareFile, DiscoveryFile}

func files(own ...File) []File { return append(own, common...) }

// catalogue is the table of OpenIM's processes, the same for all supported releases.
//
// Sources in OpenIM: files in pkg/common/cmd/*.go, calls of GetConn and GetConns under internal/, ports in config/*.yml, of which the
// first of each list is used. rpc-user reads kafka.yml and does not connect to Kafka.
var catalogue = []Process{
	{
		Name: API, Binary: "openim-api",
		Ports:        []Port{{HTTP, 10002}, {Metrics, 12002}},
		Files:        files(APIFile),
		Dependencies: []Dependency{Etcd},
		Calls:        []Name{RPCAuth, RPCConversation, RPCFriend, RPCGroup, RPCMsg, RPCThird, RPCUser, MsgGateway},
	},
	{
		Name: MsgGateway, Binary: "openim-msggateway",
		Ports:        []Port{{WebSocket, 10001}, {GRPC, 10140}, {Metrics, 12140}},
		Files:        files(MsgGatewayFile, RedisFile, WebhooksFile),
		Dependencies: []Dependency{Redis, Etcd},
		Calls:        []Name{RPCAuth, RPCMsg, RPCUser, Push, MsgGateway},
	},
	{
		Name: MsgTransfer, Binary: "openim-msgtransfer",
		Ports:        []Port{{Metrics, 12020}},
		Files:        files(MsgTransferFile, RedisFile, MongoDBFile, KafkaFile, WebhooksFile),
		Dependencies: []Dependency{Kafka, Redis, MongoDB, Etcd},
		Calls:        []Name{RPCConversation, RPCGroup},
	},
	{
		Name: Push, Binary: "openim-push",
		Ports:        []Port{{GRPC, 10170}, {Metrics, 12170}},
		Files:        files(PushFile, RedisFile, KafkaFile, NotificationFile, WebhooksFile, LocalCacheFile),
		Dependencies: []Dependency{Kafka, Redis, Etcd},
		Calls:        []Name{RPCConversation, RPCGroup, RPCMsg, RPCUser, MsgGateway},
	},
	{
		Name: CronTask, Binary: "openim-crontask",
		Files:        files(CronTaskFile),
		Dependencies: []Dependency{Etcd},
		Calls:        []Name{RPCConversation, RPCMsg, RPCThird},
		Singleton:    true,
	},
	{
		Name: RPCAuth, Binary: "openim-rpc-auth",
		Ports:        []Port{{GRPC, 10200}, {Metrics, 12200}},
		Files:        files(RPCAuthFile, RedisFile),
		Dependencies: []Dependency{Redis, Etcd},
		Calls:        []Name{RPCUser, MsgGateway},
	},
	{
		Name: RPCConversation, Binary: "openim-rpc-conversation",
		Ports:        []Port{{GRPC, 10220}, {Metrics, 12220}},
		Files:        files(RPCConversationFile, RedisFile, MongoDBFile, NotificationFile, LocalCacheFile),
		Dependencies: []Dependency{Redis, MongoDB, Etcd},
		Calls:        []Name{RPCGroup, RPCMsg, RPCUser},
	},
	{
		Name: RPCFriend, Binary: "openim-rpc-friend",
		Ports:        []Port{{GRPC, 10240}, {Metrics, 12240}},
		Files:        files(RPCFriendFile, RedisFile, MongoDBFile, NotificationFile, WebhooksFile, LocalCacheFile),
		Dependencies: []Dependency{Redis, MongoDB, Etcd},
		Calls:        []Name{RPCMsg, RPCUser},
	},
	{
		Name: RPCGroup, Binary: "openim-rpc-group",
		Ports:        []Port{{GRPC, 10260}, {Metrics, 12260}},
		Files:        files(RPCGroupFile, RedisFile, MongoDBFile, NotificationFile, WebhooksFile, LocalCacheFile),
		Dependencies: []Dependency{Redis, MongoDB, Etcd},
		Calls:        []Name{RPCConversation, RPCMsg, RPCUser},
	},
	{
		Name: RPCMsg, Binary: "openim-rpc-msg",
		Ports:        []Port{{GRPC, 10280}, {Metrics, 12280}},
		Files:        files(RPCMsgFile, RedisFile, MongoDBFile, KafkaFile, NotificationFile, WebhooksFile, LocalCacheFile),
		Dependencies: []Dependency{Kafka, Redis, MongoDB, Etcd},
		Calls:        []Name{RPCConversation, RPCFriend, RPCGroup, RPCUser},
	},
	{
		Name: RPCThird, Binary: "openim-rpc-third",
		Ports:        []Port{{GRPC, 10300}, {Metrics, 12300}},
		Files:        files(RPCThirdFile, RedisFile, MongoDBFile, MinIOFile, NotificationFile, LocalCacheFile),
		Dependencies: []Dependency{Redis, MongoDB, Etcd, ObjectStorage},
		Calls:        []Name{RPCUser},
	},
	{
		Name: RPCUser, Binary: "openim-rpc-user",
		Ports:        []Port{{GRPC, 10320}, {Metrics, 12320}},
		Files:        files(RPCUserFile, RedisFile, MongoDBFile, KafkaFile, NotificationFile, WebhooksFile, LocalCacheFile),
		Dependencies: []Dependency{Redis, MongoDB, Etcd},
		Calls:        []Name{RPCFriend, RPCGroup, RPCMsg},
	},
}
