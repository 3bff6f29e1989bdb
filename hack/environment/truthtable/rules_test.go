package truthtable

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
)

// sealed is a whole stack with its policies, stores and DNS, as a cluster would show it.
func sealed() ([]networkingv1.NetworkPolicy, Pods) {
	endpoints := map[openim.Dependency][]openim.Endpoint{}
	w := Pods{Namespaces: map[string]labels.Set{}, Intruder: pod("intruder", "intruder", "10.9.9.9", nil)}
	for _, name := range []string{"im", "infra", "kube-system", "intruder"} {
		w.Namespaces[name] = labels.Set{corev1.LabelMetadataName: name}
	}
	for d, port := range map[openim.Dependency]int32{openim.Kafka: 9092, openim.Redis: 6379, openim.MongoDB: 27017, openim.Etcd: 2379} {
		l := map[string]string{"app.kubernetes.io/name": string(d)}
		endpoints[d] = []openim.Endpoint{{Port: port, Peers: []networkingv1.NetworkPolicyPeer{{
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: w.Namespaces["infra"]}, PodSelector: &metav1.LabelSelector{MatchLabels: l}}}}}
		w.Pods = append(w.Pods, pod("infra", string(d), "10.8.0.1", l))
	}
	w.Pods = append(w.Pods, pod("kube-system", "coredns", "10.7.0.1", map[string]string{"k8s-app": "kube-dns"}))
	for _, replicas := range readyPods("msggateway") {
		w.Pods = append(w.Pods, replicas...)
	}
	for i := range w.Pods {
		w.Pods[i].UID = types.UID(w.Pods[i].Namespace + "/" + w.Pods[i].Name)
	}
	w.Intruder.UID = "intruder"
	stack := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Name: "chat", Namespace: "im"}}
	var policies []networkingv1.NetworkPolicy
	for _, p := range graph.Policies(graph.New(stack, openim.Facts{Endpoints: endpoints})) {
		policies = append(policies, *p)
	}
	return policies, w
}

func TestEveryRuleOfAStackHasAConnectionThatShowsIt(t *testing.T) {
	g := NewWithT(t)
	policies, w := sealed()
	rules := Rules(policies)
	g.Expect(len(rules)).To(BeNumerically(">", 100))
	seen := map[string]int{}
	for _, rule := range rules {
		edge, err := rule.Edge(w)
		g.Expect(err).NotTo(HaveOccurred())
		seen[edge.From.Name+" "+edge.Address()]++
	}
	g.Expect(seen).To(HaveKeyWithValue("chat-backend-0 "+ip(w, "chat-api-0")+":10002", 2), "egress of one, ingress of the other")
	g.Expect(seen).To(HaveKeyWithValue("chat-rpc-user-0 10.7.0.1:53", 1), "DNS")
	g.Expect(seen).To(HaveKeyWithValue("chat-rpc-auth-0 10.8.0.1:6379", 1), "a store")
	g.Expect(seen).To(HaveKeyWithValue("intruder "+ip(w, "chat-gateway-0")+":8081", 1), "any source reaches the administrators' listener")
	g.Expect(seen).To(HaveKeyWithValue("chat-msggateway-0 "+ip(w, "chat-msggateway-1")+":10140", 2), "the other pod of its kind")
}

func ip(w Pods, name string) string {
	for _, p := range w.Pods {
		if p.Name == name {
			return p.Status.PodIP
		}
	}
	return ""
}

func TestARuleWithoutPodsIsAnError(t *testing.T) {
	g := NewWithT(t)
	policies, w := sealed()
	w.Pods = nil
	for _, rule := range Rules(policies) {
		_, err := rule.Edge(w)
		g.Expect(err).To(MatchError(ContainSubstring("admits no TCP connection")))
	}
}

func TestAnotherNamespaceOfTheSameLabelsIsNotSelected(t *testing.T) {
	g := NewWithT(t)
	policies, w := sealed()
	for i := range w.Pods {
		if w.Pods[i].Namespace == "infra" {
			w.Pods[i].Namespace = "im"
		}
	}
	for _, rule := range Rules(policies) {
		if edge, err := rule.Edge(w); err == nil {
			g.Expect(edge.To.Name).NotTo(BeElementOf("kafka", "redis", "mongodb", "etcd"))
		}
	}
}

func TestDroppingARuleDropsThatOneAndLeavesTheOriginalAlone(t *testing.T) {
	g := NewWithT(t)
	policies, _ := sealed()
	byName := map[string]*networkingv1.NetworkPolicy{}
	for i := range policies {
		byName[policies[i].Name] = &policies[i]
	}
	for _, rule := range Rules(policies) {
		whole := byName[rule.Policy]
		before := whole.DeepCopy()
		less := rule.Without(whole)
		g.Expect(whole).To(Equal(before))
		g.Expect(len(less.Spec.Ingress) + len(less.Spec.Egress)).To(Equal(len(whole.Spec.Ingress) + len(whole.Spec.Egress) - 1))
		if rule.Direction == networkingv1.PolicyTypeIngress {
			g.Expect(less.Spec.Ingress).NotTo(ContainElement(Equal(whole.Spec.Ingress[rule.Index])), rule.String())
		} else {
			g.Expect(less.Spec.Egress).NotTo(ContainElement(Equal(whole.Spec.Egress[rule.Index])), rule.String())
		}
	}
}
