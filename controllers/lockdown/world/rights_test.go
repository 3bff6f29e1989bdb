package world_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/controllers/lockdown/world"
)

// The auditor's role holds what Read lists, and nothing else: no Secret, no verb that writes.
func TestTheAuditorsRoleIsWhatIsRead(t *testing.T) {
	g := NewWithT(t)
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "config", "rbac", "openimstack_auditor_role.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	var role rbacv1.ClusterRole
	g.Expect(yaml.UnmarshalStrict(text, &role)).To(Succeed())
	var granted []schema.GroupResource
	for _, rule := range role.Rules {
		g.Expect(rule.Verbs).To(Equal([]string{"get", "list"}))
		g.Expect(rule.ResourceNames).To(BeEmpty())
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				granted = append(granted, schema.GroupResource{Group: group, Resource: resource})
			}
		}
	}
	g.Expect(granted).To(ConsistOf(world.Resources()))
	g.Expect(slices.ContainsFunc(granted, func(r schema.GroupResource) bool { return r.Resource == "secrets" || r.Resource == "*" })).To(BeFalse())
}
