package apply

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

// The garbage collector removes an owner that is gone, also from an object that a suspended stack does not write.
func TestAPodThatOwnsIsNoDifference(t *testing.T) {
	ownedBy := func(pods ...string) func(*corev1.Service) {
		return func(s *corev1.Service) {
			controlledBy("ConfigMap", "chat", "new")(s)
			for _, pod := range pods {
				s.OwnerReferences = append(s.OwnerReferences, metav1.OwnerReference{APIVersion: "v1", Kind: "Pod", Name: pod, UID: "uid-of-a-pod"})
			}
		}
	}
	for name, c := range map[string]struct {
		live, wanted []string
		change       func(*corev1.Service)
		differs      bool
	}{
		"the same pods":     {[]string{"a"}, []string{"a"}, nil, false},
		"a pod has gone":    {nil, []string{"a"}, nil, false},
		"a pod has come":    {[]string{"a"}, nil, nil, false},
		"no controller":     {nil, []string{"a"}, func(s *corev1.Service) { s.OwnerReferences = nil }, true},
		"another of labels": {nil, []string{"a"}, func(s *corev1.Service) { s.Labels["instance"] = "other" }, true},
	} {
		g := NewWithT(t)
		live := labelled(ownedBy(c.live...))
		if c.change != nil {
			c.change(live)
		}
		cluster := fake.NewClientBuilder().WithObjects(live).Build()
		differs, err := New(cluster, cluster, Options{Owner: "us"}).Differs(t.Context(), labelled(ownedBy(c.wanted...)))
		g.Expect(err).NotTo(HaveOccurred(), name)
		g.Expect(differs).To(Equal(c.differs), name)
	}
}
