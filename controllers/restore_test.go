package controllers_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/revision"
)

// restore creates an object of a recording as Velero does (pkg/restore, resetMetadata): without status, UID, version and owner references.
// One that exists stays.
func (w testEnv) restore(recorded unstructured.Unstructured) {
	GinkgoHelper()
	object := recorded.DeepCopy()
	delete(object.Object, "status")
	for _, field := range []string{"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "ownerReferences"} {
		unstructured.RemoveNestedField(object.Object, "metadata", field)
	}
	if object.GetKind() == "Service" {
		unstructured.RemoveNestedField(object.Object, "spec", "clusterIPs")
		if ip, _, _ := unstructured.NestedString(object.Object, "spec", "clusterIP"); ip != corev1.ClusterIPNone {
			unstructured.RemoveNestedField(object.Object, "spec", "clusterIP")
		}
	}
	if err := k8s.Create(w.ctx, object, client.FieldOwner("velero-server")); !apierrors.IsAlreadyExists(err) {
		Expect(err).NotTo(HaveOccurred())
	}
}

// lose deletes a stack and everything that the operator made for it, Secrets and ControllerRevisions included.
func (w testEnv) lose(stack string) {
	GinkgoHelper()
	s := w.getStack(stack)
	Expect(k8s.Delete(w.ctx, &s, client.PropagationPolicy(metav1.DeletePropagationBackground))).To(Succeed())
	ofStack := client.MatchingLabels{v1alpha1.LabelInstance: stack}
	Expect(k8s.DeleteAllOf(w.ctx, &corev1.Secret{}, client.InNamespace(w.namespace), ofStack)).To(Succeed())
	Eventually(func() int {
		w.beReady() // pods that are being deleted go
		left := len(w.childrenOf(stack)) + len(w.children(stack)) + len(w.runRevisions()) + len(w.seals())
		var sets appsv1.ReplicaSetList
		Expect(k8s.List(w.ctx, &sets, client.InNamespace(w.namespace))).To(Succeed())
		return left + len(sets.Items)
	}).Should(BeZero())
}

// Velero restores Secrets, ConfigMaps and ServiceAccounts before all other kinds.
func beforeOthers(kind string) bool {
	return kind == "Secret" || kind == "ConfigMap" || kind == "ServiceAccount"
}

var _ = Describe("A restore from a backup", func() {
	DescribeTable("brings a stack back with its keys and pod templates",
		func(ctx context.Context, stackFirst bool) {
			w := newTestEnv(context.WithoutCancel(ctx))
			startOperator()
			w.start("chat", letUsersIn)
			w.rolledOut("chat")
			w.rollsOut("chat", func() {
				var redis corev1.Secret
				w.editObject("redis", &redis, "test", func() { redis.Data["password"] = []byte("another") })
			})
			Expect(w.runRevisions()).To(HaveLen(2))
			backup, templates, keys := w.record(), w.deployedTemplates("chat"), w.getStack("chat").Status.LoginKeys
			Expect(keys).To(HaveLen(1))
			secrets := map[string]map[string][]byte{}
			for _, name := range []string{"chat-share-secret", "chat-assertion", "chat-custody", "chat-login", "chat-digest"} {
				var secret corev1.Secret
				Expect(w.get(name, &secret)).To(Succeed(), name)
				secrets[name] = secret.Data
			}
			w.lose("chat")

			restore := func(wanted func(kind string) bool) {
				GinkgoHelper()
				for _, object := range backup.Objects {
					if wanted(object.GetKind()) {
						w.restore(object)
					}
				}
			}
			isStack := func(kind string) bool { return kind == "OpenIMStack" }
			restore(beforeOthers)
			if stackFirst {
				restore(isStack)
				Eventually(func() int { return len(w.deployments("chat")) }).Should(Equal(14)) // the operator is faster than the tool
			}
			restore(func(kind string) bool { return !beforeOthers(kind) && !isStack(kind) })
			restored := w.children("chat")
			if !stackFirst {
				restore(isStack)
			}
			w.eventuallyAdopted("chat", restored)
			w.rolledOut("chat")

			owner := w.getStack("chat").UID
			for _, revisions := range [][]appsv1.ControllerRevision{w.runRevisions(), w.seals()} {
				Expect(revisions).NotTo(BeEmpty())
				for _, r := range revisions {
					Expect(metav1.GetControllerOf(&r)).To(HaveValue(HaveField("UID", owner)), r.Name)
				}
			}
			now := w.deployedTemplates("chat")
			for component, template := range templates {
				Expect(now[component]).To(MatchJSON(template), component)
			}
			for name, count := range w.templates() {
				Expect(count).To(BeNumerically("<=", 2), "%s: as many templates as before", name)
			}
			Expect(w.getStack("chat").Status.LoginKeys).To(Equal(keys), "clients have pinned the key")
			for name, data := range secrets {
				var secret corev1.Secret
				Expect(w.get(name, &secret)).To(Succeed())
				Expect(secret.Data).To(Equal(data), name)
			}
			Expect(w.condition("chat", v1alpha1.ConditionStalled)).To(BeNil())

			w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Version = newer }) // life after
			w.rolledOut("chat")
			Expect(w.at("chat", newer)).To(HaveLen(12))
		},
		Entry("when its children come first", false),
		Entry("when the stack comes before its Deployments and revisions", true),
	)

	It("takes over no revision whose templates are not those of its hashes", func(ctx context.Context) {
		w := newTestEnv(context.WithoutCancel(ctx))
		startOperator()
		w.start("chat")
		w.rolledOut("chat")
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Version = newer })
		w.rolledOut("chat")
		next := w.status("chat").CurrentRevision
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Version = "v3.8.3" })
		w.rolledOut("chat")

		// write replaces a revision by one with other templates and without a controller.
		write := func(name, image string, consistent bool) string {
			GinkgoHelper()
			var was appsv1.ControllerRevision
			Expect(w.get(name, &was)).To(Succeed())
			d, err := revision.Read(&was, "chat")
			Expect(err).NotTo(HaveOccurred())
			for component, c := range d.Components {
				c.Template.Spec.Containers[0].Image = image
				if consistent {
					c.Hash, err = revision.TemplateHash(c.Template)
					Expect(err).NotTo(HaveOccurred())
				}
				d.Components[component] = c
			}
			hash, err := d.Hash()
			Expect(err).NotTo(HaveOccurred())
			text, err := revision.Encode(d)
			Expect(err).NotTo(HaveOccurred())
			if !consistent {
				Expect(k8s.Delete(w.ctx, &was)).To(Succeed())
			}
			w.create(&appsv1.ControllerRevision{
				ObjectMeta: metav1.ObjectMeta{Name: revision.Name("chat", hash), Namespace: w.namespace, Labels: was.Labels},
				Data:       runtime.RawExtension{Raw: text}, Revision: 1,
			})
			return revision.Name("chat", hash)
		}
		controller := func(name string) *metav1.OwnerReference {
			GinkgoHelper()
			var r appsv1.ControllerRevision
			Expect(w.get(name, &r)).To(Succeed())
			return metav1.GetControllerOf(&r)
		}
		Expect(write(next, "example.com/other:1", false)).To(Equal(next))
		backup := write(w.status("chat").CurrentRevision, "example.com/backup:1", true)
		Eventually(func() *metav1.OwnerReference { return controller(backup) }).ShouldNot(BeNil(), "a part of a backup")
		Expect(controller(next)).To(BeNil())
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Version = newer })
		w.rolledOut("chat")
		Expect(w.at("chat", newer)).To(HaveLen(12), "the operator's own templates")
		Expect(w.status("chat").CurrentRevision).To(Equal(next))
		Expect(controller(next)).NotTo(BeNil(), "replaced")
	})
})
