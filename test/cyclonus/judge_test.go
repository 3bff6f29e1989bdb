package cyclonus_test

import (
	"net/netip"
	"slices"

	"github.com/mattfenwick/cyclonus/pkg/matcher"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/netpol/evaluate"
)

// judge wraps cyclonus' matcher.
type judge struct {
	policy     *matcher.Policy
	namespaces map[string]map[string]string
	// origin of each policy that it was given.
	origin map[*networkingv1.NetworkPolicy]types.NamespacedName
}

// newJudge rewrites policies for cyclonus and loads them. Simplify is cyclonus' own pass that merges rules.
func newJudge(namespaces []corev1.Namespace, policies []networkingv1.NetworkPolicy, simplify bool) judge {
	j := judge{namespaces: map[string]map[string]string{}, origin: map[*networkingv1.NetworkPolicy]types.NamespacedName{}}
	for _, n := range namespaces {
		j.namespaces[n.Name] = n.Labels
	}
	var said []*networkingv1.NetworkPolicy
	for i := range policies {
		for _, p := range inOtherWords(&policies[i]) {
			j.origin[p] = types.NamespacedName{Namespace: policies[i].Namespace, Name: policies[i].Name}
			said = append(said, p)
		}
	}
	j.policy = matcher.BuildNetworkPolicies(simplify, said)
	return j
}

// opinion is cyclonus' result for one side.
type opinion struct {
	allowed, isolated bool
	// allowing lists, for each target of cyclonus that admits the connection, the policies of the target.
	allowing [][]types.NamespacedName
}

// connect evaluates one port. A port with several names is evaluated under each name: it is allowed if any is.
func (j judge) connect(from, to evaluate.End, port int32, protocol corev1.Protocol) (egress, ingress opinion) {
	for _, name := range portNames(to.Pod, port, protocol) {
		result := j.policy.IsTrafficAllowed(&matcher.Traffic{
			Source: j.peer(from), Destination: j.peer(to), ResolvedPort: int(port), ResolvedPortName: name, Protocol: protocol,
		})
		j.add(&egress, result.Egress)
		j.add(&ingress, result.Ingress)
	}
	return egress, ingress
}

func (j judge) add(o *opinion, r *matcher.DirectionResult) {
	o.allowed = o.allowed || r.IsAllowed()
	o.isolated = o.isolated || len(r.AllowingTargets)+len(r.DenyingTargets) > 0
	for _, target := range r.AllowingTargets {
		var sources []types.NamespacedName
		for _, p := range target.SourceRules {
			sources = append(sources, j.origin[p])
		}
		o.allowing = append(o.allowing, sources)
	}
}

func (j judge) peer(end evaluate.End) *matcher.TrafficPeer {
	p := &matcher.TrafficPeer{IP: end.Address.String()}
	if end.Pod != nil {
		p.Internal = &matcher.InternalPeer{
			PodLabels: end.Pod.Labels, Namespace: end.Pod.Namespace, NamespaceLabels: j.namespaces[end.Pod.Namespace],
		}
	}
	return p
}

// portNames returns the names of a pod's port. Cyclonus leaves this to its caller.
func portNames(pod *corev1.Pod, port int32, protocol corev1.Protocol) []string {
	names := []string{""}
	if pod == nil {
		return names
	}
	containers := pod.Spec.Containers
	for _, c := range pod.Spec.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			containers = append(slices.Clip(containers), c)
		}
	}
	for _, c := range containers {
		for _, p := range c.Ports {
			if p.ContainerPort == port && (p.Protocol == protocol || p.Protocol == "" && protocol == corev1.ProtocolTCP) {
				names = append(names, p.Name)
			}
		}
	}
	return names
}

// addresses returns the addresses of an end, one of each family.
func addresses(end evaluate.End) []netip.Addr {
	if end.Pod == nil {
		return []netip.Addr{end.Address}
	}
	var all []netip.Addr
	for _, ip := range end.Pod.Status.PodIPs {
		all = append(all, netip.MustParseAddr(ip.IP))
	}
	return all
}
