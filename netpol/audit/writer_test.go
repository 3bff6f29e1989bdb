package audit_test

import (
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/netpol/audit"
)

// A finding names the platform that wrote a policy, because the platform writes a deleted policy again.
func TestAFindingNamesTheWriterOfThePolicy(t *testing.T) {
	g := NewWithT(t)
	in := clean(t)
	apply(t, &in, `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: np-default, namespace: im}
spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {matchLabels: {field.cattle.io/projectId: p-1}}}]}]}`)
	in.Snapshot.Writers = map[types.NamespacedName]string{{Namespace: "im",
		Name: "np-default"}: "Rancher (cattle.io/creator=norman; field manager rancher)"}
	findings := audit.Run(in).Findings
	g.Expect(findings).To(ConsistOf(And(
		HaveField("Kind", audit.ForeignPolicyWidens), HaveField("Object.Name", "np-default"),
		HaveField("Reason", ContainSubstring("it was written by Rancher (cattle.io/creator=norman; field manager rancher)")),
		HaveField("Fix", ContainSubstring("A platform that writes policies of its own")),
	)))
}
