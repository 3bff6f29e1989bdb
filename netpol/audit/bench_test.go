package audit_test

import (
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/audit"
)

// largeCluster adds foreign pods and policies to a clean stack. The pods are in 50 namespaces, and one in twenty in the stack's own. One
// policy in ten is in the stack's own namespace, and one in ten names blocks of addresses.
func largeCluster(t testing.TB, pods, policies int) audit.Input {
	in := clean(t)
	const namespaces = 50
	for i := range namespaces {
		in.Snapshot.Namespaces = append(in.Snapshot.Namespaces, corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("app-%d", i), Labels: map[string]string{"team": fmt.Sprintf("team-%d", i%7),
				"kubernetes.io/metadata.name": fmt.Sprintf("app-%d", i)},
		}})
	}
	for i := len(in.Snapshot.Pods); i < pods; i++ {
		namespace := fmt.Sprintf("app-%d", i%namespaces)
		if i%20 == 0 {
			namespace = "im"
		}
		ip := fmt.Sprintf("10.%d.%d.%d", 16+i/65536, i/256%256, i%256)
		in.Snapshot.Pods = append(in.Snapshot.Pods, corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{
				Name: fmt.Sprintf("pod-%05d", i), Namespace: namespace,
				Labels: map[string]string{"app": fmt.Sprintf("app-%d", i%200), "tier": []string{"web", "worker", "db"}[i%3],
					"pod-template-hash": fmt.Sprint(i)},
			},
			Spec: corev1.PodSpec{NodeName: fmt.Sprintf("node-%d", i%40),
				Containers: []corev1.Container{{Name: "app", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}}}}},
			Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIP: ip, PodIPs: []corev1.PodIP{{IP: ip}}},
		})
	}
	for i := len(in.Snapshot.Policies); i < policies; i++ {
		in.Snapshot.Policies = append(in.Snapshot.Policies, foreignPolicy(i, namespaces))
	}
	sorted(in.Snapshot)
	return in
}

func foreignPolicy(i, namespaces int) networkingv1.NetworkPolicy {
	p := networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("policy-%05d", i),
		Namespace: fmt.Sprintf("app-%d", i%namespaces)}}
	if i%10 == 0 {
		p.Namespace = "im"
	}
	p.Spec.PodSelector.MatchLabels = map[string]string{"app": fmt.Sprintf("app-%d", i%200)}
	peer := networkingv1.NetworkPolicyPeer{
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": fmt.Sprintf("team-%d", i%7)}},
		PodSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "tier",
			Operator: metav1.LabelSelectorOpIn, Values: []string{"web", "worker"}}}},
	}
	if i%10 == 1 {
		peer = networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: fmt.Sprintf("10.16.%d.0/24", i%256)}}
	}
	p.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}
	p.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{peer},
		Ports: []networkingv1.NetworkPolicyPort{{Port: ptr.To(intstr.FromString("http"))}}}}
	p.Spec.Egress = []networkingv1.NetworkPolicyEgressRule{{To: []networkingv1.NetworkPolicyPeer{peer}}}
	return p
}

// Large clusters have about half as many policies as pods.
func BenchmarkRun(b *testing.B) {
	for _, size := range []int{100, 1000, 10000} {
		b.Run(fmt.Sprintf("%d-pods-%d-policies", size, size/2), func(b *testing.B) {
			in := largeCluster(b, size, size/2)
			b.ReportAllocs()
			before := processorTime(b)
			for b.Loop() {
				if r := audit.Run(in); r.Verdict != audit.VerdictSealed {
					b.Fatalf("the foreign policies must not open the stack: %+v", r.Findings)
				}
			}
			b.ReportMetric(float64((processorTime(b)-before).Milliseconds())/float64(b.N), "cpu-ms/op")
			b.ReportMetric(float64(maxResident(b))/1e6, "max-rss-MB")
		})
	}
}

// breached moves each foreign policy to the stack's namespace, where it opens the stack.
func breached(t testing.TB, pods, policies int) audit.Input {
	in := largeCluster(t, pods, policies)
	for i := range in.Snapshot.Policies {
		if p := &in.Snapshot.Policies[i]; strings.HasPrefix(p.Name, "policy-") {
			p.Namespace = "im"
			p.Spec.PodSelector.MatchLabels = map[string]string{v1alpha1.LabelInstance: "chat"}
			p.Spec.Ingress[0].Ports = nil
		}
	}
	sorted(in.Snapshot)
	return in
}

// The worst case: every policy selects every pod of the stack, and opens it.
func BenchmarkRunOfABreach(b *testing.B) {
	in := breached(b, 1000, 500)
	b.ReportAllocs()
	before := processorTime(b)
	for b.Loop() {
		if r := audit.Run(in); r.Counts.Findings[audit.Critical] < 400 {
			b.Fatalf("each policy opens the stack: %v", r.Counts.Findings)
		}
	}
	b.ReportMetric(float64((processorTime(b)-before).Milliseconds())/float64(b.N), "cpu-ms/op")
	b.ReportMetric(float64(maxResident(b))/1e6, "max-rss-MB")
}

// A thousand pods and five hundred policies take at most two seconds of one processor and 200 MB. Slow machines are allowed for.
func TestALargeClusterTakesNoTime(t *testing.T) {
	g := NewWithT(t)
	in := largeCluster(t, 1000, 500)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := processorTime(t)
	r := audit.Run(in)
	took := processorTime(t) - start
	runtime.ReadMemStats(&after)
	g.Expect(took).To(BeNumerically("<", 2*time.Second))
	g.Expect(after.TotalAlloc-before.TotalAlloc).To(BeNumerically("<", 200<<20), "bytes, most of which are freed")
	g.Expect(r.Verdict).To(Equal(audit.VerdictSealed), "%v", r.Findings)
}

// processorTime returns the processor time that the process has used. Time in which other processes have the processor does not count.
func processorTime(t testing.TB) time.Duration {
	u := usage(t)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// maxResident returns the most memory that the process had in use, in bytes. Linux counts it in kilobytes.
func maxResident(t testing.TB) int64 { return usage(t).Maxrss * 1024 }

func usage(t testing.TB) syscall.Rusage {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return u
}
