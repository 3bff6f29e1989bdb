package revision_test

import (
	"errors"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/revision"
)

func TestTheSameInputsGiveAnEqualRevision(t *testing.T) {
	h := newHistory(t)
	first, second := h.propose(), h.propose()
	h.Expect(second.Data.Equal(first.Data)).To(BeTrue())
	h.Expect(second.Outdated).To(BeEmpty())
	h.Expect(images(first.Data)).To(Equal(map[string]string{"api": "v1-1", "gateway": "wrapper:1-1", "msg": "secret1-1"}))
	h.request.Inputs.Spec.Version = "v2"
	third := h.propose()
	h.Expect(third.Data.Equal(first.Data)).To(BeFalse())
	h.Expect(third.Data.Components["msg"].Hash).To(Equal(first.Data.Components["msg"].Hash), "its inputs are the same")
	h.Expect(third.Data.Components["api"].ConfigMaps).To(Equal([]string{"api-v2"}))
	h.Expect(third.Data.ConfigMap("api-v2")).To(Equal(map[string]string{"api.yml": "v2"}))
}

func TestAnUpgradeOfTheOperatorChangesNoTemplate(t *testing.T) {
	h := newHistory(t)
	first := h.propose()
	h.code.version, h.request.Images.Wrapper = "-2", "wrapper:2"
	upgraded := h.propose()
	h.Expect(images(upgraded.Data)).To(Equal(images(first.Data)))
	h.Expect(upgraded.Outdated).To(Equal([]string{"api", "gateway", "msg"}))

	h.request.Inputs.Facts.ShareSecretHash = "secret2"
	rotated := h.propose()
	h.Expect(images(rotated.Data)).To(Equal(map[string]string{"api": "v1-1", "gateway": "wrapper:1-1", "msg": "secret2-2"}),
		"a component that changes is rendered by the present code")
	h.Expect(rotated.Outdated).To(Equal([]string{"api", "gateway"}))

	h.request.Update = true
	updated := h.propose()
	h.Expect(images(updated.Data)).To(Equal(map[string]string{"api": "v1-2", "gateway": "wrapper:2-2", "msg": "secret2-2"}))
	h.Expect(updated.Outdated).To(BeEmpty())
	h.request.Update = false
	again := h.propose()
	h.Expect(again.Data.Equal(updated.Data)).To(BeTrue())
	h.Expect(again.Outdated).To(BeEmpty())
}

func TestImagesArePinned(t *testing.T) {
	h := newHistory(t)
	h.propose()
	h.request.Images.Wrapper = "wrapper:2"
	h.request.Inputs.Spec.Version = "v2"
	changed := h.propose()
	h.Expect(images(changed.Data)).To(HaveKeyWithValue("gateway", "wrapper:1-1"))
	h.Expect(changed.Outdated).To(Equal([]string{"gateway"}))
	h.Expect(changed.Data.Inputs.Images.Wrapper).To(Equal("wrapper:1"))
}

func TestARevertedSpecRestoresTheStoredTemplatesAlsoAfterAnUpgradeOfTheOperator(t *testing.T) {
	h := newHistory(t)
	first := h.propose()
	h.request.Inputs.Spec.Version = "v2"
	h.propose()
	h.code.version = "-2"
	h.request.Inputs.Spec.Version = "v1"
	reverted := h.propose()
	h.Expect(images(reverted.Data)).To(Equal(images(first.Data)))
	h.Expect(reverted.Data.Equal(first.Data)).To(BeTrue())
	h.Expect(reverted.Data.ConfigMap("api-v1")).NotTo(BeNil())
}

func TestAComponentThatDoesNotResolveKeepsItsTemplate(t *testing.T) {
	h := newHistory(t)
	first := h.propose()
	h.request.Inputs.Unresolved, h.request.Inputs.Facts.ShareSecretHash = []string{"msg"}, ""
	h.request.Inputs.Spec.Version = "v2"
	carried := h.propose()
	h.Expect(images(carried.Data)).To(Equal(map[string]string{"api": "v2-1", "gateway": "wrapper:1-1", "msg": "secret1-1"}))
	h.Expect(carried.Data.Components["msg"].Carried).To(BeTrue())
	h.Expect(carried.Data.Components["msg"].Hash).To(Equal(first.Data.Components["msg"].Hash))

	// It is carried through further revisions, and the operator is upgraded meanwhile.
	h.request.Inputs.Spec.Version, h.code.version = "v3", "-2"
	again := h.propose()
	h.Expect(again.Data.Components["msg"].Carried).To(BeTrue())
	h.Expect(again.Data.Earlier).To(HaveLen(1))

	// The reference resolves again, to what it was: nothing changes.
	h.request.Inputs.Unresolved, h.request.Inputs.Facts.ShareSecretHash = nil, "secret1"
	healed := h.propose()
	h.Expect(healed.Data.Components["msg"].Carried).To(BeFalse())
	h.Expect(images(healed.Data)).To(HaveKeyWithValue("msg", "secret1-1"))
	h.Expect(healed.Data.Earlier).To(BeEmpty())
	h.Expect(healed.Data.Equal(again.Data)).To(BeTrue())
}

func TestWhatChangedWhileAReferenceWasBrokenIsNotLost(t *testing.T) {
	h := newHistory(t)
	h.propose()
	h.request.Inputs.Unresolved = []string{"api"}
	h.request.Inputs.Spec.Version = "v2"
	h.Expect(images(h.propose().Data)).To(HaveKeyWithValue("api", "v1-1"))
	h.request.Inputs.Unresolved = nil
	h.Expect(images(h.propose().Data)).To(HaveKeyWithValue("api", "v2-1"))
}

func TestANewComponentThatDoesNotResolveIsMissing(t *testing.T) {
	h := newHistory(t)
	h.request.Inputs.Unresolved = []string{"gateway"}
	p := h.propose()
	h.Expect(p.Missing).To(Equal([]string{"gateway"}))
	h.Expect(p.Data.Components).NotTo(HaveKey("gateway"))
	h.request.Inputs.Unresolved = nil
	h.Expect(images(h.propose().Data)).To(HaveKeyWithValue("gateway", "wrapper:1-1"))
}

func TestRecordedInputsThatCannotBeRenderedAnyMoreDecideNothing(t *testing.T) {
	h := newHistory(t)
	h.propose()
	h.request.Inputs.Spec.Version = "v2"
	p, err := revision.Propose(h.request, func(in revision.Inputs) (map[string]revision.Rendering, error) {
		if in.Spec.Version == "v1" {
			return nil, errors.New("no longer supported")
		}
		return h.code.render(in)
	})
	h.Expect(err).NotTo(HaveOccurred())
	h.Expect(images(p.Data)).To(HaveKeyWithValue("api", "v2-1"))
	_, err = revision.Propose(h.request, func(revision.Inputs) (map[string]revision.Rendering, error) { return nil, errors.New("broken") })
	h.Expect(err).To(MatchError("broken"))
}

func TestATemplateCarriesItsHash(t *testing.T) {
	h := newHistory(t)
	for _, c := range h.propose().Data.Components {
		h.Expect(c.Template.Annotations).To(HaveKeyWithValue(v1alpha1.AnnotationTemplate, c.Hash))
		hash, err := revision.TemplateHash(c.Template)
		h.Expect(err).NotTo(HaveOccurred())
		h.Expect(hash).To(Equal(c.Hash), "the hash leaves its own annotation out")
	}
}

func TestTheFirstRevisionOfARunningStackIsMadeOfItsDeployments(t *testing.T) {
	g := NewWithT(t)
	plain, marked := template("api:1"), template("msg:1")
	plain.Annotations = map[string]string{"kubectl.kubernetes.io/restartedAt": "yesterday", "other": "kept"}
	plain.Spec.Volumes = []corev1.Volume{
		{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: "api-1"}}}},
		{Name: "hot", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: "hot"}}}},
	}
	marked.Annotations = map[string]string{v1alpha1.AnnotationTemplate: "0123456789"}
	d, err := revision.FromDeployments(revision.Inputs{}, map[string]corev1.PodTemplateSpec{"api": plain, "msg": marked},
		map[string]map[string]string{"api-1": {"api.yml": "x"}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(d.Components["api"].Template.Annotations).To(Equal(map[string]string{"other": "kept"}),
		"an annotation more would restart the pods")
	g.Expect(plain.Annotations).To(HaveKey("kubectl.kubernetes.io/restartedAt"), "the argument is not changed")
	g.Expect(d.Components["api"].ConfigMaps).To(Equal([]string{"api-1"}))
	g.Expect(d.ConfigMap("api-1")).To(Equal(map[string]string{"api.yml": "x"}))
	g.Expect(d.Components["msg"].Hash).To(Equal("0123456789"), "a revision that was deleted gets its name back")
}

// unread renders as code does, and the gateway with a field that images of format 0 do not read.
func (h *history) unread(in revision.Inputs) (map[string]revision.Rendering, error) {
	all, err := h.code.render(in)
	if gateway, ok := all["gateway"]; ok && in.Spec.Version == "v2" {
		gateway.Template = template(in.Images.Wrapper + " with the field")
		if in.Images.WrapperFormat < 1 {
			gateway.Unread = []string{"spec.field"}
		}
		all["gateway"] = gateway
	}
	return all, err
}

func TestAFieldThatTheRecordedImageDoesNotReadWaitsForTheUpdate(t *testing.T) {
	h := newHistory(t)
	h.propose() // by an operator that recorded no format
	h.request.Images = revision.Images{Wrapper: "wrapper:2", WrapperFormat: 1}
	h.request.Inputs.Spec.Version = "v2"
	waiting, err := revision.Propose(h.request, h.unread)
	h.Expect(err).NotTo(HaveOccurred())
	h.Expect(images(waiting.Data)).To(Equal(map[string]string{"api": "v2-1", "gateway": "wrapper:1-1", "msg": "secret1-1"}))
	h.Expect(waiting.Waiting).To(Equal(map[string][]string{"gateway": {"spec.field"}}))
	h.Expect(waiting.Outdated).To(ContainElement("gateway"))
	h.Expect(waiting.Data.Inputs.Unresolved).To(Equal([]string{"gateway"}))
	h.Expect(waiting.Data.InputsOf(waiting.Data.Components["gateway"]).Spec.Version).To(Equal("v1"))

	h.keep(waiting.Data)
	again, err := revision.Propose(h.request, h.unread)
	h.Expect(err).NotTo(HaveOccurred())
	h.Expect(again.Data.Equal(waiting.Data)).To(BeTrue())
	h.Expect(again.Waiting).To(Equal(waiting.Waiting))

	h.request.Update = true
	updated, err := revision.Propose(h.request, h.unread)
	h.Expect(err).NotTo(HaveOccurred())
	h.Expect(updated.Waiting).To(BeEmpty())
	h.Expect(images(updated.Data)).To(HaveKeyWithValue("gateway", "wrapper:2 with the field"))
	h.keep(updated.Data)

	// The next operator has another image, and knows what this one reads.
	h.request.Update, h.request.Images = false, revision.Images{Wrapper: "wrapper:3", WrapperFormat: 2}
	next, err := revision.Propose(h.request, h.unread)
	h.Expect(err).NotTo(HaveOccurred())
	h.Expect(next.Waiting).To(BeEmpty())
	h.Expect(next.Data.Equal(updated.Data)).To(BeTrue())
}

func TestAnImageOfTheSameNameReadsWhatTheOperatorsReads(t *testing.T) {
	h := newHistory(t)
	h.propose()
	h.request.Images.WrapperFormat = 1
	h.request.Inputs.Spec.Version = "v2"
	p, err := revision.Propose(h.request, h.unread)
	h.Expect(err).NotTo(HaveOccurred())
	h.Expect(p.Waiting).To(BeEmpty())
	h.Expect(p.Data.Inputs.Images.WrapperFormat).To(Equal(1))
}

// Images of an operator that recorded no format may read the field: their pods have run with it since before the upgrade.
func TestAnUpgradeOfTheOperatorLeavesAFieldThatIsInUse(t *testing.T) {
	h := newHistory(t)
	h.request.Inputs.Spec.Version = "v2"
	before, err := revision.Propose(h.request, func(in revision.Inputs) (map[string]revision.Rendering, error) {
		in.Images.WrapperFormat = 1 // it knew no format
		return h.unread(in)
	})
	h.Expect(err).NotTo(HaveOccurred())
	h.keep(before.Data)

	h.request.Images = revision.Images{Wrapper: "wrapper:2", WrapperFormat: 1}
	upgraded, err := revision.Propose(h.request, h.unread)
	h.Expect(err).NotTo(HaveOccurred())
	h.Expect(upgraded.Waiting).To(BeEmpty())
	h.Expect(upgraded.Data.Equal(before.Data)).To(BeTrue())
	h.Expect(upgraded.Data.Components["gateway"].Carried).To(BeFalse())
	h.Expect(upgraded.Outdated).To(Equal([]string{"gateway"}))
	h.Expect(upgraded.Unsure).To(Equal(map[string][]string{"gateway": {"spec.field"}}))
	h.keep(upgraded.Data)

	// What is rendered otherwise waits. The change is not lost.
	h.code.version = "-2"
	h.request.Inputs.Facts.ShareSecretHash = "secret2"
	other, err := revision.Propose(h.request, h.unread)
	h.Expect(err).NotTo(HaveOccurred())
	h.Expect(other.Waiting).To(BeEmpty(), "the gateway does not have the secret")
	h.Expect(images(other.Data)).To(HaveKeyWithValue("msg", "secret2-2"))

	h.request.Update = true
	updated, err := revision.Propose(h.request, h.unread)
	h.Expect(err).NotTo(HaveOccurred())
	h.Expect(updated.Waiting).To(BeEmpty())
	h.Expect(updated.Unsure).To(BeEmpty())
	h.Expect(images(updated.Data)).To(HaveKeyWithValue("gateway", "wrapper:2 with the field"))
}
