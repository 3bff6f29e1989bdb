package openim

import "slices"

// Name is a process's name: the value of the label app.kubernetes.io/component and the suffix of its children's names.
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

// PortKind says what is spoken on a port. It is also the port's name in Services and containers.
type PortKind string

const (
	// HTTP is OpenIM's HTTP API.
	HTTP PortKind = "http"
	// WebSocket is the clients' socket.
	WebSocket PortKind = "websocket"
	// GRPC is an rpc service. It trusts the caller's word on who is calling: whoever reaches it is administrator.
	GRPC PortKind = "grpc"
	// Metrics is Prometheus' text format without authentication, on all interfaces.
	Metrics PortKind = "metrics"
)

// Port is a TCP port a process listens on.
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
	// WrapperRedis is the wrapper's own.
	WrapperRedis Dependency = "wrapper-redis"
)

// Process is one of OpenIM's programs.
type Process struct {
	Name Name
	// Binary is the file name of the program.
	Binary string
	// Ports it listens on, ascending in importance for nobody: the order is that of the table.
	Ports []Port
	// Files of configuration which it opens at start. A missing one is fatal.
	Files []File
	// Dependencies which it connects to.
	Dependencies []Dependency
	// Calls are the rpc services that it calls.
	Calls []Name
	// Singleton is true when two instances would do the same work twice.
	Singleton bool
}

// Port returns the process's port of a kind.
func (p Process) Port(kind PortKind) (Port, bool) {
	i := slices.IndexFunc(p.Ports, func(port Port) bool { return port.Kind == kind })
	if i < 0 {
		return Port{}, false
	}
	return p.Ports[i], true
}

// Reads tells whether the process opens a configuration file.
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
