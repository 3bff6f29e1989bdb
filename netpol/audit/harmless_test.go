package audit_test

import (
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// harmless are changes that look like breaches and open nothing.
var harmless = []breach{
	{
		name: "a NodePort Service with the name of the stack's, in another namespace",
		add: `
apiVersion: v1
kind: Service
metadata: {name: chat-api, namespace: tools}
spec: {type: NodePort, selector: {app.kubernetes.io/component: api}, ports: [{port: 10002}]}`,
	},
	{
		name: "a policy that selects other pods of the namespace",
		add: `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: website, namespace: im}
spec: {podSelector: {matchLabels: {app: website}}, ingress: [{}], egress: [{}], policyTypes: [Ingress, Egress]}`,
	},
	{
		name: "a NodePort to the users' listener",
		add: `
apiVersion: v1
kind: Service
metadata: {name: users, namespace: im}
spec: {type: NodePort, selector: {app.kubernetes.io/component: gateway, app.kubernetes.io/instance: chat}, ports: [{port: 443, targetPort: users}]}`,
	},
	{
		name: "a load balancer to both listeners",
		add: `
apiVersion: v1
kind: Service
metadata: {name: listeners, namespace: im}
spec:
  type: LoadBalancer
  selector: {app.kubernetes.io/component: gateway}
  ports: [{name: users, port: 443, targetPort: 8082}, {name: admin, port: 8443, targetPort: admin}]`,
	},
	{
		name: "another stack in the same namespace",
		add: `
apiVersion: v1
kind: Pod
metadata:
  name: other-api-1
  namespace: im
  labels: {app.kubernetes.io/name: openim, app.kubernetes.io/instance: other, app.kubernetes.io/component: api, app.kubernetes.io/part-of: openimstack}
spec: {containers: [{name: api, image: api, ports: [{name: http, containerPort: 10002}]}]}
status: {phase: Running, podIP: 10.4.0.1}
---
apiVersion: v1
kind: Service
metadata: {name: other-api, namespace: im}
spec:
  type: NodePort
  selector: {app.kubernetes.io/name: openim, app.kubernetes.io/instance: other, app.kubernetes.io/component: api}
  ports: [{port: 10002, targetPort: http}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: other-api-ingress, namespace: im}
spec:
  podSelector: {matchLabels: {app.kubernetes.io/name: openim, app.kubernetes.io/instance: other, app.kubernetes.io/component: api}}
  policyTypes: [Ingress, Egress]
  ingress: [{from: [{podSelector: {}}], ports: [{port: 10002}]}]`,
	},
	{
		name: "a pod with only part of the labels",
		add: `
apiVersion: v1
kind: Pod
metadata: {name: partly, namespace: im, labels: {app.kubernetes.io/instance: chat, app.kubernetes.io/component: backend}}
spec: {containers: [{name: partly, image: partly}]}
status: {phase: Running, podIP: 10.4.0.2}`,
	},
	{
		name: "a pod with all the labels, in another namespace",
		add: `
apiVersion: v1
kind: Pod
metadata:
  name: lookalike
  namespace: tools
  labels: {app.kubernetes.io/name: openim-wrapper, app.kubernetes.io/instance: chat, app.kubernetes.io/component: backend}
spec: {containers: [{name: lookalike, image: lookalike}]}
status: {phase: Running, podIP: 10.4.0.3}`,
	},
	{
		name: "a finished pod with the reserved labels",
		add: `
apiVersion: v1
kind: Pod
metadata:
  name: done
  namespace: im
  labels: {app.kubernetes.io/name: openim-wrapper, app.kubernetes.io/instance: chat, app.kubernetes.io/component: backend}
spec: {containers: [{name: done, image: done}]}
status: {phase: Succeeded, podIP: 10.4.0.4}`,
	},
	{
		name: "an Ingress to the users' listener",
		add: `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: im, namespace: im}
spec: {defaultBackend: {service: {name: chat-gateway, port: {name: users}}}}`,
	},
	{
		name: "an Ingress to a Service of the same name elsewhere",
		add: `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: im, namespace: tools}
spec: {defaultBackend: {service: {name: chat-api, port: {number: 10002}}}}`,
	},
	{
		name: "the administrator's own denial of everything",
		add: `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny-all, namespace: im}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}`,
	},
	{
		name: "an egress policy that repeats what the stack allows",
		add: `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: dns, namespace: im}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
  - to:
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
      podSelector: {matchLabels: {k8s-app: kube-dns}}
    ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]`,
	},
	{
		name: "a policy that lets in sources that the spec names already",
		add: `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: same, namespace: im}
spec:
  podSelector: {matchLabels: {app.kubernetes.io/component: gateway}}
  ingress:
  - from: [{ipBlock: {cidr: 192.0.2.128/25}}]
    ports: [{port: users}]
  - from: [{ipBlock: {cidr: 198.51.100.0/24, except: [198.51.100.16/28, 198.51.100.32/27, 198.51.100.64/26, 198.51.100.128/25]}}]
    ports: [{port: 8081}]`,
	},
	{
		name: "a policy that lets in a component that its own policies do not let out",
		add: `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: half, namespace: im}
spec:
  podSelector: {matchLabels: {app.kubernetes.io/component: api}}
  ingress:
  - from: [{podSelector: {matchLabels: {app.kubernetes.io/name: openim, app.kubernetes.io/instance: chat, app.kubernetes.io/component: crontask}}}]`,
	},
	{
		name: "an HTTPRoute to a Service of the same name elsewhere, and one to the listener",
		change: func(_ *testing.T, in *audit.Input) {
			for namespace, port := range map[string]int32{"tools": 10002, "im": 8082} {
				name := map[string]string{"tools": "chat-api", "im": "chat-gateway"}[namespace]
				in.Snapshot.Routes = append(in.Snapshot.Routes, snapshot.Route{
					APIVersion: "gateway.networking.k8s.io/v1", Kind: "HTTPRoute", NamespacedName: types.NamespacedName{Namespace: namespace, Name: "web"},
					Backends: []snapshot.Backend{{Service: types.NamespacedName{Namespace: namespace, Name: name}, Port: port}},
				})
			}
		},
	},
	{
		name: "another name for the gateway, in another namespace",
		add: `
apiVersion: v1
kind: Service
metadata: {name: im, namespace: tools}
spec: {type: ExternalName, externalName: chat-gateway.im.svc.cluster.local}`,
	},
	{
		name: "a host port of a foreign pod, with the number of the API's",
		add: `
apiVersion: v1
kind: Pod
metadata: {name: busy, namespace: im, labels: {app: busy}}
spec: {containers: [{name: busy, image: busy, ports: [{containerPort: 10002, hostPort: 10002}]}]}
status: {phase: Running, podIP: 10.4.0.5}`,
	},
	{
		name: "a debug container that has ended",
		change: func(t *testing.T, in *audit.Input) {
			pod(t, in, "backend").Status.EphemeralContainerStatuses = []corev1.ContainerStatus{
				{Name: "debugger-x1", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}},
			}
		},
	},
	{
		name: "policies as the API server gives them back: defaults filled in, rules and peers in another order",
		change: func(_ *testing.T, in *audit.Input) {
			for i := range in.Snapshot.Policies {
				p := &in.Snapshot.Policies[i]
				p.UID, p.ResourceVersion, p.CreationTimestamp = "u", "7", metav1.Now()
				slices.Reverse(p.Spec.Ingress)
				slices.Reverse(p.Spec.Egress)
				for j := range p.Spec.Ingress {
					slices.Reverse(p.Spec.Ingress[j].From)
					for k := range p.Spec.Ingress[j].Ports {
						p.Spec.Ingress[j].Ports[k].EndPort = ptr.To(p.Spec.Ingress[j].Ports[k].Port.IntVal)
					}
				}
				expressed(&p.Spec.PodSelector)
			}
		},
	},
	{
		name: "flannel beside a plugin that enforces",
		add: `
apiVersion: v1
kind: Pod
metadata: {name: kube-flannel, namespace: kube-system, labels: {app: flannel}}
spec: {hostNetwork: true, containers: [{name: flannel, image: flannel}]}
status: {phase: Running, podIP: 172.20.0.2}`,
	},
	{
		name: "the ClusterNetworkPolicy that the operator renders, and a Cilium policy of another namespace",
		change: func(_ *testing.T, in *audit.Input) {
			in.Snapshot.OtherPolicies = []snapshot.OtherPolicy{
				{
					APIVersion: "policy.networking.k8s.io/v1alpha2", Kind: "ClusterNetworkPolicy",
					NamespacedName: types.NamespacedName{Name: "im-chat-api"},
					Labels: map[string]string{v1alpha1.LabelPartOf: v1alpha1.PartOf, v1alpha1.LabelManagedBy: v1alpha1.ManagedBy,
						v1alpha1.LabelInstance: "chat"},
				},
				{APIVersion: "cilium.io/v2", Kind: "CiliumNetworkPolicy", NamespacedName: types.NamespacedName{Namespace: "tools", Name: "allow"}},
			}
		},
	},
	{
		name: "a rollout in an IPv4-only cluster: pods that have no address yet beside those that have one",
		change: func(_ *testing.T, in *audit.Input) {
			var starting []corev1.Pod
			for i := range in.Snapshot.Pods {
				pod := &in.Snapshot.Pods[i]
				pod.Status.PodIPs = pod.Status.PodIPs[:1]
				if pod.Namespace == "im" {
					twin := *pod.DeepCopy()
					twin.Name, twin.UID = "a-"+twin.Name, twin.UID+"-2"
					twin.Status = corev1.PodStatus{Phase: corev1.PodPending}
					starting = append(starting, twin)
				}
			}
			in.Snapshot.Pods = append(starting, in.Snapshot.Pods...)
		},
	},
	{
		name: "an IPv4-only cluster",
		change: func(_ *testing.T, in *audit.Input) {
			for i := range in.Snapshot.Pods {
				status := &in.Snapshot.Pods[i].Status
				status.PodIPs = status.PodIPs[:1]
			}
		},
	},
}

// expressed rewrites a selector's labels as expressions with the same meaning.
func expressed(s *metav1.LabelSelector) {
	for key, value := range s.MatchLabels {
		s.MatchExpressions = append(s.MatchExpressions, metav1.LabelSelectorRequirement{Key: key, Operator: metav1.LabelSelectorOpIn,
			Values: []string{value}})
	}
	s.MatchLabels = nil
}

func TestHarmlessChangesAreNotReported(t *testing.T) {
	NewWithT(t).Expect(len(harmless)).To(BeNumerically(">=", 10))
	for _, b := range harmless {
		t.Run(b.name, func(t *testing.T) {
			in := clean(t)
			b.commit(t, &in)
			report := audit.Run(in)
			g := NewWithT(t)
			g.Expect(report.Findings).To(BeEmpty())
			g.Expect(report.Verdict).To(Equal(audit.VerdictSealed))
			g.Expect(report.Counts.Unexpected).To(BeZero())
		})
	}
}

// Two policies that are harmless alone may open a connection together: a component needs both sides open.
func TestTwoHarmlessPoliciesOpenTogether(t *testing.T) {
	in := clean(t)
	i := slices.IndexFunc(harmless, func(b breach) bool {
		return b.name == "a policy that lets in a component that its own policies do not let out"
	})
	harmless[i].commit(t, &in)
	apply(t, &in, `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: other-half, namespace: im}
spec:
  podSelector: {matchLabels: {app.kubernetes.io/component: crontask}}
  policyTypes: [Egress]
  egress: [{to: [{podSelector: {matchLabels: {app.kubernetes.io/name: openim, app.kubernetes.io/instance: chat, app.kubernetes.io/component: api}}}]}]`)
	report := audit.Run(in)
	g := NewWithT(t)
	g.Expect(report.Verdict).To(Equal(audit.VerdictFindings))
	var kinds []string
	for _, f := range report.Findings {
		kinds = append(kinds, f.Kind+" "+f.Object.Name)
	}
	g.Expect(kinds).To(ConsistOf(audit.ForeignPolicyWidens+" half", audit.EgressWidens+" other-half"))
}
