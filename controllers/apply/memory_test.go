package apply

import (
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

func deployment(change func(*appsv1.Deployment)) digest {
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "chat-api", Namespace: "im", ResourceVersion: "1", Generation: 1,
			Labels: map[string]string{"a": "b"}},
		Spec: appsv1.DeploymentSpec{Replicas: ptr.To[int32](1)},
	}
	if change != nil {
		change(d)
	}
	print, err := fingerprint(d, false)
	if err != nil {
		panic(err)
	}
	return print
}

func TestAFingerprintChangesWithWhatIsWantedAndNotWithWhatIsSeen(t *testing.T) {
	g := NewWithT(t)
	one := deployment(nil)
	g.Expect(deployment(nil)).To(Equal(one))
	g.Expect(deployment(func(d *appsv1.Deployment) { d.Status.ReadyReplicas, d.ResourceVersion = 1, "2" })).To(Equal(one),
		"status comes and goes")
	g.Expect(deployment(func(d *appsv1.Deployment) { d.Kind, d.APIVersion = "Deployment", "apps/v1" })).To(Equal(one),
		"the cache leaves the kind out")
	g.Expect(deployment(func(d *appsv1.Deployment) { d.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "x"}} })).To(Equal(one),
		"the cache leaves them out")
	g.Expect(deployment(func(d *appsv1.Deployment) { d.Spec.Replicas = ptr.To[int32](2) })).NotTo(Equal(one))
	g.Expect(deployment(func(d *appsv1.Deployment) { d.Labels["a"] = "c" })).NotTo(Equal(one))
	g.Expect(deployment(func(d *appsv1.Deployment) { d.OwnerReferences = []metav1.OwnerReference{{Name: "x"}} })).NotTo(Equal(one))
}

func TestAFingerprintOfAnObjectThatOthersScaleLeavesTheReplicasOut(t *testing.T) {
	g := NewWithT(t)
	d := &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Replicas: ptr.To[int32](1), Paused: true}}
	one, err := fingerprint(d, true)
	g.Expect(err).NotTo(HaveOccurred())
	d.Spec.Replicas = ptr.To[int32](7)
	g.Expect(fingerprint(d, true)).To(Equal(one))
	g.Expect(fingerprint(d, false)).NotTo(Equal(one))
	d.Spec.Paused = false
	g.Expect(fingerprint(d, true)).NotTo(Equal(one))
}

func TestMemoryHoldsIntentAndObjectTogether(t *testing.T) {
	g := NewWithT(t)
	m, k := newMemory(), key{kind: "Deployment.apps"}
	g.Expect(m.same(k, digest{1}, digest{2}, "7")).To(BeFalse(), "an operator that has just started knows nothing")
	m.remember(k, digest{1}, digest{2})
	g.Expect(m.same(k, digest{1}, digest{2}, "7")).To(BeTrue())
	g.Expect(m.same(k, digest{9}, digest{2}, "7")).To(BeFalse(), "another intent")
	g.Expect(m.same(k, digest{1}, digest{9}, "7")).To(BeFalse(), "somebody changed the object")
	m.forget(k)
	g.Expect(m.same(k, digest{1}, digest{2}, "7")).To(BeFalse())
}

func TestMemoryKnowsAnObjectByItsVersionOnceItWasSeen(t *testing.T) {
	g := NewWithT(t)
	m, k := newMemory(), key{kind: "Deployment.apps"}
	m.remember(k, digest{1}, digest{2})
	g.Expect(m.unchanged(k, digest{1}, "7")).To(BeFalse(), "it was written, and not seen in the cache")
	g.Expect(m.unchanged(k, digest{1}, "")).To(BeFalse())
	g.Expect(m.same(k, digest{1}, digest{3}, "8")).To(BeFalse())
	g.Expect(m.unchanged(k, digest{1}, "8")).To(BeFalse(), "it differed")
	g.Expect(m.same(k, digest{1}, digest{2}, "9")).To(BeTrue())
	g.Expect(m.unchanged(k, digest{1}, "9")).To(BeTrue())
	g.Expect(m.unchanged(k, digest{1}, "10")).To(BeFalse(), "somebody wrote it")
	g.Expect(m.unchanged(k, digest{5}, "9")).To(BeFalse(), "another intent")
	m.remember(k, digest{5}, digest{6})
	g.Expect(m.unchanged(k, digest{5}, "9")).To(BeFalse(), "the operator wrote it")
}
