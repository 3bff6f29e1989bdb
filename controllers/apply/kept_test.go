package apply

import (
	"context"
	"errors"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// What is kept of an object shows whatever happened to it. An object that cannot be read stops no other: its caller applies all of them.
func TestWhatIsKeptOfAnObjectShowsItsChanges(t *testing.T) {
	g := NewWithT(t)
	var down error
	cluster := fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if down != nil {
				return down
			}
			return c.Get(ctx, key, o, opts...)
		},
	}).Build()
	a := New(cluster, cluster, Options{Owner: "us"})
	wanted := labelled(controlledBy("ConfigMap", "chat", "new"))
	var kept []Kept
	apply := func() {
		t.Helper()
		applied, err := a.Apply(t.Context(), wanted)
		g.Expect(err).NotTo(HaveOccurred())
		kept = []Kept{applied.Kept}
	}
	unchanged := func() bool {
		objects, same := a.Unchanged(t.Context(), kept)
		g.Expect(objects).To(HaveLen(map[bool]int{true: 1}[same]))
		return same
	}
	change := func(f func(*corev1.Service)) {
		t.Helper()
		var live corev1.Service
		g.Expect(cluster.Get(t.Context(), client.ObjectKeyFromObject(wanted), &live)).To(Succeed())
		f(&live)
		g.Expect(cluster.Update(t.Context(), &live)).To(Succeed())
	}
	apply()
	g.Expect(unchanged()).To(BeTrue())
	change(func(s *corev1.Service) {
		s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "192.0.2.1"}}
	})
	g.Expect(unchanged()).To(BeTrue(), "its status is nothing that is desired")

	down = errors.New("the API server is down")
	g.Expect(unchanged()).To(BeFalse())
	down = nil
	g.Expect(unchanged()).To(BeTrue())

	for what, f := range map[string]func(*corev1.Service){
		"its content":    func(s *corev1.Service) { s.Spec.ExternalName = "example.com" },
		"its labels":     func(s *corev1.Service) { s.Labels = nil },
		"its controller": func(s *corev1.Service) { s.OwnerReferences[0].UID = "other" },
	} {
		change(f)
		g.Expect(unchanged()).To(BeFalse(), what)
		g.Expect(cluster.Delete(t.Context(), wanted.DeepCopy())).To(Succeed())
		g.Expect(unchanged()).To(BeFalse(), "it is gone")
		apply()
		g.Expect(unchanged()).To(BeTrue(), what)
	}

	earlier := kept
	wanted.Annotations = map[string]string{"a": "b"}
	apply()
	g.Expect(unchanged()).To(BeTrue())
	kept = earlier
	g.Expect(unchanged()).To(BeFalse(), "another intent was applied since")
	a = New(cluster, cluster, Options{Owner: "us"})
	g.Expect(unchanged()).To(BeFalse(), "a new process knows nothing")
}
