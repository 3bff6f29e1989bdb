package snapshot

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// World is a snapshot. Its lists are in the order of namespace and name.
type World struct {
	// Source is where the snapshot came from.
	Source Source
	// Only these namespaces were read. Empty: all.
	Only []string
	// Namespaces with their labels. One that is named by another object but was not read carries kubernetes.io/metadata.name alone.
	Namespaces []corev1.Namespace
	// Pods as they run. From manifests: one for each workload, made of its template, without addresses.
	Pods           []corev1.Pod
	Services       []corev1.Service
	EndpointSlices []discoveryv1.EndpointSlice
	Policies       []networkingv1.NetworkPolicy
	// Writers say who wrote a policy, as far as its labels, annotations, owners and fields' managers tell.
	Writers   map[types.NamespacedName]string
	Ingresses []networkingv1.Ingress
	// Routes are what of others sends traffic to Services: routes of the Gateway API, of ingress controllers and of meshes.
	Routes []Route
	// Mentions are objects of kinds that are not known here, with what of them might be a stack's. From clusters they are read when the
	// scope asks for them.
	Mentions []Mention
	// OtherPolicies are kinds that decide about packets and that are not evaluated here, such as ClusterNetworkPolicy.
	OtherPolicies []OtherPolicy
	Stacks        []v1alpha1.OpenIMStack
	// Settings are the switches that network plugins keep in ConfigMaps of their own. One that is not at hand is absent.
	Settings map[types.NamespacedName]map[string]string
	// Unread are kinds that could not be read: what they would say is not known.
	Unread []Unread
}

// SourceKind tells where a snapshot came from.
type SourceKind string

// Kinds of sources.
const (
	Cluster SourceKind = "Cluster"
	Files   SourceKind = "Files"
)

// Source is where a snapshot came from.
type Source struct {
	Kind SourceKind `json:"kind"`
	// Name of the cluster's context, or of the folder.
	Name string `json:"name"`
}

// Route is an object that sends traffic to Services, such as an HTTPRoute, in what all of them share.
type Route struct {
	// APIVersion and Kind as it was read.
	APIVersion, Kind string
	types.NamespacedName
	Labels, Annotations map[string]string
	// Hostnames that it answers to. Empty for all.
	Hostnames []string
	// Parents are the Gateways that it hangs on.
	Parents []types.NamespacedName
	// Backends are the Services that it leads to, those of mirror filters among them.
	Backends []Backend
	// Diverts are Services whose traffic it sends elsewhere, DivertsAddresses those of which it names the address.
	Diverts          []types.NamespacedName
	DivertsAddresses []string
}

// Backend is a port of a Service.
type Backend struct {
	Service types.NamespacedName
	// Port of the Service, or the one of its pods; 0 when the route names none.
	Port int32
	// PortName of the Service; empty when the route names none.
	PortName string
}

// Mention is an object of a kind that is not known here.
type Mention struct {
	APIVersion, Kind string
	types.NamespacedName
	// Services that it might name, and maps in it that have the label of a component.
	Services []types.NamespacedName
	Labels   []map[string]string
}

// OtherPolicy is an object of a kind that is not evaluated.
type OtherPolicy struct {
	APIVersion, Kind string
	types.NamespacedName
	Labels map[string]string
}

// Unread is a kind that could not be read, and why.
type Unread struct {
	Kind   string `json:"kind"`
	Reason string `json:"reason"`
}
