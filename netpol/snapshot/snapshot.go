package snapshot

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// Snapshot holds the objects that decide reachability in a cluster. Its lists are sorted by namespace and name.
type Snapshot struct {
	// Origin is the cluster or the folder that was read.
	Origin Origin
	// OnlyNamespaces lists the namespaces that were read. Empty means all.
	OnlyNamespaces []string
	// Namespaces with their labels. A namespace that other objects are in but that was not read has the label
	// kubernetes.io/metadata.name only.
	Namespaces []corev1.Namespace
	// Pods of the cluster. From manifests: one pod for each workload, built from its template, without addresses.
	Pods           []corev1.Pod
	Services       []corev1.Service
	EndpointSlices []discoveryv1.EndpointSlice
	Policies       []networkingv1.NetworkPolicy
	// Writers name the tool or user that wrote a policy, derived from its labels, annotations, owner references and field managers.
	Writers   map[types.NamespacedName]string
	Ingresses []networkingv1.Ingress
	// Routes are third-party objects that send traffic to Services: of the Gateway API, of ingress controllers and of meshes.
	Routes []Route
	// Mentions are objects of unknown kinds that contain names or labels of a stack. From clusters they are read when Scope.Others
	// names their kinds.
	Mentions []Mention
	// OtherPolicies affect packets but are not evaluated, such as ClusterNetworkPolicy.
	OtherPolicies []OtherPolicy
	Stacks        []v1alpha1.OpenIMStack
	// Settings are the switches of network plugins, by the plugin's ConfigMap. A ConfigMap that was not read is absent.
	Settings map[types.NamespacedName]map[string]string
	// Locations are the files and lines that objects were read from. A pod of a workload has the location of the workload. Empty for a
	// cluster.
	Locations map[ObjectKey]Location
	// Unread are kinds that could not be read. Their objects are unknown.
	Unread []Unread
}

// OriginKind is Cluster or Files.
type OriginKind string

// Kinds of origins.
const (
	Cluster OriginKind = "Cluster"
	Files   OriginKind = "Files"
)

// Origin names the cluster or the folder from which a snapshot was read.
type Origin struct {
	Kind OriginKind `json:"kind"`
	// Name of the cluster's context, or of the folder.
	Name string `json:"name"`
}

// Route is an object that sends traffic to Services, such as an HTTPRoute. It holds the fields that all such kinds share.
type Route struct {
	// APIVersion and Kind in which the object was read.
	APIVersion, Kind string
	types.NamespacedName
	Labels, Annotations map[string]string
	// Hostnames of the route. Empty means all.
	Hostnames []string
	// Parents are the Gateways to which the route is attached.
	Parents []types.NamespacedName
	// Backends are the Services that receive traffic, including those of mirror filters.
	Backends []Backend
	// Diverts are Services whose traffic the object redirects. DivertsAddresses are addresses whose traffic it redirects.
	Diverts          []types.NamespacedName
	DivertsAddresses []string
}

// Backend is a port of a Service.
type Backend struct {
	Service types.NamespacedName
	// Port of the Service or of its pods. 0 when the route names no port.
	Port int32
	// PortName of the Service. Empty when the route names no port.
	PortName string
}

// Mention is an object of an unknown kind that contains names or labels of a stack.
type Mention struct {
	APIVersion, Kind string
	types.NamespacedName
	// Services whose names the object may contain, and maps in the object with the label of a component.
	Services []types.NamespacedName
	Labels   []map[string]string
}

// OtherPolicy is a policy of a kind that is not evaluated.
type OtherPolicy struct {
	APIVersion, Kind string
	types.NamespacedName
	Labels map[string]string
}

// Unread is a kind that could not be read, with the reason.
type Unread struct {
	Kind   string `json:"kind"`
	Reason string `json:"reason"`
}
