package controllers_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/revision"
)

// recordings reads what an earlier version of the operator had made, by namespace.
func recordings(file string) map[string]recording {
	GinkgoHelper()
	packed, err := os.Open(file)
	Expect(err).NotTo(HaveOccurred())
	defer packed.Close()
	text, err := gzip.NewReader(packed)
	Expect(err).NotTo(HaveOccurred())
	var all []recording
	Expect(json.NewDecoder(text).Decode(&all)).To(Succeed())
	found := map[string]recording{}
	for _, one := range all {
		found[one.Namespace] = one
	}
	return found
}

// load makes the objects of a recording again, with the managed fields and the status that they had. Only UIDs are others, as are the
// references to them.
func (w testEnv) load(r recording) {
	GinkgoHelper()
	uids := map[string]string{} // by the recorded ones
	for _, recorded := range r.Objects {
		object := replaced(recorded, uids)
		managed, was := object.GetManagedFields(), string(object.GetUID())
		object.SetManagedFields(nil)
		object.SetUID("")
		object.SetResourceVersion("")
		unstructured.RemoveNestedField(object.Object, "spec", "clusterIP")
		unstructured.RemoveNestedField(object.Object, "spec", "clusterIPs")
		if service, _, _ := unstructured.NestedString(recorded.Object, "spec", "clusterIP"); service == corev1.ClusterIPNone {
			Expect(unstructured.SetNestedField(object.Object, service, "spec", "clusterIP")).To(Succeed())
		}
		w.create(object)
		uids[was] = string(object.GetUID())
		patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"managedFields": managed}})
		Expect(err).NotTo(HaveOccurred())
		Expect(k8s.Patch(w.ctx, object, client.RawPatch(types.MergePatchType, patch))).To(Succeed()) // who creates owns all fields
	}
	for _, recorded := range r.Objects { // the status last: it names the UIDs of Secrets
		if recorded.GetKind() == "OpenIMStack" {
			status := replaced(recorded, uids).Object["status"]
			object := &unstructured.Unstructured{}
			object.SetGroupVersionKind(recorded.GroupVersionKind())
			Expect(w.get(recorded.GetName(), object)).To(Succeed())
			object.Object["status"] = status
			Expect(k8s.Status().Update(w.ctx, object, client.FieldOwner("openim-operator"))).To(Succeed())
		}
	}
}

// replaced returns a copy of an object with other texts.
func replaced(object unstructured.Unstructured, texts map[string]string) *unstructured.Unstructured {
	GinkgoHelper()
	text, err := object.MarshalJSON()
	Expect(err).NotTo(HaveOccurred())
	for was, is := range texts {
		text = bytes.ReplaceAll(text, []byte(was), []byte(is))
	}
	copied := &unstructured.Unstructured{}
	Expect(copied.UnmarshalJSON(text)).To(Succeed())
	return copied
}

// annotationEarlier is in templates as no operator renders them.
const annotationEarlier = "example.com/earlier"

// renderedOtherwise changes a recording so that its templates are others than the present operator renders from the same inputs: until a
// renderer changes, the present templates are those of earlier versions, and a template that is not kept goes unnoticed.
func renderedOtherwise(r recording) recording {
	GinkgoHelper()
	texts := map[string]string{} // hashes of templates and names of revisions
	for i := range r.Objects {
		object := r.Objects[i].Object
		switch r.Objects[i].GetKind() {
		case "Deployment":
			Expect(unstructured.SetNestedField(object, "yes", "spec", "template", "metadata", "annotations", annotationEarlier)).To(Succeed())
		case "ControllerRevision":
			if r.Objects[i].GetLabels()[v1alpha1.LabelRevision] != v1alpha1.RevisionRun {
				continue
			}
			text, err := json.Marshal(object["data"])
			Expect(err).NotTo(HaveOccurred())
			d, err := revision.Decode(text)
			Expect(err).NotTo(HaveOccurred())
			for name, c := range d.Components {
				c.Template.Annotations[annotationEarlier] = "yes"
				hash, err := revision.TemplateHash(c.Template)
				Expect(err).NotTo(HaveOccurred())
				texts[c.Hash], c.Hash = hash, hash
				c.Template.Annotations[v1alpha1.AnnotationTemplate] = hash
				d.Components[name] = c
			}
			hash, err := d.Hash()
			Expect(err).NotTo(HaveOccurred())
			texts[r.Objects[i].GetName()] = revision.Name("chat", hash)
			text, err = revision.Encode(d)
			Expect(err).NotTo(HaveOccurred())
			var data map[string]any
			Expect(json.Unmarshal(text, &data)).To(Succeed())
			object["data"] = data
		}
	}
	for i := range r.Objects {
		r.Objects[i] = *replaced(r.Objects[i], texts)
	}
	return r
}

// deployedTemplates returns the pod templates of the Deployments, as JSON by component.
func (w testEnv) deployedTemplates(stack string) map[string]string {
	GinkgoHelper()
	found := map[string]string{}
	for _, d := range w.deployments(stack) {
		text, err := json.Marshal(d.Spec.Template)
		Expect(err).NotTo(HaveOccurred())
		found[d.Labels[v1alpha1.LabelComponent]] = string(text)
	}
	return found
}

// runNames returns the names of the stack's run revisions, in their order.
func (w testEnv) runNames() []string {
	GinkgoHelper()
	var names []string
	for _, r := range w.runRevisions() {
		names = append(names, r.Name)
	}
	slices.Sort(names)
	return names
}

// What an earlier version of the operator made of stacks, read by the present version.
var _ = Describe("An upgrade of the operator", func() {
	files, err := filepath.Glob(filepath.Join("testdata", "earlier", "*"+recordingSuffix))
	if err != nil || len(files) == 0 {
		panic("testdata/earlier has no recording")
	}
	for _, file := range files {
		for _, stack := range recordedStacks {
			namespace := recordedNamespace(file, stack)
			It("changes no pod template: "+namespace, func(ctx context.Context) {
				r, ok := recordings(file)[namespace]
				Expect(ok).To(BeTrue(), "the recording lacks it")
				if stack == "rotated" {
					r = renderedOtherwise(r)
				}
				w := newNamespace(context.WithoutCancel(ctx), metav1.ObjectMeta{Name: namespace})
				w.load(r)
				w.changesNothing()
				if stack == "full" {
					w.waitsForItsImages()
					return
				}
				w.livesOn()
			})
		}
	}
})

// changesNothing starts an operator beside what an earlier one made, and expects that all of it stays.
func (w testEnv) changesNothing() {
	GinkgoHelper()
	Eventually(func() bool { w.beReady(); return w.allComplete("chat") }).Should(BeTrue())
	loaded := w.status("chat")
	Expect(loaded.CurrentRevision).NotTo(BeEmpty(), "the recording has the status")
	Expect(w.condition("chat", v1alpha1.ConditionReady).Status).To(Equal(metav1.ConditionTrue))
	templates, sets, runs, counts := w.deployedTemplates("chat"), w.replicaSets(), w.runNames(), w.templates()
	Expect(templates).To(HaveLen(14))
	Expect(runs).To(ContainElement(loaded.CurrentRevision))
	var secrets corev1.SecretList
	Expect(k8s.List(w.ctx, &secrets, client.InNamespace(w.namespace))).To(Succeed())

	// Its own image of the wrapper is another one, so that the condition shows that it has compared all templates.
	o := startWith(operatorSetting{wrapper: "openimstack/openim-wrapper:next"})
	Eventually(func() *metav1.Condition { return w.condition("chat", v1alpha1.ConditionUpdateAvailable) }).ShouldNot(BeNil())
	w.rolledOut("chat")
	o.waitIdle("1s", w.namespace)
	w.rolledOut("chat")

	Expect(w.deployedTemplates("chat")).To(Equal(templates))
	Expect(w.replicaSets()).To(Equal(sets))
	Expect(w.templates()).To(Equal(counts))
	Expect(w.runNames()).To(ContainElements(runs))
	now := w.status("chat")
	Expect(now.CurrentRevision).To(Equal(loaded.CurrentRevision))
	Expect(now.UpdateRevision).To(Equal(loaded.UpdateRevision))
	Expect(now.LoginKeys).To(Equal(loaded.LoginKeys))
	for _, secret := range secrets.Items {
		var same corev1.Secret
		Expect(w.get(secret.Name, &same)).To(Succeed())
		Expect(same.ResourceVersion).To(Equal(secret.ResourceVersion), "%s was written", secret.Name)
	}
}

// livesOn expects that a change of the spec reaches the components that it is about, and a request all others.
func (w testEnv) livesOn() {
	GinkgoHelper()
	w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Version = newer })
	w.rolledOut("chat")
	Expect(w.at("chat", newer)).To(HaveLen(12))
	Expect(w.at("chat", "openim-wrapper:next")).To(BeEmpty())
	w.annotate("chat", v1alpha1.AnnotationUpdate, "now")
	Eventually(func() []string { w.beReady(); return w.at("chat", "openim-wrapper:next") }).Should(HaveLen(2))
	w.rolledOut("chat")
	Eventually(func() *metav1.Condition { return w.condition("chat", v1alpha1.ConditionUpdateAvailable) }).Should(BeNil())
	Expect(strings.Join(slices.Collect(maps.Values(w.deployedTemplates("chat"))), "")).NotTo(ContainSubstring(annotationEarlier))
}

// waitsForItsImages expects that fields which the images of the earlier version do not read wait for a request, while all else follows the
// spec.
func (w testEnv) waitsForItsImages() {
	GinkgoHelper()
	templates := w.deployedTemplates("chat")
	w.change("chat", ruled("identity.platformID != 4"), func(s *v1alpha1.OpenIMStackSpec) {
		s.Wrapper.Redis.Mode = v1alpha1.RedisCluster
		s.Settings = &v1alpha1.Settings{MultiLogin: &v1alpha1.MultiLogin{
			Policy: v1alpha1.MultiLoginOnePerClass, Enforcement: v1alpha1.EnforcementReport,
		}}
	})
	Expect(w.says("chat", v1alpha1.ConditionSettingsAccepted, metav1.ConditionFalse, v1alpha1.ReasonUpdateRequired)).To(And(
		ContainSubstring("spec.settings.multiLogin: the images of backend, gateway are those of an earlier operator"),
		ContainSubstring("spec.wrapper.redis.mode: the images of backend, gateway are"),
		ContainSubstring("set the annotation openimstack.dev/update-at"),
	))
	Eventually(func() string { return w.hot("chat") }).Should(ContainSubstring("!= 4"), "rules follow the spec in an emergency")
	Expect(w.hot("chat")).NotTo(ContainSubstring("multiLogin"), "the earlier gateway would refuse the whole file")
	Expect(w.deployedTemplates("chat")).To(Equal(templates))
	w.change("chat", ruled("identity.platformID != 3"))
	Eventually(func() string { return w.hot("chat") }).Should(ContainSubstring("!= 3"))

	w.annotate("chat", v1alpha1.AnnotationUpdate, "now")
	Eventually(func() []string { w.beReady(); return w.at("chat", "openim-wrapper:next") }).Should(HaveLen(2))
	w.rolledOut("chat")
	w.says("chat", v1alpha1.ConditionSettingsAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
	Eventually(func() string { return w.hot("chat") }).Should(ContainSubstring("OnePerClass"))
	Expect(w.configOf("chat", "backend")["config.yaml"]).To(ContainSubstring("cluster: true"))
	w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Version = newer })
	w.rolledOut("chat")
	Expect(w.at("chat", newer)).To(HaveLen(12))
	Expect(w.hot("chat")).To(ContainSubstring("OnePerClass"))
}
