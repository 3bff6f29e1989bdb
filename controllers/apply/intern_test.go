package apply

import (
	"fmt"
	"strings"
	"testing"
	"unsafe"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// decoded returns a Deployment none of whose texts is shared with another object, as a decoder makes it.
func decoded(t *testing.T) *appsv1.Deployment {
	t.Helper()
	d := &appsv1.Deployment{
		ObjectMeta: whole(),
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To[int32](2), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}},
			Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
				Containers: []corev1.Container{{
					Name: "openim", Image: "openim/api:v3", Args: []string{strings.Repeat("x", internedBytes+1)},
					Env:       []corev1.EnvVar{{Name: "A", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "spec.x"}}}},
					Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{"memory": resource.MustParse("512Mi")}},
				}},
			}},
		},
	}
	text, err := d.Marshal()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	var fresh appsv1.Deployment
	NewWithT(t).Expect(fresh.Unmarshal(text)).To(Succeed())
	return &fresh
}

func sameText(a, b string) bool { return unsafe.StringData(a) == unsafe.StringData(b) }

// The objects of the cache share texts, and say what they said.
func TestObjectsOfTheCacheShareTheirTexts(t *testing.T) {
	g := NewWithT(t)
	var kept []*appsv1.Deployment
	for range 2 {
		slim, err := Slim(decoded(t))
		g.Expect(err).NotTo(HaveOccurred())
		kept = append(kept, slim.(*appsv1.Deployment))
	}
	wanted := decoded(t)
	wanted.ManagedFields = nil
	g.Expect(kept[0]).To(Equal(wanted))
	a, b := kept[0].Spec.Template.Spec.Containers[0], kept[1].Spec.Template.Spec.Containers[0]
	g.Expect(sameText(a.Image, b.Image)).To(BeTrue())
	g.Expect(sameText(a.Env[0].ValueFrom.FieldRef.FieldPath, b.Env[0].ValueFrom.FieldRef.FieldPath)).To(BeTrue())
	g.Expect(sameText(kept[0].Labels["instance"], kept[1].Labels["instance"])).To(BeTrue())
	g.Expect(sameText(kept[0].OwnerReferences[0].Name, kept[1].OwnerReferences[0].Name)).To(BeTrue())
	g.Expect(kept[0].OwnerReferences[0].Controller).To(BeIdenticalTo(kept[1].OwnerReferences[0].Controller))
	g.Expect(sameText(a.Args[0], b.Args[0])).To(BeFalse(), "a long text is rarely the same")
}

// Anybody who may create objects with the operator's label may fill the table.
func TestTheTableOfTextsIsBounded(t *testing.T) {
	g := NewWithT(t)
	table := interned{texts: map[string]string{}}
	for i := range 3 * internedTexts {
		g.Expect(table.text(fmt.Sprint(i))).To(Equal(fmt.Sprint(i)))
	}
	g.Expect(len(table.texts)).To(BeNumerically("<=", internedTexts))
	long := strings.Repeat("x", internedBytes+1)
	g.Expect(table.text(long)).To(Equal(long))
	g.Expect(table.texts).NotTo(HaveKey(long))
}
