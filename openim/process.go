package openim

import "slices"

// Name is the name of a process: the value of the label app.kubernetes.io/component and the suffix of the names of its children.
type Name string

// The twelve processes.
const (
	API             Name = "api"
	MsgGateway      Name = "msggateway"
	MsgTransfer     Name = "msgtransfer"
	Push            Name = "push"
	CronTask        Name = "crontask"
	RPCAuth         Name = "rpc-auth"
	RPCConversation Name = "rpc-conversation"
	RPCFriend       Name = "rpc-friend"
	RPCGroup        Name = "rpc-group"
	RPCMsg          Name = "rpc-msg"
	RPCThird        Name = "rpc-third"
	RPCUser         Name = "rpc-user"
)

// PortKind is the protocol of a port. It is also the port's name in Services and containers.
type PortKind string

const (
	// HTTP is OpenIM's HTTP API.
	HTTP PortKind = "http"
	// WebSocket is the WebSocket of clients.
	WebSocket PortKind = "websocket"
	// GRPC is an rpc service. It trusts the user ID that the caller sends: every caller has administrator access.
	GRPC PortKind = "grpc"
	// Metrics is Prometheus' text format without authentication, on all interfaces.
	Metrics PortKind = "metrics"
	// Health is the supervisor's port for the kubelet's probes. It is in no Service.
	Health PortKind = "health"
)

// Port is a TCP port on which a process listens.
type Port struct {
	Kind   PortKind
	Number int32
}

// Dependency is a store that OpenIM needs.
type Dependency string

// The stores.
const (
	Kafka         Dependency = "kafka"
	Redis         Dependency = "redis"
	MongoDB       Dependency = "mongodb"
	Etcd          Dependency = "etcd"
	ObjectStorage Dependency = "object-storage"
	// WrapperRedis is the wrapper's Redis.
	WrapperRedis Dependency = "wrapper-redis"
)

// Process is one of OpenIM's programs.
type Process struct {
	Name Name
	// Binary is the file name of the program.
	Binary string
	// Registered is the name under which the process registers in etcd; empty when it does not, because nobody calls it by gRPC.
	Registered string
	// Ports on which the process and its supervisor listen, in the order of the catalogue.
	Ports []Port
	// Files of configuration that the process reads at start. A missing file is fatal.
	Files []File
	// Dependencies are the stores to which the process connects.
	Dependencies []Dependency
	// Calls are the rpc services that the process calls.
	Calls []Name
	// ShareSecret is true when the process reads share.secret.
	ShareSecret bool
	// PushVendor is true when the process calls the vendor of spec.push.
	PushVendor bool
	// Singleton is true when two replicas would do the same work twice.
	Singleton bool
	// Wave is the process's place in the order of an upgrade.
	Wave int
}

// Waves of an upgrade, in their order. Callees come before callers: an old client of a new server works, while a new client of an old
// server gets Unimplemented. The processes in front come last, because each restart of msggateway closes sockets.
const (
	// WaveRPC are the seven rpc services.
	WaveRPC = 1
	// WaveConsumers are msgtransfer, push and crontask.
	WaveConsumers = 2
	// WaveFront are api and msggateway.
	WaveFront = 3
)

// Port returns the process's port of a kind.
func (p Process) Port(kind PortKind) (Port, bool) {
	i := slices.IndexFunc(p.Ports, func(port Port) bool { return port.Kind == kind })
	if i < 0 {
		return Port{}, false
	}
	return p.Ports[i], true
}

// Reads reports whether the process reads a configuration file.
func (p Process) Reads(f File) bool { return slices.Contains(p.Files, f) }

// Processes returns the catalogue, in a fixed order.
func Processes() []Process { return slices.Clone(catalogue) }

// Lookup returns one process of the catalogue.
func Lookup(name Name) (Process, bool) {
	i := slices.IndexFunc(catalogue, func(p Process) bool { return p.Name == name })
	if i < 0 {
		return Process{}, false
	}
	return catalogue[i], true
}
