package openim

// common are the files that every process reads.
var common = []File{LogFile, ShareFile, DiscoveryFile}

func files(own ...File) []File { return append(own, common...) }

// health is the supervisor's port, the same in every pod: it is not OpenIM's.
var health = Port{Health, 12900}

// catalogue is the table of OpenIM's processes, the same for all supported releases.
//
// Sources in OpenIM: files in pkg/common/cmd/*.go, calls of GetConn and GetConns under internal/, ports in config/*.yml, of which the
// first of each list is used; registered names in config/share.yml. share.secret is read in internal/rpc/auth/auth.go alone, and vendors
// are called in internal/push/offlinepush alone. rpc-user
// reads kafka.yml and does not connect to Kafka.
var catalogue = []Process{
	{
		Name: API, Binary: "openim-api", Wave: WaveFront,
		Ports:        []Port{{HTTP, 10002}, {Metrics, 12002}, health},
		Files:        files(APIFile),
		Dependencies: []Dependency{Etcd},
		Calls:        []Name{RPCAuth, RPCConversation, RPCFriend, RPCGroup, RPCMsg, RPCThird, RPCUser, MsgGateway},
	},
	{
		Name: MsgGateway, Binary: "openim-msggateway", Wave: WaveFront, Registered: "messageGateway",
		Ports:        []Port{{WebSocket, 10001}, {GRPC, 10140}, {Metrics, 12140}, health},
		Files:        files(MsgGatewayFile, RedisFile, WebhooksFile),
		Dependencies: []Dependency{Redis, Etcd},
		Calls:        []Name{RPCAuth, RPCMsg, RPCUser, Push, MsgGateway},
	},
	{
		Name: MsgTransfer, Binary: "openim-msgtransfer", Wave: WaveConsumers,
		Ports:        []Port{{Metrics, 12020}, health},
		Files:        files(MsgTransferFile, RedisFile, MongoDBFile, KafkaFile, WebhooksFile),
		Dependencies: []Dependency{Kafka, Redis, MongoDB, Etcd},
		Calls:        []Name{RPCConversation, RPCGroup},
	},
	{
		Name: Push, Binary: "openim-push", Wave: WaveConsumers, Registered: "push",
		Ports:        []Port{{GRPC, 10170}, {Metrics, 12170}, health},
		Files:        files(PushFile, RedisFile, KafkaFile, NotificationFile, WebhooksFile, LocalCacheFile),
		Dependencies: []Dependency{Kafka, Redis, Etcd},
		Calls:        []Name{RPCConversation, RPCGroup, RPCMsg, RPCUser, MsgGateway},
		PushVendor:   true,
	},
	{
		Name: CronTask, Binary: "openim-crontask", Wave: WaveConsumers,
		Ports:        []Port{health},
		Files:        files(CronTaskFile),
		Dependencies: []Dependency{Etcd},
		Calls:        []Name{RPCConversation, RPCMsg, RPCThird},
		Singleton:    true,
	},
	{
		Name: RPCAuth, Binary: "openim-rpc-auth", Wave: WaveRPC, Registered: "auth",
		Ports:        []Port{{GRPC, 10200}, {Metrics, 12200}, health},
		Files:        files(RPCAuthFile, RedisFile),
		Dependencies: []Dependency{Redis, Etcd},
		Calls:        []Name{RPCUser, MsgGateway},
		ShareSecret:  true,
	},
	{
		Name: RPCConversation, Binary: "openim-rpc-conversation", Wave: WaveRPC, Registered: "conversation",
		Ports:        []Port{{GRPC, 10220}, {Metrics, 12220}, health},
		Files:        files(RPCConversationFile, RedisFile, MongoDBFile, NotificationFile, LocalCacheFile),
		Dependencies: []Dependency{Redis, MongoDB, Etcd},
		Calls:        []Name{RPCGroup, RPCMsg, RPCUser},
	},
	{
		Name: RPCFriend, Binary: "openim-rpc-friend", Wave: WaveRPC, Registered: "friend",
		Ports:        []Port{{GRPC, 10240}, {Metrics, 12240}, health},
		Files:        files(RPCFriendFile, RedisFile, MongoDBFile, NotificationFile, WebhooksFile, LocalCacheFile),
		Dependencies: []Dependency{Redis, MongoDB, Etcd},
		Calls:        []Name{RPCMsg, RPCUser},
	},
	{
		Name: RPCGroup, Binary: "openim-rpc-group", Wave: WaveRPC, Registered: "group",
		Ports:        []Port{{GRPC, 10260}, {Metrics, 12260}, health},
		Files:        files(RPCGroupFile, RedisFile, MongoDBFile, NotificationFile, WebhooksFile, LocalCacheFile),
		Dependencies: []Dependency{Redis, MongoDB, Etcd},
		Calls:        []Name{RPCConversation, RPCMsg, RPCUser},
	},
	{
		Name: RPCMsg, Binary: "openim-rpc-msg", Wave: WaveRPC, Registered: "msg",
		Ports:        []Port{{GRPC, 10280}, {Metrics, 12280}, health},
		Files:        files(RPCMsgFile, RedisFile, MongoDBFile, KafkaFile, NotificationFile, WebhooksFile, LocalCacheFile),
		Dependencies: []Dependency{Kafka, Redis, MongoDB, Etcd},
		Calls:        []Name{RPCConversation, RPCFriend, RPCGroup, RPCUser},
	},
	{
		Name: RPCThird, Binary: "openim-rpc-third", Wave: WaveRPC, Registered: "third",
		Ports:        []Port{{GRPC, 10300}, {Metrics, 12300}, health},
		Files:        files(RPCThirdFile, RedisFile, MongoDBFile, MinIOFile, NotificationFile, LocalCacheFile),
		Dependencies: []Dependency{Redis, MongoDB, Etcd, ObjectStorage},
		Calls:        []Name{RPCUser},
	},
	{
		Name: RPCUser, Binary: "openim-rpc-user", Wave: WaveRPC, Registered: "user",
		Ports:        []Port{{GRPC, 10320}, {Metrics, 12320}, health},
		Files:        files(RPCUserFile, RedisFile, MongoDBFile, KafkaFile, NotificationFile, WebhooksFile, LocalCacheFile),
		Dependencies: []Dependency{Redis, MongoDB, Etcd},
		Calls:        []Name{RPCFriend, RPCGroup, RPCMsg},
	},
}
