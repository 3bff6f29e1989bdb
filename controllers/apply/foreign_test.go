package apply

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// managedFields names the owner of each field. Each case is one manager beside ours.
func TestForeignFields(t *testing.T) {
	cases := []struct {
		name, manager, subresource, fields string
		foreign                            bool
	}{
		{"ours", "us", "", `{"f:spec":{"f:replicas":{}}}`, false},
		{"a sidecar", "kubectl-edit", "", `{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"sidecar\"}":{".":{},"f:image":{},"f:name":{}}}}}}}`, true},
		{"one field of the spec", "somebody", "", `{"f:spec":{"f:externalIPs":{}}}`, true},
		{"data of a ConfigMap", "somebody", "", `{"f:data":{"f:share.yml":{}}}`, true},
		{"status of the Deployment controller", "kube-controller-manager", "status", `{"f:status":{"f:replicas":{}}}`, false},
		{"its revision", "kube-controller-manager", "", `{"f:metadata":{"f:annotations":{"f:deployment.kubernetes.io/revision":{}}}}`, false},
		{"replicas of an autoscaler", "kube-controller-manager", "scale", `{"f:spec":{"f:replicas":{}}}`, false},
		{"replicas of an edit", "kubectl-edit", "", `{"f:spec":{"f:replicas":{}}}`, false},
		{"replicas and a sidecar", "kubectl-edit", "",
			`{"f:spec":{"f:replicas":{},"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"sidecar\"}":{".":{}}}}}}}`, true},
		{"a restart that a user requested", "kubectl-rollout", "",
			`{"f:spec":{"f:template":{"f:metadata":{"f:annotations":{".":{},"f:kubectl.kubernetes.io/restartedAt":{}}}}}}`, false},
		{"a restart and a label on the pods", "kubectl-edit", "",
			`{"f:spec":{"f:template":{"f:metadata":{"f:annotations":{"f:kubectl.kubernetes.io/restartedAt":{}},"f:labels":{"f:x":{}}}}}}`, true},
		{"an annotation of a GitOps tool", "argocd-controller", "", `{"f:metadata":{"f:annotations":{"f:argocd.argoproj.io/tracking-id":{}}}}`,
			false},
		{"what cannot be read is not trusted", "somebody", "", `[]`, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			object := &unstructured.Unstructured{Object: map[string]any{}}
			object.SetManagedFields([]metav1.ManagedFieldsEntry{
				{Manager: "us", Operation: metav1.ManagedFieldsOperationApply, FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:selector":{}}}`)},
				{Manager: c.manager, Subresource: c.subresource, Operation: metav1.ManagedFieldsOperationUpdate,
					FieldsV1: metav1.NewFieldsV1(c.fields)},
			})
			NewWithT(t).Expect(hasForeignFields(object, "us")).To(Equal(c.foreign))
		})
	}
}
