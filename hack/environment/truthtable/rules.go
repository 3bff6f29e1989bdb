package truthtable

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Rule is one rule of a live NetworkPolicy.
type Rule struct {
	Policy    string
	Direction networkingv1.PolicyType
	// Index among the policy's rules of that direction.
	Index int

	namespace string
	subject   metav1.LabelSelector
	peers     []networkingv1.NetworkPolicyPeer
	ports     []networkingv1.NetworkPolicyPort
}

func (r Rule) String() string { return fmt.Sprintf("%s, %s rule %d", r.Policy, r.Direction, r.Index) }

// Rules lists the rules of policies, in their order.
func Rules(policies []networkingv1.NetworkPolicy) []Rule {
	var rules []Rule
	for _, p := range policies {
		for i, in := range p.Spec.Ingress {
			rules = append(rules, Rule{p.Name, networkingv1.PolicyTypeIngress, i, p.Namespace, p.Spec.PodSelector, in.From, in.Ports})
		}
		for i, out := range p.Spec.Egress {
			rules = append(rules, Rule{p.Name, networkingv1.PolicyTypeEgress, i, p.Namespace, p.Spec.PodSelector, out.To, out.Ports})
		}
	}
	return rules
}

// Without returns a policy without the rule.
func (r Rule) Without(policy *networkingv1.NetworkPolicy) *networkingv1.NetworkPolicy {
	less := policy.DeepCopy()
	if r.Direction == networkingv1.PolicyTypeIngress {
		less.Spec.Ingress = slices.Delete(less.Spec.Ingress, r.Index, r.Index+1)
	} else {
		less.Spec.Egress = slices.Delete(less.Spec.Egress, r.Index, r.Index+1)
	}
	return less
}

// Pods holds the pods that rules select, the labels of their namespaces, and a pod that represents any source.
type Pods struct {
	Pods       []corev1.Pod
	Namespaces map[string]labels.Set
	Intruder   corev1.Pod
}

// ReadPods reads all pods and namespaces of a cluster. The caller sets Intruder.
func ReadPods(ctx context.Context, cluster client.Reader) (Pods, error) {
	var namespaces corev1.NamespaceList
	var pods corev1.PodList
	for _, list := range []client.ObjectList{&namespaces, &pods} {
		if err := cluster.List(ctx, list); err != nil {
			return Pods{}, fmt.Errorf("reading namespaces and pods: %w", err)
		}
	}
	w := Pods{Pods: pods.Items, Namespaces: map[string]labels.Set{}}
	for _, n := range namespaces.Items {
		w.Namespaces[n.Name] = n.Labels
	}
	return w, nil
}

// Edge is a connection between two existing pods that a rule admits.
type Edge struct {
	Rule     Rule
	From, To corev1.Pod
	Port     int32
}

func (e Edge) String() string {
	return fmt.Sprintf("%s -> %s:%d (%s)", e.From.Name, e.To.Name, e.Port, e.Rule)
}

// Address to dial.
func (e Edge) Address() string { return address(e.To.Status.PodIP, e.Port) }

// Edge picks one connection that the rule admits: the first two different pods by name, and the first TCP port.
func (r Rule) Edge(w Pods) (Edge, error) {
	subjects, err := w.match(r.namespace, networkingv1.NetworkPolicyPeer{PodSelector: &r.subject})
	if err != nil {
		return Edge{}, err
	}
	others := []corev1.Pod{w.Intruder}
	if len(r.peers) > 0 {
		others = nil
	}
	for _, peer := range r.peers {
		found, err := w.match(r.namespace, peer)
		if err != nil {
			return Edge{}, err
		}
		others = append(others, found...)
	}
	froms, tos := subjects, others
	if r.Direction == networkingv1.PolicyTypeIngress {
		froms, tos = others, subjects
	}
	for _, port := range r.ports {
		if port.Port == nil || port.Protocol != nil && *port.Protocol != corev1.ProtocolTCP {
			continue
		}
		for _, from := range froms {
			for _, to := range tos {
				if from.UID != to.UID {
					return Edge{Rule: r, From: from, To: to, Port: port.Port.IntVal}, nil
				}
			}
		}
	}
	return Edge{}, fmt.Errorf("%s admits no TCP connection between two existing pods (%d sources, %d targets)", r, len(froms), len(tos))
}

// match returns the ready pods that a peer selects, sorted by name. An IP block selects no pod.
func (w Pods) match(namespace string, peer networkingv1.NetworkPolicyPeer) ([]corev1.Pod, error) {
	if peer.IPBlock != nil {
		return nil, nil
	}
	pods, err := selector(peer.PodSelector)
	if err != nil {
		return nil, err
	}
	namespaces, err := selector(peer.NamespaceSelector)
	if err != nil {
		return nil, err
	}
	var found []corev1.Pod
	for _, pod := range w.Pods {
		inside := pod.Namespace == namespace
		if peer.NamespaceSelector != nil {
			inside = namespaces.Matches(w.Namespaces[pod.Namespace])
		}
		if inside && pods.Matches(labels.Set(pod.Labels)) && Ready(&pod) {
			found = append(found, pod)
		}
	}
	slices.SortFunc(found, func(a, b corev1.Pod) int { return cmp.Compare(a.Name, b.Name) })
	return found, nil
}

// selector converts a selector. An absent selector matches everything, as in a NetworkPolicyPeer.
func selector(s *metav1.LabelSelector) (labels.Selector, error) {
	if s == nil {
		return labels.Everything(), nil
	}
	return metav1.LabelSelectorAsSelector(s)
}
