package snapshot_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// The auditor's role allows exactly what Read lists and gets, and the records of the operator that the plugin reads: no Secret,
// no ConfigMap of another name, no verb that writes.
func TestTheAuditorsRoleMatchesTheRequests(t *testing.T) {
	g := NewWithT(t)
	text, err := os.ReadFile(filepath.Join("..", "..", "config", "rbac", "openimstack_auditor_role.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	var role rbacv1.ClusterRole
	g.Expect(yaml.UnmarshalStrict(text, &role)).To(Succeed())
	var granted []schema.GroupResource
	named := 0
	for _, rule := range role.Rules {
		if len(rule.ResourceNames) > 0 {
			named++
			g.Expect(rule).To(Equal(rbacv1.PolicyRule{
				APIGroups: []string{""}, Resources: []string{"configmaps"}, ResourceNames: rule.ResourceNames, Verbs: []string{"get"},
			}))
			g.Expect(rule.ResourceNames).To(ConsistOf(snapshot.PluginConfigMaps()))
			continue
		}
		g.Expect(rule.Verbs).To(Equal([]string{"get", "list"}))
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				granted = append(granted, schema.GroupResource{Group: group, Resource: resource})
			}
		}
	}
	g.Expect(named).To(Equal(1), "network plugins' ConfigMaps, by name")
	records := schema.GroupResource{Group: "apps", Resource: "controllerrevisions"}
	g.Expect(granted).To(ConsistOf(append(snapshot.Resources(), records)))
	tooMuch := func(r schema.GroupResource) bool { return r.Resource == "secrets" || r.Resource == "*" }
	g.Expect(slices.ContainsFunc(granted, tooMuch)).To(BeFalse())
}
