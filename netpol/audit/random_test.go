package audit_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/netpol/audit"
)

// Random policies and pods are added to a stack. Each cell that is open unexpectedly is explained by a finding, and a stack without such a
// finding has no such cell.
func TestRandomPoliciesAndPods(t *testing.T) {
	found := map[string]int{}
	for seed := range uint64(120) {
		in := clean(t)
		random := rand.New(rand.NewPCG(seed, 4)) // the same snapshots each time
		for i := range 1 + random.IntN(3) {
			in.Snapshot.Policies = append(in.Snapshot.Policies, randomPolicy(random, i))
		}
		for i := range random.IntN(3) {
			in.Snapshot.Pods = append(in.Snapshot.Pods, randomPod(random, i))
		}
		sorted(in.Snapshot)
		report := audit.Run(in)
		g := NewWithT(t)
		for _, f := range report.Findings {
			found[f.Kind]++
			g.Expect(f.Kind).NotTo(Equal(audit.Unexplained), "seed %d: %+v", seed, f)
		}
		opened := slices.ContainsFunc(report.Cells, func(c audit.Cell) bool { return c.Evaluated && !c.Expected })
		if report.Verdict == audit.VerdictSealed {
			g.Expect(opened).To(BeFalse(), "seed %d", seed)
		}
		found[string(report.Verdict)]++
	}
	g := NewWithT(t)
	for _, kind := range []string{audit.ForeignPolicyWidens, audit.EgressWidens, audit.MetricsUnsealed, audit.ReservedLabels,
		string(audit.VerdictSealed), string(audit.VerdictFindings)} {
		g.Expect(found[kind]).To(BeNumerically(">", 5), "the random cases must contain %s: %v", kind, found)
	}
}

func pickOf[T any](random *rand.Rand, all ...T) T { return all[random.IntN(len(all))] }

func randomPolicy(random *rand.Rand, i int) networkingv1.NetworkPolicy {
	p := networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("random-%d", i),
		Namespace: pickOf(random, "im", "im", "im", "tools")}}
	p.Spec.PodSelector = randomSelector(random)
	p.Spec.PolicyTypes = pickOf(random, []networkingv1.PolicyType{"Ingress"}, []networkingv1.PolicyType{"Egress"},
		[]networkingv1.PolicyType{"Ingress", "Egress"}, nil)
	for range random.IntN(3) {
		p.Spec.Ingress = append(p.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{From: randomPeers(random), Ports: randomPorts(random)})
	}
	for range random.IntN(2) {
		p.Spec.Egress = append(p.Spec.Egress, networkingv1.NetworkPolicyEgressRule{To: randomPeers(random), Ports: randomPorts(random)})
	}
	return p
}

func randomSelector(random *rand.Rand) metav1.LabelSelector {
	component := pickOf(random, "api", "gateway", "backend", "rpc-user", "crontask", "msggateway")
	return pickOf(random,
		metav1.LabelSelector{},
		metav1.LabelSelector{MatchLabels: map[string]string{"app": pickOf(random, "shell", "prometheus", "other")}},
		metav1.LabelSelector{MatchLabels: map[string]string{"app.kubernetes.io/component": component}},
		metav1.LabelSelector{MatchLabels: map[string]string{"app.kubernetes.io/component": component, "app.kubernetes.io/instance": "chat",
			"app.kubernetes.io/name": "openim"}},
		metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app.kubernetes.io/component",
			Operator: metav1.LabelSelectorOpNotIn, Values: []string{component}}}},
		metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: metav1.LabelSelectorOpIn,
			Values: []string{"prometheus", "shell"}}}},
		metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app",
			Operator: pickOf(random, metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist)}}},
	)
}

func randomPeers(random *rand.Rand) []networkingv1.NetworkPolicyPeer {
	var peers []networkingv1.NetworkPolicyPeer
	for range random.IntN(3) {
		pods, namespaces := randomSelector(random), metav1.LabelSelector{}
		if random.IntN(2) == 0 {
			namespaces.MatchLabels = map[string]string{"kubernetes.io/metadata.name": pickOf(random, "im", "monitoring", "tools", "ingress", "infra",
				"unborn")}
		}
		peers = append(peers, pickOf(random,
			networkingv1.NetworkPolicyPeer{PodSelector: &pods},
			networkingv1.NetworkPolicyPeer{NamespaceSelector: &namespaces},
			networkingv1.NetworkPolicyPeer{PodSelector: &pods, NamespaceSelector: &namespaces},
			networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: pickOf(random, "0.0.0.0/0", "192.0.2.0/25", "192.0.0.0/16",
				"198.51.100.0/24", "::/0", "10.0.0.0/8")}},
			networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: "192.0.0.0/8", Except: []string{"192.0.2.0/24"}}},
		))
	}
	return peers
}

func randomPorts(random *rand.Rand) []networkingv1.NetworkPolicyPort {
	var ports []networkingv1.NetworkPolicyPort
	for range random.IntN(3) {
		ports = append(ports, pickOf(random,
			networkingv1.NetworkPolicyPort{Port: ptr.To(intstr.FromString(pickOf(random, "metrics", "grpc", "users", "http", "telemetry")))},
			networkingv1.NetworkPolicyPort{Port: ptr.To(intstr.FromInt32(pickOf[int32](random, 8081, 8082, 9090, 10002, 12002, 443)))},
			networkingv1.NetworkPolicyPort{Port: ptr.To(intstr.FromInt32(12000)), EndPort: ptr.To[int32](12400)},
			networkingv1.NetworkPolicyPort{Protocol: ptr.To(pickOf(random, corev1.ProtocolUDP, corev1.ProtocolTCP))},
		))
	}
	return ports
}

func randomPod(random *rand.Rand, i int) corev1.Pod {
	labels := map[string]string{"app": pickOf(random, "shell", "prometheus", "other")}
	if random.IntN(3) == 0 {
		labels["app.kubernetes.io/name"], labels["app.kubernetes.io/instance"] = "openim", "chat"
		labels["app.kubernetes.io/component"] = "rpc-user"
	}
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("random-%d", i), Namespace: pickOf(random, "im", "tools", "monitoring"), Labels: labels},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c"}}},
		Status: corev1.PodStatus{Phase: pickOf(random, corev1.PodRunning, corev1.PodPending, corev1.PodFailed),
			PodIP: fmt.Sprintf("10.5.0.%d", i+1)},
	}
}
