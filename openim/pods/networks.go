package pods

import (
	"fmt"
	"slices"
	"strings"
)

// NetworkKey is an annotation or label of a pod by which a network plugin changes where the pod is on the network. NetworkPolicies are
// enforced on the interface of the cluster's own plugin.
type NetworkKey struct {
	// Key of the annotation or label.
	Key string
	// Label is true for a label.
	Label bool
	// Interface is true when policies have no effect on what the pod gets, and false when they have in some modes only.
	Interface bool
	// Effect goes on after "annotation KEY of this pod".
	Effect string
}

// networkKeys are what pods ask a network plugin for. What plugins write into the annotations of every pod is not among them. Sources: the
// constants of the plugins k8snetworkplumbingwg/multus-cni, GoogleCloudPlatform/gke-networking-api, nokia/danm, cni-genie/CNI-Genie,
// kubeovn/kube-ovn (pkg/util/const.go), ovn-org/ovn-kubernetes, projectcalico/calico (libcalico-go/lib/backend/k8s/conversion),
// aws/amazon-vpc-resource-controller-k8s, AliyunContainerService/terway (types/k8s.go), Azure/azure-container-networking,
// networkservicemesh, and Isovalent's multi-network documentation. Tencent Kubernetes Engine: the documentation of VPC-CNI, and that of
// annotations for super nodes (457/36162). Huawei CCE: "Configuring an EIP for a Pod" (usermanual-cce/cce_10_0734).
var networkKeys = []NetworkKey{
	{Key: "k8s.v1.cni.cncf.io/networks", Interface: true, Effect: "gives it further network interfaces (Multus)"},
	{Key: "v1.multus-cni.io/default-network", Interface: true, Effect: "gives it another network than the cluster's (Multus)"},
	{Key: "networking.gke.io/interfaces", Interface: true, Effect: "gives it further network interfaces (GKE)"},
	{Key: "danm.io/interfaces", Interface: true, Effect: "gives it further network interfaces (DANM)"},
	{Key: "danm.k8s.io/interfaces", Interface: true, Effect: "gives it further network interfaces (DANM)"},
	{Key: "cni", Interface: true, Effect: "chooses and chains network plugins (CNI-Genie)"},
	{Key: "ovn.kubernetes.io/attachmentprovider", Interface: true, Effect: "gives it further network interfaces (Kube-OVN)"},
	{Key: "network.v1alpha1.isovalent.com/pod-networks", Interface: true, Effect: "gives it further network interfaces (Isovalent)"},
	{Key: "networkservicemesh.io", Interface: true, Effect: "gives it further network interfaces (Network Service Mesh)"},
	{Key: "k8s.aliyun.com/pod-networks", Interface: true, Effect: "gives it other network interfaces (Terway)"},
	{Key: "k8s.aliyun.com/pod-networks-request", Interface: true, Effect: "gives it other network interfaces (Terway)"},
	{Key: "kubernetes.azure.com/pod-network", Label: true, Interface: true, Effect: "gives it an interface in another network (Azure CNI)"},
	{Key: "kubernetes.azure.com/pod-network-instance", Label: true, Interface: true,
		Effect: "gives it an interface in another network (Azure CNI)"},
	{Key: "ovn.kubernetes.io/eip", Effect: "gives it an address by which it is reached from elsewhere (Kube-OVN)"},
	{Key: "cni.projectcalico.org/floatingIPs", Effect: "gives it an address by which it is reached from elsewhere (Calico)"},
	{Key: "cni.projectcalico.org/allowedSourcePrefixes", Effect: "lets it send with the addresses of others (Calico)"},
	{Key: "k8s.ovn.org/open-default-ports", Effect: "opens its ports to the cluster's default network (OVN-Kubernetes)"},
	{Key: "tke.cloud.tencent.com/networks", Effect: "chooses its network interfaces (TKE)"},
	{Key: "tke.cloud.tencent.com/eip-attributes", Effect: "gives it a public address (TKE)"},
	{Key: "eks.tke.cloud.tencent.com/eip-attributes", Effect: "gives it a public address (TKE)"},
	{Key: "yangtse.io/pod-with-eip", Effect: "gives it a public address (CCE)"},
	{Key: "vpc.amazonaws.com/pod-eni", Effect: "gives it an interface of its own (security groups for pods)"},
}

// NetworkKeys returns the annotations and labels by which a network plugin changes where a pod is on the network.
func NetworkKeys() []NetworkKey { return slices.Clone(networkKeys) }

// injectors are the domains of annotations and labels by which webhooks add containers to a pod or lead its traffic through a proxy.
// Sources: the documentation of Istio (resource annotations and labels), Linkerd (proxy
// configuration), Kuma, Consul on Kubernetes, Dapr, the Vault Agent Injector, Cilium, the OpenTelemetry operator.
var injectors = []string{
	"istio.io", "linkerd.io", "kuma.io", "consul.hashicorp.com", "dapr.io", "vault.hashicorp.com", "io.cilium", "cilium.io",
	"instrumentation.opentelemetry.io", "sidecar.opentelemetry.io",
}

// off are the values by which a pod is kept from an injector.
var off = []string{"false", "disabled", "none"}

// networked returns why a template must not have an annotation or label, "" when it may: keys below the domain of one of the tables, of
// which a plugin may have others, or a newer one. What keeps a webhook away is taken.
//
// Labels and annotations are judged alike: which of both a plugin reads differs between its releases.
func networked(key, value string) string {
	key = strings.ToLower(key)
	domain, _, named := strings.Cut(key, "/")
	for _, n := range networkKeys {
		known := strings.ToLower(n.Key)
		of, _, hasDomain := strings.Cut(known, "/")
		if key == known || named && hasDomain && ofDomain(domain, of) {
			return fmt.Sprintf("%s belongs to a network plugin, by which the pod may get a network that no policy seals: remove it",
				shorten(key))
		}
	}
	for _, of := range injectors {
		injects := ofDomain(domain, of) || strings.HasPrefix(key, of+".") // Cilium has keys without a slash
		if injects && !slices.Contains(off, strings.ToLower(value)) {
			return fmt.Sprintf("%s makes a webhook or plugin add a container or a proxy, which no exception lists: remove it, or write the "+
				"container in the template", shorten(key))
		}
	}
	return ""
}

// ofDomain reports whether the part of a key before the slash is a domain or below it.
func ofDomain(prefix, domain string) bool {
	return prefix == domain || strings.HasSuffix(prefix, "."+domain)
}
