package node

// The constants of the cluster: each is here once, everything else is derived.
const (
	// Name is the name of the cluster, its node, its network namespace and its cgroup, and the prefix of its links.
	Name = "openimstack"
	// Mark is the environment variable carried by each process of the node; its value is the state folder.
	Mark = "OPENIMSTACK_CLUSTER"
	// DefaultStateDir holds etcd's data, containerd's and the kubelet's folders, certificates and logs.
	DefaultStateDir = "/var/lib/openimstack-cluster"

	nodeIP      = "10.244.0.1" // the bridge: node address and gateway of the pods
	podCIDR     = "10.244.0.0/24"
	podFirstIP  = "10.244.0.10" // the first address that host-local allocates
	serviceCIDR = "10.96.0.0/16"
	dnsIP       = "10.96.0.10"
	clusterDNS  = "cluster.local"
	bridge      = Name + "-br" // inside the node's namespace

	// The veth pair between host and node. 198.18.0.0/15 is reserved for tests (RFC 2544), so it conflicts with no real network.
	hostLink = Name + "-h"
	nodeLink = Name + "-n"
	hostCIDR = "198.18.95.1/30"
	joinIP   = "198.18.95.2" // the node as the host sees it
	joinCIDR = joinIP + "/30"

	apiPort = "6443"
	// apiEndpoint is valid on both sides of the veth pair: the address belongs to the node.
	apiEndpoint = joinIP + ":" + apiPort

	nodeCgroup = Name + "/node"       // etcd, kubelet, ...
	podCgroup  = "/" + Name + "/pods" // the kubelet's root
	// runCgroup is where containerd puts containers whose pods name no cgroup: after its namespace.
	runCgroup = imageNamespace

	pauseImage = "openimstack/pause:local"
)
