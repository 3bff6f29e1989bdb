package snapshot_test

import (
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/openimstack/openim-operator/netpol/snapshot"
)

func TestIntendedObjectsAreAddedToExistingOnes(t *testing.T) {
	ours := map[string]string{"app.kubernetes.io/component": "api"}
	deployment := &appsv1.Deployment{ObjectMeta: named("im", "chat-api")}
	deployment.Spec.Template.Labels = ours
	policy := &networkingv1.NetworkPolicy{ObjectMeta: named("im", "chat-api-ingress")}
	service := &corev1.Service{ObjectMeta: named("im", "chat-api")}
	account := &corev1.ServiceAccount{ObjectMeta: named("im", "chat-api")}

	t.Run("in an empty snapshot", func(t *testing.T) {
		g := NewWithT(t)
		w := &snapshot.Snapshot{}
		w.AddIntended(deployment, policy, service, account)
		w.AddIntended(deployment, policy, service, account)
		g.Expect(podNames(w)).To(Equal([]string{"im/chat-api"}))
		g.Expect(w.Policies).To(HaveLen(1))
		g.Expect(w.Policies[0].Spec.PolicyTypes).To(HaveLen(1))
		g.Expect(w.Services).To(HaveLen(1))
		g.Expect(w.Namespaces).To(HaveLen(1))
		g.Expect(policy.Spec.PolicyTypes).To(BeEmpty(), "what was given is not changed")
	})
	t.Run("where some are already", func(t *testing.T) {
		g := NewWithT(t)
		changed := networkingv1.NetworkPolicy{
			ObjectMeta: named("im", "chat-api-ingress"),
			Spec:       networkingv1.NetworkPolicySpec{Ingress: []networkingv1.NetworkPolicyIngressRule{{}}},
		}
		replica := corev1.Pod{ObjectMeta: named("im", "chat-api-7d9-x")}
		replica.Labels = ours
		w := &snapshot.Snapshot{Policies: []networkingv1.NetworkPolicy{changed}, Pods: []corev1.Pod{replica}}
		w.AddIntended(deployment, policy, service)
		g.Expect(podNames(w)).To(Equal([]string{"im/chat-api-7d9-x"}))
		g.Expect(w.Policies).To(HaveLen(1))
		g.Expect(w.Policies[0].Spec.Ingress).To(HaveLen(1), "what is there is what counts")
	})
	t.Run("beside one with borrowed labels", func(t *testing.T) {
		g := NewWithT(t)
		impostor := corev1.Pod{ObjectMeta: named("im", "impostor")}
		impostor.Labels = ours
		w := &snapshot.Snapshot{Pods: []corev1.Pod{impostor}}
		w.AddIntended(deployment)
		g.Expect(podNames(w)).To(Equal([]string{"im/chat-api", "im/impostor"}))
	})
}
