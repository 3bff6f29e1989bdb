package snapshot

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// kind is a kind that every cluster with the operator serves.
type kind struct {
	schema.GroupVersionKind
	// resource is the plural name in URLs and roles.
	resource string
	// list returns an empty list, and a function that moves the items of the list to the snapshot.
	list func(*Snapshot) (client.ObjectList, func())
}

// kinds are read with their Go types. Namespaces are read separately.
var kinds = []kind{
	{corev1.SchemeGroupVersion.WithKind("Pod"), "pods", func(w *Snapshot) (client.ObjectList, func()) {
		list := &corev1.PodList{}
		return list, func() {
			for i := range list.Items {
				w.Pods = append(w.Pods, trimPod(list.Items[i]))
			}
		}
	}},
	{corev1.SchemeGroupVersion.WithKind("Service"), "services", func(w *Snapshot) (client.ObjectList, func()) {
		list := &corev1.ServiceList{}
		return list, func() { w.Services = append(w.Services, list.Items...) }
	}},
	{discoveryv1.SchemeGroupVersion.WithKind("EndpointSlice"), "endpointslices", func(w *Snapshot) (client.ObjectList, func()) {
		list := &discoveryv1.EndpointSliceList{}
		return list, func() { w.EndpointSlices = append(w.EndpointSlices, list.Items...) }
	}},
	{networkingv1.SchemeGroupVersion.WithKind("NetworkPolicy"), "networkpolicies", func(w *Snapshot) (client.ObjectList, func()) {
		list := &networkingv1.NetworkPolicyList{}
		return list, func() { w.Policies = append(w.Policies, list.Items...) }
	}},
	{networkingv1.SchemeGroupVersion.WithKind("Ingress"), "ingresses", func(w *Snapshot) (client.ObjectList, func()) {
		list := &networkingv1.IngressList{}
		return list, func() { w.Ingresses = append(w.Ingresses, list.Items...) }
	}},
	{v1alpha1.GroupVersion.WithKind("OpenIMStack"), "openimstacks", func(w *Snapshot) (client.ObjectList, func()) {
		list := &v1alpha1.OpenIMStackList{}
		return list, func() { w.Stacks = append(w.Stacks, list.Items...) }
	}},
}

// thirdPartyKind is a kind defined outside Kubernetes, which a cluster may or may not serve.
type thirdPartyKind struct {
	schema.GroupKind
	resource string
	// versions that this package can read, the newest first. With a RESTMapper, the API server's preferred version is used instead.
	versions []string
	// clusterWide is true for objects without a namespace.
	clusterWide bool
	// read reads an object that sends traffic to Services. It is nil for policies, of which only the metadata is read.
	read routeReader
}

const gatewayAPI = "gateway.networking.k8s.io"

// thirdPartyKinds holds kinds whose objects send traffic to Services, and kinds of policies that package evaluate does not cover.
var thirdPartyKinds = slices.Concat(gatewayKinds, trafficKinds, policyKinds)

// gatewayKinds are the routes of the Gateway API.
var gatewayKinds = []thirdPartyKind{
	{schema.GroupKind{Group: gatewayAPI, Kind: "HTTPRoute"}, "httproutes", []string{"v1", "v1beta1"}, false, gatewayRoute},
	{schema.GroupKind{Group: gatewayAPI, Kind: "GRPCRoute"}, "grpcroutes", []string{"v1", "v1alpha2"}, false, gatewayRoute},
	{schema.GroupKind{Group: gatewayAPI, Kind: "TLSRoute"}, "tlsroutes", []string{"v1", "v1alpha3", "v1alpha2"}, false, gatewayRoute},
	{schema.GroupKind{Group: gatewayAPI, Kind: "TCPRoute"}, "tcproutes", []string{"v1", "v1alpha2"}, false, gatewayRoute},
	{schema.GroupKind{Group: gatewayAPI, Kind: "UDPRoute"}, "udproutes", []string{"v1", "v1alpha2"}, false, gatewayRoute},
}

// policyKinds are policies that affect packets besides NetworkPolicies of Kubernetes.
var policyKinds = []thirdPartyKind{
	{
		schema.GroupKind{Group: "policy.networking.k8s.io", Kind: "ClusterNetworkPolicy"},
		"clusternetworkpolicies", []string{"v1alpha2"}, true, nil,
	},
	{
		schema.GroupKind{Group: "policy.networking.k8s.io", Kind: "AdminNetworkPolicy"},
		"adminnetworkpolicies", []string{"v1alpha1"}, true, nil,
	},
	{
		schema.GroupKind{Group: "policy.networking.k8s.io", Kind: "BaselineAdminNetworkPolicy"},
		"baselineadminnetworkpolicies", []string{"v1alpha1"}, true, nil,
	},
	{schema.GroupKind{Group: "cilium.io", Kind: "CiliumNetworkPolicy"}, "ciliumnetworkpolicies", []string{"v2"}, false, nil},
	{
		schema.GroupKind{Group: "cilium.io", Kind: "CiliumClusterwideNetworkPolicy"},
		"ciliumclusterwidenetworkpolicies", []string{"v2"}, true, nil,
	},
	{schema.GroupKind{Group: "crd.projectcalico.org", Kind: "NetworkPolicy"}, "networkpolicies", []string{"v1"}, false, nil},
	{schema.GroupKind{Group: "crd.projectcalico.org", Kind: "GlobalNetworkPolicy"}, "globalnetworkpolicies", []string{"v1"}, true, nil},
	{schema.GroupKind{Group: "projectcalico.org", Kind: "NetworkPolicy"}, "networkpolicies", []string{"v3"}, false, nil},
	{schema.GroupKind{Group: "projectcalico.org", Kind: "GlobalNetworkPolicy"}, "globalnetworkpolicies", []string{"v3"}, true, nil},
	{
		schema.GroupKind{Group: "k8s.cni.cncf.io", Kind: "MultiNetworkPolicy"},
		"multi-networkpolicies", []string{"v1beta2", "v1beta1"}, false, nil,
	},
	{schema.GroupKind{Group: "crd.antrea.io", Kind: "NetworkPolicy"}, "networkpolicies", []string{"v1beta1"}, false, nil},
	{schema.GroupKind{Group: "crd.antrea.io", Kind: "ClusterNetworkPolicy"}, "clusternetworkpolicies", []string{"v1beta1"}, true, nil},
}

// TrafficKinds returns the third-party kinds that send traffic to Services, without those of the Gateway API.
func TrafficKinds() []schema.GroupKind {
	var kinds []schema.GroupKind
	for _, k := range trafficKinds {
		kinds = append(kinds, k.GroupKind)
	}
	return kinds
}

// Resources returns the resources that Read may list, by API group and plural name. A role for auditors needs the verb list on them.
func Resources() []schema.GroupResource {
	all := []schema.GroupResource{{Group: corev1.GroupName, Resource: "namespaces"}}
	for _, k := range kinds {
		all = append(all, schema.GroupResource{Group: k.Group, Resource: k.resource})
	}
	for _, k := range thirdPartyKinds {
		all = append(all, schema.GroupResource{Group: k.Group, Resource: k.resource})
	}
	return all
}

// list returns an empty list of one version, and a function that moves the items of the list to the snapshot.
func (k thirdPartyKind) list(version string, w *Snapshot) (client.ObjectList, func()) {
	gvk := k.WithVersion(version)
	listKind := gvk.GroupVersion().WithKind(gvk.Kind + "List")
	if k.read != nil {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(listKind)
		return list, func() {
			for i := range list.Items {
				w.Routes = append(w.Routes, routeOf(gvk, k.read, list.Items[i].Object))
			}
		}
	}
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(listKind)
	return list, func() {
		for i := range list.Items {
			w.OtherPolicies = append(w.OtherPolicies, otherPolicy(gvk, &list.Items[i]))
		}
	}
}
