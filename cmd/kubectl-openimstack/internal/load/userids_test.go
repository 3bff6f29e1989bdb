package load

import (
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/seal"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// Nobody may ask a cluster for its platform who has only the manifests, or few rights. The operator has told it in the status.
func TestPodsHaveTheUsersThatTheStatusTells(t *testing.T) {
	for _, c := range []struct {
		name, told string
		spec       *v1alpha1.Pods
		want       string
	}{
		{"no status", "", nil, "Fixed"},
		{"OpenShift", "Platform", nil, "Platform"},
		{"the spec counts before it", "Platform", &v1alpha1.Pods{UserIDs: v1alpha1.UserIDsFixed}, "Fixed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			object := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: "chat"}}
			object.Spec.Version, object.Spec.Pods = "v3.8.3", c.spec
			if c.told != "" {
				object.Status.Effective = []v1alpha1.EffectiveValue{{Name: "pods.userIDs", Value: c.told}}
			}
			stack, err := resolve(t.Context(), &snapshot.Snapshot{}, object, seal.Record{}, &Flags{})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(stack.Effective).To(ContainElement(v1alpha1.EffectiveValue{Name: "pods.userIDs", Value: c.want}))
			seen := 0
			for _, o := range stack.Objects {
				if d, ok := o.(*appsv1.Deployment); ok {
					seen++
					g.Expect(d.Spec.Template.Spec.SecurityContext.RunAsUser == nil).To(Equal(c.want == "Platform"), d.Name)
				}
			}
			g.Expect(seen).To(Equal(14))
		})
	}
}
