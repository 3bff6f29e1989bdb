package dependencies

import (
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// peers are the pods or addresses of a store as the spec gives them, with the port that they have on the network. Both are optional.
type peers struct {
	list []v1alpha1.Peer
	port *int32
}

// place resolves one address to endpoints: by the given peers, by the pods of the Service that the address names, or by the IP address
// itself. With peers and their port the address's Service is not read.
func (r *resolver) place(field, peersField, address string, given peers) ([]openim.Endpoint, error) {
	peers := openim.NetworkPeers(r.stack.Namespace, given.list)
	host, port, err := splitAddress(address)
	if err != nil {
		r.invalid(v1alpha1.ReasonInvalidSpec, field, "%v", err)
		return nil, nil
	}
	if len(peers) > 0 && given.port != nil {
		return []openim.Endpoint{{Peers: peers, Port: *given.port}}, nil
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		if len(peers) == 0 {
			peers = []networkingv1.NetworkPolicyPeer{block(ip)}
		}
		return []openim.Endpoint{{Peers: peers, Port: port}}, nil
	}
	service, ok := ServiceOf(host, r.stack.Namespace)
	if !ok {
		if len(peers) == 0 {
			r.invalid(v1alpha1.ReasonPeersNeeded, peersField,
				"a NetworkPolicy cannot name the host %q: add peers with its addresses or pods "+
					"(an ipBlock, or a podSelector with a namespaceSelector)", host)
			return nil, nil
		}
		return []openim.Endpoint{{Peers: peers, Port: port}}, nil
	}
	found, err := r.placeService(field, peersField, service, port)
	if err != nil {
		return nil, err
	}
	if len(peers) == 0 {
		return r.bounded(peersField, service, found), nil
	}
	for i := range found {
		found[i].Peers = peers
	}
	return found, nil
}

// placeService returns the pods of a Service and their container port, because a NetworkPolicy is applied after the Service's address has
// been translated.
func (r *resolver) placeService(field, peersField string, name types.NamespacedName, port int32) ([]openim.Endpoint, error) {
	service, err := r.service(field, peersField, name)
	if err != nil || service == nil {
		return nil, err
	}
	if service.Spec.Type == corev1.ServiceTypeExternalName {
		r.invalid(v1alpha1.ReasonPeersNeeded, peersField,
			"Service %s is of type ExternalName: write its host as the address, and add peers with the addresses of that host", name)
		return nil, nil
	}
	peer := networkingv1.NetworkPolicyPeer{
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: name.Namespace}},
		PodSelector:       &metav1.LabelSelector{MatchLabels: service.Spec.Selector},
	}
	headless := service.Spec.ClusterIP == corev1.ClusterIPNone
	if headless && len(service.Spec.Selector) > 0 {
		return []openim.Endpoint{{Peers: []networkingv1.NetworkPolicyPeer{peer}, Port: port}}, nil
	}
	i := slices.IndexFunc(service.Spec.Ports, func(p corev1.ServicePort) bool { return p.Port == port })
	if i < 0 && !headless {
		r.invalid(v1alpha1.ReasonServiceNotFound, field, "Service %s has no port %d: write one of %s", name, port, portsOf(*service))
		return nil, nil
	}
	if len(service.Spec.Selector) > 0 && service.Spec.Ports[i].TargetPort.StrVal == "" {
		target := service.Spec.Ports[i].TargetPort.IntVal
		if target == 0 {
			target = port
		}
		return []openim.Endpoint{{Peers: []networkingv1.NetworkPolicyPeer{peer}, Port: target}}, nil
	}
	if headless { // its name resolves to the addresses of its endpoints, so that nothing translates the port
		return r.placeSlices(field, name, func(discoveryv1.EndpointSlice) (int32, bool) { return port, true }, nil)
	}
	wanted := service.Spec.Ports[i]
	var pods *networkingv1.NetworkPolicyPeer
	if len(service.Spec.Selector) > 0 {
		pods = &peer
	}
	return r.placeSlices(field, name, func(slice discoveryv1.EndpointSlice) (int32, bool) { return targetOf(slice, wanted) }, pods)
}

// targetOf returns the number of a Service's port at the endpoints of a slice. Pods may have different numbers for one port name: their
// endpoints are then in different slices. It returns false for endpoints that do not serve the port.
func targetOf(slice discoveryv1.EndpointSlice, wanted corev1.ServicePort) (int32, bool) {
	if len(slice.Ports) == 0 {
		return wanted.Port, true // discovery.k8s.io/v1: no ports means all
	}
	for _, p := range slice.Ports {
		if ptr.Deref(p.Name, "") != wanted.Name || ptr.Deref(p.Protocol, corev1.ProtocolTCP) != corev1.ProtocolTCP {
			continue
		}
		return ptr.Deref(p.Port, wanted.Port), true
	}
	return 0, false
}

// placeSlices reads a Service's EndpointSlices: for the number behind a named target port, or for the addresses of a Service without
// selector, which has no pods that a policy could select.
func (r *resolver) placeSlices(
	field string, name types.NamespacedName, target func(discoveryv1.EndpointSlice) (int32, bool), pods *networkingv1.NetworkPolicyPeer,
) ([]openim.Endpoint, error) {
	var list discoveryv1.EndpointSliceList
	ofService := client.MatchingLabels{discoveryv1.LabelServiceName: name.Name}
	if err := r.reader.List(r.ctx, &list, client.InNamespace(name.Namespace), ofService); err != nil {
		return nil, fmt.Errorf("reading EndpointSlices of Service %s: %w", name, err)
	}
	byPort := map[int32][]networkingv1.NetworkPolicyPeer{}
	for _, slice := range list.Items {
		number, served := target(slice)
		if !served {
			continue
		}
		for _, endpoint := range slice.Endpoints {
			for _, address := range endpoint.Addresses {
				if ip, err := netip.ParseAddr(address); err == nil {
					byPort[number] = append(byPort[number], block(ip))
				}
			}
		}
	}
	if len(byPort) == 0 {
		r.missing(v1alpha1.ReasonServiceNotFound, field, "Service %s has no endpoints yet: start its pods, or add its endpoints", name)
		return nil, nil
	}
	var found []openim.Endpoint
	for number, peers := range byPort {
		if pods != nil {
			peers = []networkingv1.NetworkPolicyPeer{*pods}
		}
		found = append(found, openim.Endpoint{Peers: sorted(peers), Port: number})
	}
	slices.SortFunc(found, func(a, b openim.Endpoint) int { return int(a.Port - b.Port) })
	return found, nil
}

// sorted sorts peers and removes duplicates: an address may be in several slices.
func sorted(peers []networkingv1.NetworkPolicyPeer) []networkingv1.NetworkPolicyPeer {
	text := func(p networkingv1.NetworkPolicyPeer) string {
		if p.IPBlock == nil {
			return ""
		}
		return p.IPBlock.CIDR
	}
	slices.SortFunc(peers, func(a, b networkingv1.NetworkPolicyPeer) int { return strings.Compare(text(a), text(b)) })
	return slices.CompactFunc(peers, func(a, b networkingv1.NetworkPolicyPeer) bool { return text(a) == text(b) })
}

// bounded refuses a Service with so many addresses that the policies would exceed the size limit of the API server.
func (r *resolver) bounded(peersField string, service types.NamespacedName, found []openim.Endpoint) []openim.Endpoint {
	const most = 256
	for _, place := range found {
		if n := len(place.Peers); n > most {
			r.invalid(v1alpha1.ReasonPeersNeeded, peersField,
				"Service %s has %d addresses and no selector, and a policy lists %d at most: add peers with blocks that contain them", service, n, most)
			return nil
		}
	}
	return found
}

// ServiceOf returns the Service that a host name denotes: service (in the stack's own namespace), service.namespace.svc, and
// pod.service.namespace.svc for a pod of a headless Service, each with or without a cluster domain.
func ServiceOf(host, namespace string) (types.NamespacedName, bool) {
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	name := types.NamespacedName{Namespace: namespace, Name: labels[0]}
	if len(labels) > 1 {
		i := slices.Index(labels, "svc")
		if i != 2 && i != 3 {
			return types.NamespacedName{}, false
		}
		name = types.NamespacedName{Namespace: labels[i-1], Name: labels[i-2]}
	}
	if len(validation.IsDNS1123Label(name.Namespace)) > 0 || len(validation.IsDNS1035Label(name.Name)) > 0 {
		return types.NamespacedName{}, false
	}
	return name, true
}

func splitAddress(address string) (host string, port int32, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("%q is not host:port: write for example redis.infra.svc:6379", address)
	}
	number, err := strconv.ParseUint(text, 10, 16)
	if err != nil || number == 0 || host == "" {
		return "", 0, fmt.Errorf("%q is not host:port with a port from 1 to 65535: write for example redis.infra.svc:6379", address)
	}
	return host, int32(number), nil
}

// block returns a peer for one address of either family.
func block(ip netip.Addr) networkingv1.NetworkPolicyPeer {
	ip = ip.Unmap()
	return networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: netip.PrefixFrom(ip, ip.BitLen()).String()}}
}

func portsOf(service corev1.Service) string {
	var numbers []string
	for _, p := range service.Spec.Ports {
		numbers = append(numbers, strconv.Itoa(int(p.Port)))
	}
	return strings.Join(numbers, ", ")
}

func equalEndpoints(a, b openim.Endpoint) bool { return reflect.DeepEqual(a, b) }
