package audit_test

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/netpol/audit"
)

// An unknown setting of a network plugin makes the verdict CouldNotTell unless another plugin enforces policies.
func TestAnUnknownSettingOfANetworkPlugin(t *testing.T) {
	const unknown, off, on = "cilium", "flannel", "calico-node"
	for _, c := range []struct {
		name    string
		plugins []string
		verdict audit.Verdict
	}{
		{"alone", []string{unknown}, audit.VerdictCouldNotTell},
		{"beside one that enforces", []string{unknown, on}, audit.VerdictSealed},
		{"beside one that enforces nothing", []string{off, unknown}, audit.VerdictCouldNotTell},
		{"nothing is unknown", []string{off}, audit.VerdictFindings},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := clean(t)
			like := *plugin(&in)
			*plugin(&in) = agentOf(like, c.plugins[0])
			for _, name := range c.plugins[1:] {
				in.Snapshot.Pods = append(in.Snapshot.Pods, agentOf(like, name))
			}
			sorted(in.Snapshot)
			report := audit.Run(in)
			g := NewWithT(t)
			g.Expect(report.Verdict).To(Equal(c.verdict))
			if c.verdict == audit.VerdictFindings {
				g.Expect(report.Unread).To(BeEmpty())
				return
			}
			g.Expect(report.Findings).To(BeEmpty())
			if c.verdict == audit.VerdictCouldNotTell {
				g.Expect(report.Unread).To(ConsistOf(HaveField("Reason", And(
					ContainSubstring("whether Cilium enforces NetworkPolicies"), ContainSubstring("ConfigMap kube-system/cilium-config"),
				))))
			}
		})
	}
}

// agentOf returns a pod of another network plugin, on the same node.
func agentOf(like corev1.Pod, app string) corev1.Pod {
	pod := *like.DeepCopy()
	pod.ObjectMeta = metav1.ObjectMeta{Namespace: like.Namespace, Name: app, Labels: map[string]string{"k8s-app": app}}
	return pod
}
