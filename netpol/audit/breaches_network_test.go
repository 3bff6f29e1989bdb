package audit_test

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// networkBreaches are networks that do not enforce policies, and other objects that decide beside them.
var networkBreaches = []breach{
	{
		name: "the network plugin does not enforce policies",
		change: func(_ *testing.T, in *audit.Input) {
			p := plugin(in)
			p.Name, p.Labels = "kube-flannel", map[string]string{"app": "flannel"}
		},
		kind: audit.NotEnforced, object: "Pod/kube-system/kube-flannel", severity: audit.High, only: true,
		lets: []string{"anyone"}, fix: []string{"openimstack.dev/probe-requested-at"},
	},
	{
		name: "the network plugin's firewall is turned off",
		change: func(_ *testing.T, in *audit.Input) {
			plugin(in).Spec.Containers[0].Args = []string{"--run-firewall=false"}
		},
		kind: audit.NotEnforced, object: "Pod/kube-system/kube-router", severity: audit.High, only: true,
	},
	{
		name: "the VPC CNI has no agent",
		change: func(_ *testing.T, in *audit.Input) {
			plugin(in).Labels = map[string]string{"k8s-app": "aws-node"}
		},
		kind: audit.NotEnforced, object: "Pod/kube-system/kube-router", severity: audit.High, only: true,
	},
	{
		name: "the probes got through",
		change: func(_ *testing.T, in *audit.Input) {
			in.Stack.Status.Conditions = append(in.Stack.Status.Conditions, metav1.Condition{
				Type: v1alpha1.ConditionNetworkIsolated, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonNotEnforcedByCNI,
				Message: "rpc-user:10320 answered",
			})
		},
		kind: audit.NotEnforced, object: "OpenIMStack/im/chat", severity: audit.High, only: true,
	},
	{
		name: "a policy of a kind that is not evaluated, for all namespaces",
		change: func(_ *testing.T, in *audit.Input) {
			in.Snapshot.OtherPolicies = append(in.Snapshot.OtherPolicies, snapshot.OtherPolicy{
				APIVersion: "policy.networking.k8s.io/v1alpha2", Kind: "ClusterNetworkPolicy", NamespacedName: types.NamespacedName{Name: "platform"},
			})
		},
		kind: audit.UnknownPolicyKind, object: "ClusterNetworkPolicy//platform", severity: audit.Low, only: true,
	},
	{
		name: "one in the stack's namespace",
		change: func(_ *testing.T, in *audit.Input) {
			in.Snapshot.OtherPolicies = append(in.Snapshot.OtherPolicies, snapshot.OtherPolicy{
				APIVersion: "cilium.io/v2", Kind: "CiliumNetworkPolicy", NamespacedName: types.NamespacedName{Namespace: "im", Name: "allow"},
			})
		},
		kind: audit.UnknownPolicyKind, object: "CiliumNetworkPolicy/im/allow", severity: audit.Low, only: true,
	},
	{
		name: "Cilium enforces nothing, by its environment",
		change: func(_ *testing.T, in *audit.Input) {
			p := plugin(in)
			p.Labels = map[string]string{"k8s-app": "cilium"}
			p.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "CILIUM_ENABLE_POLICY", Value: "never"}}
		},
		kind: audit.NotEnforced, object: "Pod/kube-system/kube-router", severity: audit.High, only: true,
	},
	{
		name: "one node of several enforces nothing",
		change: func(_ *testing.T, in *audit.Input) {
			other := *plugin(in).DeepCopy()
			other.Name = "kube-router-2"
			other.Spec.Containers[0].Args = []string{"--run-firewall=false"}
			in.Snapshot.Pods = append(in.Snapshot.Pods, other)
		},
		kind: audit.NotEnforced, object: "Pod/kube-system/kube-router-2", severity: audit.High, only: true,
	},
	{
		name: "an object of an unknown kind names a Service",
		change: func(_ *testing.T, in *audit.Input) {
			in.Snapshot.Mentions = append(in.Snapshot.Mentions, snapshot.Mention{
				APIVersion: "example.com/v1", Kind: "Tunnel", NamespacedName: types.NamespacedName{Namespace: "tools", Name: "x"},
				Services: []types.NamespacedName{{Namespace: "im", Name: "chat-api"}},
			})
		},
		kind: audit.UnknownReference, object: "Tunnel/tools/x", severity: audit.Low, only: true,
	},
	{
		name: "DNS has other labels than the spec says",
		add: `
apiVersion: v1
kind: Service
metadata: {name: dns-default, namespace: openshift-dns}
spec: {selector: {dns: default}, ports: [{port: 53, protocol: UDP, targetPort: 5353}]}
---
apiVersion: v1
kind: Pod
metadata: {name: dns-1, namespace: openshift-dns, labels: {dns: default}}
spec: {containers: [{name: dns, image: dns}]}
status: {phase: Running, podIP: 10.9.0.1}`,
		kind: audit.PeerMatchesNothing, object: "Service/openshift-dns/dns-default", severity: audit.Low, only: true, fix: []string{"port: 5353",
			"dns: default"},
	},
	{
		name: "a policy that the API server would refuse",
		add: `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: broken, namespace: im}
spec: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [192.168.0.0/16]}}]}]}`,
		kind: audit.InvalidPolicy, object: "NetworkPolicy/im/broken", severity: audit.Low, only: true,
	},
	{
		name: "a store lets the backend in no more: a connection that the stack needs is denied",
		add: `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: infra}
spec: {podSelector: {matchLabels: {app.kubernetes.io/name: redis-wrapper}}, policyTypes: [Ingress]}`,
		change: func(t *testing.T, in *audit.Input) {
			rule := &policy(t, in, "infra", "wrapper").Spec.Ingress[0]
			rule.From[0].PodSelector.MatchLabels["app.kubernetes.io/component"] = "gateway"
		},
		kind: audit.ConnectionShut, object: "NetworkPolicy/infra/closed", severity: audit.Low, only: true,
		lets: []string{"backend does not reach wrapper-redis:6379"},
	},
}

// plugin returns the clean snapshot's only pod of a network plugin.
func plugin(in *audit.Input) *corev1.Pod {
	i := slices.IndexFunc(in.Snapshot.Pods, func(p corev1.Pod) bool { return p.Name == "kube-router" })
	return &in.Snapshot.Pods[i]
}
