package truthtable

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/probe"
)

// Widened returns a policy whose rule admits everything: it names no peers and no ports.
func (r Rule) Widened(policy *networkingv1.NetworkPolicy) *networkingv1.NetworkPolicy {
	wide := policy.DeepCopy()
	if r.Direction == networkingv1.PolicyTypeIngress {
		wide.Spec.Ingress[r.Index] = networkingv1.NetworkPolicyIngressRule{}
	} else {
		wide.Spec.Egress[r.Index] = networkingv1.NetworkPolicyEgressRule{}
	}
	return wide
}

// Opened picks a connection that the widened rule admits and that was shut before: from the intruder to a closed port of the rule's pod,
// or from the pod to the intruder, which listens. sealed are the cells that must be shut.
func (r Rule) Opened(w Pods, sealed []graph.Cell) (Edge, error) {
	subjects, err := w.match(r.namespace, networkingv1.NetworkPolicyPeer{PodSelector: &r.subject})
	if err != nil {
		return Edge{}, err
	}
	for _, pod := range subjects {
		if r.Direction == networkingv1.PolicyTypeEgress {
			return Edge{Rule: r, From: pod, To: w.Intruder, Port: probe.ListenPort}, nil
		}
		for _, cell := range sealed {
			if cell.From == graph.Intruder && !cell.Open && cell.To == pod.Labels[v1alpha1.LabelComponent] && cell.Port.Protocol == corev1.ProtocolTCP {
				return Edge{Rule: r, From: w.Intruder, To: pod, Port: cell.Port.Number}, nil
			}
		}
	}
	return Edge{}, fmt.Errorf("%s selects no pod with a closed port (%d pods)", r, len(subjects))
}
