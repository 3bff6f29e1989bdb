package evaluate_test

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/lockdown"
	"github.com/openimstack/openim-operator/controllers/lockdown/evaluate"
	"github.com/openimstack/openim-operator/controllers/openim"
)

// Of the generated policies the evaluator says what the graph says, for each component and for an intruder.
func TestGeneratedPoliciesLetThroughWhatTheGraphSays(t *testing.T) {
	g := NewWithT(t)
	stack := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Name: "chat", Namespace: "im"}}
	stack.Spec.Wrapper.Auth.Users = &v1alpha1.UserAuth{Audience: "https://im.example.com"}
	graph := lockdown.NewGraph(stack, openim.Facts{})
	e, err := evaluate.New(nil, dereferenced(lockdown.Policies(graph)))
	g.Expect(err).NotTo(HaveOccurred())

	pod := func(name, replica string) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name + replica, Namespace: "im"}}
		if c, ok := lockdown.Lookup(name); ok {
			p.Labels = c.Labels("chat")
			p.Labels[v1alpha1.LabelPartOf] = v1alpha1.PartOf
		}
		return p
	}
	open := 0
	for _, cell := range graph.TruthTable() {
		v := e.Connect(evaluate.End{Pod: pod(cell.From, "-0")}, evaluate.End{Pod: pod(cell.To, "-1")}, cell.Port.Number, cell.Port.Protocol)
		g.Expect(v.Open).To(Equal(cell.Open), "%s to %s, port %d: %+v", cell.From, cell.To, cell.Port.Number, v)
		if v.Open {
			open++
			g.Expect(v.Ingress.Rules).NotTo(BeEmpty(), "something opens it")
		}
	}
	g.Expect(open).To(BeNumerically(">", 20))
}

func dereferenced(policies []*networkingv1.NetworkPolicy) []networkingv1.NetworkPolicy {
	var all []networkingv1.NetworkPolicy
	for _, p := range policies {
		all = append(all, *p)
	}
	return all
}
