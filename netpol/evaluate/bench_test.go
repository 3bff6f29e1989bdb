package evaluate_test

import (
	"fmt"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/netpol/evaluate"
	"github.com/openimstack/openim-operator/netpol/graph"
)

// testCluster is a realistic cluster: namespaces of 20 pods, workloads of 4 pods, policies for some of them, and one stack.
type testCluster struct {
	namespaces []corev1.Namespace
	pods       []corev1.Pod
	policies   []networkingv1.NetworkPolicy
}

// withUsers is the stack in the middle.
var withUsers = sync.OnceValue(func() graph.Graph { return stacks()["users"] })

func newTestCluster(t testing.TB, pods, policies int) testCluster {
	t.Helper()
	var c testCluster
	const perNamespace, perWorkload = 20, 4
	count := max(pods/perNamespace, 1)
	for i := range count {
		name := fmt.Sprintf("team-%d", i)
		c.namespaces = append(c.namespaces, corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
			corev1.LabelMetadataName: name, "environment": []string{"production", "staging"}[i%2],
		}}})
	}
	for i := range pods {
		workload := i / perWorkload
		p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("pod-%d", i), Namespace: c.namespaces[i/perNamespace%count].Name, UID: types.UID(fmt.Sprint(i)),
			Labels: map[string]string{
				"app": fmt.Sprintf("app-%d", workload), "tier": []string{"front", "back", "store"}[workload%3],
				"pod-template-hash": fmt.Sprintf("%08x", workload), "app.kubernetes.io/managed-by": "Helm",
			},
		}}
		p.Spec.NodeName = fmt.Sprintf("node-%d", i%50)
		p.Spec.Containers = []corev1.Container{
			{Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}, {Name: "metrics", ContainerPort: 9090}}},
		}
		p.Status = corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255),
			HostIP: fmt.Sprintf("172.16.0.%d", i%50), HostIPs: []corev1.HostIP{{IP: fmt.Sprintf("172.16.0.%d", i%50)}},
		}
		p.Status.PodIPs = []corev1.PodIP{{IP: p.Status.PodIP}, {IP: fmt.Sprintf("fd00::%x", i)}}
		c.pods = append(c.pods, p)
	}
	for i := range policies {
		c.policies = append(c.policies, cityPolicy(i, c.namespaces[i%count].Name, count, pods/perWorkload))
	}
	stack := withUsers()
	c.namespaces = append(c.namespaces, corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: stack.Namespace}})
	for _, component := range stack.Components {
		c.pods = append(c.pods, *replica(component.Name, "-0"), *replica(component.Name, "-1"))
	}
	c.policies = append(c.policies, generatedPolicies(stack)...)
	return c
}

func cityPolicy(i int, namespace string, namespaces, workloads int) networkingv1.NetworkPolicy {
	p := networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("policy-%d", i), Namespace: namespace}}
	p.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
	app := func(n int) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchLabels: map[string]string{"app": fmt.Sprintf("app-%d", n%max(workloads, 1))}}
	}
	port := func(n intstr.IntOrString) []networkingv1.NetworkPolicyPort {
		return []networkingv1.NetworkPolicyPort{{Port: &n}}
	}
	switch i % 5 {
	case 0: // default deny
	case 1:
		p.Spec.PodSelector = *app(i)
		p.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{
			{From: []networkingv1.NetworkPolicyPeer{{PodSelector: app(i + 1)}}, Ports: port(intstr.FromString("http"))},
		}
	case 2:
		p.Spec.PodSelector = metav1.LabelSelector{
			MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "tier", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"store"}}},
		}
		p.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{{
			NamespaceSelector: &metav1.LabelSelector{
				MatchLabels: map[string]string{corev1.LabelMetadataName: fmt.Sprintf("team-%d", i*7%namespaces)},
			},
		}}, Ports: port(intstr.FromInt32(9090))}}
	case 3:
		p.Spec.PodSelector = *app(i)
		p.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeEgress}
		p.Spec.Egress = []networkingv1.NetworkPolicyEgressRule{{To: []networkingv1.NetworkPolicyPeer{
			{IPBlock: &networkingv1.IPBlock{CIDR: fmt.Sprintf("172.%d.0.0/16", 16+i%16), Except: []string{fmt.Sprintf("172.%d.1.0/24", 16+i%16)}}},
			{IPBlock: &networkingv1.IPBlock{CIDR: fmt.Sprintf("203.0.113.%d/32", i%256)}},
		}}}
	case 4:
		p.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{
			From: []networkingv1.NetworkPolicyPeer{
				{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"environment": "production"}}, PodSelector: app(i)},
			},
			Ports: []networkingv1.NetworkPolicyPort{{Port: ptr.To(intstr.FromInt32(8000)), EndPort: ptr.To[int32](8999)}},
		}}
	}
	return p
}

func (c testCluster) evaluator(t testing.TB) *evaluate.Evaluator {
	t.Helper()
	e, err := evaluate.New(c.namespaces, c.policies)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return e
}

// matrix evaluates connections between each class and each port of the stack, in both directions, as an audit does. It returns the
// number of open connections.
func matrix(e *evaluate.Evaluator, c testCluster) (open, evaluated int) {
	classes := e.Classes(c.pods, nil)
	classes = append(classes, e.AddressClasses()...)
	for _, component := range withUsers().Components {
		to := e.ClassOf(evaluate.End{Pod: replica(component.Name, "-x")})
		for _, from := range classes {
			for _, port := range component.Ports {
				if e.Reaches(from, to, port.Number, port.Protocol) {
					open++
				}
				evaluated++
			}
		}
	}
	return open, evaluated
}

var sizes = []struct{ pods, policies int }{{100, 500}, {1_000, 500}, {10_000, 500}, {10_000, 5_000}}

func BenchmarkNew(b *testing.B) {
	for _, policies := range []int{500, 5_000} {
		c := newTestCluster(b, 1_000, policies)
		b.Run(fmt.Sprintf("policies=%d", policies), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.evaluator(b)
			}
		})
	}
}

func BenchmarkClasses(b *testing.B) {
	for _, size := range sizes {
		c := newTestCluster(b, size.pods, size.policies)
		e := c.evaluator(b)
		b.Run(fmt.Sprintf("pods=%d/policies=%d", size.pods, size.policies), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				b.ReportMetric(float64(len(e.Classes(c.pods, nil))), "classes")
			}
		})
	}
}

// BenchmarkMatrix measures the evaluator's work in an audit: compile, group, evaluate every source and every port of a stack.
func BenchmarkMatrix(b *testing.B) {
	for _, size := range sizes {
		c := newTestCluster(b, size.pods, size.policies)
		b.Run(fmt.Sprintf("pods=%d/policies=%d", size.pods, size.policies), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, evaluated := matrix(c.evaluator(b), c)
				b.ReportMetric(float64(evaluated), "connections")
			}
		})
	}
}

func BenchmarkConnect(b *testing.B) {
	c := newTestCluster(b, 1_000, 500)
	e := c.evaluator(b)
	from, to := evaluate.End{Pod: &c.pods[0]}, evaluate.End{Pod: &c.pods[30]}
	b.ReportAllocs()
	for b.Loop() {
		e.Connect(from, to, 8080, corev1.ProtocolTCP)
	}
}

func BenchmarkReaches(b *testing.B) {
	c := newTestCluster(b, 1_000, 500)
	e := c.evaluator(b)
	from, to := e.ClassOf(evaluate.End{Pod: &c.pods[0]}), e.ClassOf(evaluate.End{Pod: &c.pods[30]})
	b.ReportAllocs()
	for b.Loop() {
		e.Reaches(from, to, 8080, corev1.ProtocolTCP)
	}
}

func TestReachesAllocatesNothing(t *testing.T) {
	c := newTestCluster(t, 200, 100)
	e := c.evaluator(t)
	from, to := e.ClassOf(evaluate.End{Pod: &c.pods[0]}), e.ClassOf(evaluate.End{Pod: &c.pods[30]})
	NewWithT(t).Expect(testing.AllocsPerRun(100, func() { e.Reaches(from, to, 8080, corev1.ProtocolTCP) })).To(BeZero())
}

// A stack's boundary does not depend on how much there is around it.
func TestATownChangesNothingForTheStack(t *testing.T) {
	small, big := newTestCluster(t, 20, 10), newTestCluster(t, 2_000, 300)
	g := NewWithT(t)
	for _, c := range []testCluster{small, big} {
		e := c.evaluator(t)
		for _, class := range e.Classes(c.pods, nil) {
			if class.Pods[0].Namespace == withUsers().Namespace {
				continue
			}
			for _, component := range withUsers().Components {
				to := e.ClassOf(evaluate.End{Pod: replica(component.Name, "-x")})
				for _, port := range component.Ports {
					listener := component.Name == "gateway" && (port.Name == "admin" || port.Name == "users")
					g.Expect(e.Reaches(class, to, port.Number, port.Protocol)).To(Or(BeFalse(), Equal(listener)),
						"%s/%s to %s/%s", class.Pods[0].Namespace, class.Pods[0].Name, component.Name, port.Name)
				}
			}
		}
	}
}
