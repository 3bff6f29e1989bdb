package audit_test

import (
	"slices"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/netpol/audit"
)

// ownPolicyBreaches are removed or edited policies of the stack.
var ownPolicyBreaches = []breach{
	{
		name:   "the default denial is missing: pods that no other policy selects for a direction are open",
		change: withoutPolicy("im", "chat-default-deny"),
		kind:   audit.OwnPolicyMissing, object: "NetworkPolicy/im/chat-default-deny", severity: audit.Medium,
		lets: []string{"nothing more at present"}, fix: []string{"the operator restores it"},
	},
	{
		name:   "an ingress policy is missing: a connection that the stack needs is denied",
		change: withoutPolicy("im", "chat-api-ingress"),
		kind:   audit.OwnPolicyMissing, object: "NetworkPolicy/im/chat-api-ingress", severity: audit.Medium, only: true,
		lets: []string{"backend to api:10002"},
	},
	{
		name: "all of them are missing",
		change: func(_ *testing.T, in *audit.Input) {
			in.Snapshot.Policies = slices.DeleteFunc(in.Snapshot.Policies, func(p networkingv1.NetworkPolicy) bool { return p.Namespace == "im" })
		},
		kind: audit.OwnPolicyMissing, object: "OpenIMStack/im/chat", severity: audit.Critical,
		ports: []string{"api:10002", "rpc-user:10320"}, lets: []string{"anyone"},
	},
	{
		name: "a rule of the stack's own is widened to anyone",
		change: func(t *testing.T, in *audit.Input) {
			policy(t, in, "im", "chat-api-ingress").Spec.Ingress[0].From = nil
		},
		kind: audit.OwnPolicyChanged, object: "NetworkPolicy/im/chat-api-ingress", severity: audit.Critical,
		ports: []string{"api:10002"}, only: true, lets: []string{"anyone"},
	},
	{
		name: "a peer is added to one",
		change: func(t *testing.T, in *audit.Input) {
			rule := &policy(t, in, "im", "chat-rpc-user-ingress").Spec.Ingress[0]
			rule.From = append(rule.From, networkingv1.NetworkPolicyPeer{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": "tools"}},
			})
		},
		kind: audit.OwnPolicyChanged, object: "NetworkPolicy/im/chat-rpc-user-ingress", severity: audit.Critical,
		ports: []string{"rpc-user:10320"}, only: true, lets: []string{"team=tools"},
	},
	{
		name: "a rule of one loses its ports",
		change: func(t *testing.T, in *audit.Input) {
			p := policy(t, in, "im", "chat-gateway-ingress")
			for i := range p.Spec.Ingress {
				p.Spec.Ingress[i].Ports = nil
			}
		},
		kind: audit.OwnPolicyChanged, object: "NetworkPolicy/im/chat-gateway-ingress", severity: audit.Medium,
		ports: []string{"gateway:9090"},
	},
	{
		name: "a rule of one is removed",
		change: func(t *testing.T, in *audit.Input) {
			policy(t, in, "im", "chat-backend-ingress").Spec.Ingress = nil
		},
		kind: audit.OwnPolicyChanged, object: "NetworkPolicy/im/chat-backend-ingress", severity: audit.Medium, only: true,
		lets: []string{"gateway to backend:8080"},
	},
	{
		name: "the denial denies one direction only",
		change: func(t *testing.T, in *audit.Input) {
			policy(t, in, "im", "chat-default-deny").Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
		},
		kind: audit.OwnPolicyChanged, object: "NetworkPolicy/im/chat-default-deny", severity: audit.Medium,
	},
	{
		name: "an egress policy of the stack's lets out to anywhere",
		change: func(t *testing.T, in *audit.Input) {
			p := policy(t, in, "im", "chat-rpc-msg-egress")
			p.Spec.Egress = append(p.Spec.Egress, networkingv1.NetworkPolicyEgressRule{})
		},
		kind: audit.OwnPolicyChanged, object: "NetworkPolicy/im/chat-rpc-msg-egress", severity: audit.High, only: true,
		lets: []string{"rpc-msg may connect to anyone"},
	},
	{
		name: "a policy of the stack's selects other pods",
		change: func(t *testing.T, in *audit.Input) {
			policy(t, in, "im", "chat-msgtransfer-ingress").Spec.PodSelector = metav1.LabelSelector{MatchLabels: map[string]string{"app": "nothing"}}
		},
		kind: audit.OwnPolicyChanged, object: "NetworkPolicy/im/chat-msgtransfer-ingress", severity: audit.Medium,
	},
}
