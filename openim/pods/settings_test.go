package pods_test

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim/pods"
)

func TestTheUsersOfPods(t *testing.T) {
	g := NewWithT(t)
	fixed, free := pods.SecurityContext(v1alpha1.UserIDsFixed), pods.SecurityContext(v1alpha1.UserIDsPlatform)
	for _, id := range []*int64{fixed.RunAsUser, fixed.RunAsGroup, fixed.FSGroup} {
		g.Expect(id).To(HaveValue(BeEquivalentTo(65532)))
	}
	g.Expect([]*int64{free.RunAsUser, free.RunAsGroup, free.FSGroup}).To(HaveEach(BeNil()))
	g.Expect(free.RunAsNonRoot).To(HaveValue(BeTrue()), "whoever chooses")
	g.Expect(free.SeccompProfile).To(Equal(fixed.SeccompProfile))

	for _, c := range []struct {
		spec     *v1alpha1.Pods
		platform bool
		want     v1alpha1.UserIDs
	}{
		{nil, false, "Fixed"}, {nil, true, "Platform"}, {&v1alpha1.Pods{}, true, "Platform"},
		{&v1alpha1.Pods{UserIDs: "Fixed"}, true, "Fixed"}, {&v1alpha1.Pods{UserIDs: "Platform"}, false, "Platform"},
	} {
		values := pods.Effective(&v1alpha1.OpenIMStackSpec{Pods: c.spec}, c.platform)
		g.Expect(values).To(Equal([]v1alpha1.EffectiveValue{{Name: "pods.userIDs", Value: string(c.want)}}))
		told := pods.PlatformByStatus(v1alpha1.OpenIMStackStatus{Effective: values})
		g.Expect(told).To(Equal(c.want == v1alpha1.UserIDsPlatform), "what the status tells is what was used")
	}
	g.Expect(pods.PlatformByStatus(v1alpha1.OpenIMStackStatus{})).To(BeFalse())
}

func TestAnnotationsOfServiceAccounts(t *testing.T) {
	long := v1alpha1.AnnotationValue(strings.Repeat("a", 4096))
	for _, c := range []struct {
		name        string
		annotations map[string]v1alpha1.AnnotationValue
		want        string // "" for taken
	}{
		{"none", nil, ""},
		{"AWS", map[string]v1alpha1.AnnotationValue{"eks.amazonaws.com/role-arn": "arn"}, ""},
		{"Google and Azure", map[string]v1alpha1.AnnotationValue{
			"iam.gke.io/gcp-service-account": "im@p.iam.gserviceaccount.com", "azure.workload.identity/client-id": "1"}, ""},
		{"a name without a domain", map[string]v1alpha1.AnnotationValue{"team": "im"}, ""},
		{"a domain that ends alike", map[string]v1alpha1.AnnotationValue{"notkubernetes.io/a": "", "xopenimstack.dev/a": ""}, ""},
		{"the operator's", map[string]v1alpha1.AnnotationValue{"openimstack.dev/revision": "1"}, "which no component needs"},
		{"below the operator's", map[string]v1alpha1.AnnotationValue{"a.openimstack.dev/revision": "1"}, "which no component needs"},
		{"Kubernetes'", map[string]v1alpha1.AnnotationValue{"kubernetes.io/enforce-mountable-secrets": "true"}, "which no component needs"},
		{"kubectl's", map[string]v1alpha1.AnnotationValue{"kubectl.kubernetes.io/last-applied-configuration": "{}"}, "remove it"},
		{"in capitals", map[string]v1alpha1.AnnotationValue{"Kubernetes.IO/enforce-mountable-secrets": "true"}, "remove it"},
		{"a name that is none", map[string]v1alpha1.AnnotationValue{"a b": "", "/x": "", "": ""}, "is not the name of an annotation"},
		{"too long", map[string]v1alpha1.AnnotationValue{"a/1": long, "a/2": long, "a/3": long, "a/4": long}, "at most 16384 are taken"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			found := refusalsOf(stackOf(&v1alpha1.Pods{ServiceAccountAnnotations: c.annotations}))
			if c.want == "" {
				g.Expect(found).To(BeEmpty())
				return
			}
			g.Expect(found).NotTo(BeEmpty())
			for _, refusal := range found {
				g.Expect(refusal.Field).To(Equal("spec.pods.serviceAccountAnnotations"))
				g.Expect(refusal.Why).To(ContainSubstring(c.want))
			}
		})
	}
	many := map[string]v1alpha1.AnnotationValue{}
	for i := range 16 {
		many[fmt.Sprintf("kubernetes.io/%d", i)] = ""
	}
	NewWithT(t).Expect(refusalsOf(stackOf(&v1alpha1.Pods{ServiceAccountAnnotations: many}))).To(HaveLen(8), "a bounded message")
}

func TestHowManyPodsMayBeEvicted(t *testing.T) {
	share := ptr.To(intstr.FromString("25%"))
	spec := &v1alpha1.Pods{Components: []v1alpha1.ComponentPods{
		{Name: "rpc-msg", MaxUnavailable: ptr.To(intstr.FromInt32(4))},
		{Name: "rpc", MaxUnavailable: share},
		{Name: "rpc-user"},
		{Name: "openim", MaxUnavailable: ptr.To(intstr.FromInt32(2))},
	}}
	for component, want := range map[string]string{
		"rpc-msg": "4", "rpc-user": "25%", "push": "2", "gateway": "1", "check": "1",
	} {
		got := pods.MaxUnavailable(spec, component)
		NewWithT(t).Expect(got.String()).To(Equal(want), component)
	}
	got := pods.MaxUnavailable(nil, "push")
	NewWithT(t).Expect(got.IntValue()).To(Equal(1))
}

func TestPullSecretsAreNamedOnce(t *testing.T) {
	g := NewWithT(t)
	image := []v1alpha1.LocalReference{{Name: "registry"}}
	g.Expect(pods.PullSecrets(nil, image)).To(Equal(image))
	spec := &v1alpha1.Pods{PullSecrets: []v1alpha1.LocalReference{{Name: "mirror"}, {Name: "registry"}}}
	g.Expect(pods.PullSecrets(spec, image)).To(Equal([]v1alpha1.LocalReference{{Name: "registry"}, {Name: "mirror"}}))
	g.Expect(image).To(HaveLen(1))
}
