package controllers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// adoptable returns the children of a stack of one kind, in the order of their names.
func (w testEnv) adoptable(stack string, list client.ObjectList) []client.Object {
	GinkgoHelper()
	Expect(k8s.List(w.ctx, list, client.InNamespace(w.namespace), client.MatchingLabels{v1alpha1.LabelInstance: stack,
		v1alpha1.LabelManagedBy: v1alpha1.ManagedBy})).To(Succeed())
	var found []client.Object
	Expect(apimeta.EachListItem(list, func(item runtime.Object) error {
		found = append(found, item.DeepCopyObject().(client.Object))
		return nil
	})).To(Succeed())
	return found
}

func ownedLists() []client.ObjectList {
	return []client.ObjectList{
		&networkingv1.NetworkPolicyList{}, &corev1.ServiceAccountList{}, &corev1.ConfigMapList{}, &corev1.ServiceList{},
		&appsv1.DeploymentList{}, &policyv1.PodDisruptionBudgetList{}, &networkingv1.IngressList{},
		&autoscalingv2.HorizontalPodAutoscalerList{},
	}
}

// children returns the children of all owned kinds, by kind and name.
func (w testEnv) children(stack string) map[string]client.Object {
	GinkgoHelper()
	all := map[string]client.Object{}
	for _, list := range ownedLists() {
		for _, object := range w.adoptable(stack, list) {
			all[fmt.Sprintf("%T %s", object, object.GetName())] = object
		}
	}
	return all
}

// withHistory returns the children of all owned kinds and the ControllerRevisions, by kind and name.
func (w testEnv) withHistory(stack string) map[string]client.Object {
	GinkgoHelper()
	found := w.children(stack)
	for _, revisions := range [][]appsv1.ControllerRevision{w.runRevisions(), w.seals()} {
		for i := range revisions {
			found[fmt.Sprintf("%T %s", &revisions[i], revisions[i].Name)] = &revisions[i]
		}
	}
	return found
}

// deleteAlone deletes a stack and orphans its children, as `kubectl delete --cascade=orphan` does.
func (w testEnv) deleteAlone(stack string) {
	GinkgoHelper()
	s := w.getStack(stack)
	Expect(k8s.Delete(w.ctx, &s, client.PropagationPolicy(metav1.DeletePropagationOrphan))).To(Succeed())
	Eventually(func() bool { return apierrors.IsNotFound(w.get(stack, &v1alpha1.OpenIMStack{})) }).Should(BeTrue())
}

// touch makes the operator reconcile a stack.
func (w testEnv) touch(stack string) {
	GinkgoHelper()
	value := time.Now().Format(time.RFC3339Nano)
	patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"example.com/touched":"`+value+`"}}}`))
	Expect(k8s.Patch(w.ctx, &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: stack}}, patch)).To(Succeed())
}

// eventuallyAdopted waits until the stack controls all of the objects, which are the same ones as before.
func (w testEnv) eventuallyAdopted(stack string, before map[string]client.Object) {
	GinkgoHelper()
	owner := w.getStack(stack).UID
	Eventually(func(g Gomega) {
		now := w.children(stack)
		for name, object := range before {
			g.Expect(now).To(HaveKey(name))
			g.Expect(now[name].GetUID()).To(Equal(object.GetUID()), "%s was made anew", name)
			controller := metav1.GetControllerOf(now[name])
			g.Expect(controller).NotTo(BeNil(), "%s has no controller", name)
			g.Expect(controller.UID).To(Equal(owner), name)
		}
	}).Should(Succeed())
}

var _ = Describe("Adoption", func() {
	var w testEnv

	BeforeEach(func(ctx context.Context) {
		w = newTestEnv(context.WithoutCancel(ctx))
		startOperator()
	})

	It("a stack that was deleted without its children and created again takes them over, and uses its Secrets", func() {
		w.start("chat", letUsersIn)
		w.eventuallyReady("chat")
		before, keys := w.children("chat"), w.getStack("chat").Status.LoginKeys
		Expect(keys).To(HaveLen(1))
		secrets := map[string]corev1.Secret{}
		names := []string{"chat-share-secret", "chat-assertion", "chat-custody", "chat-login"}
		w.deleteAlone("chat")
		Eventually(func(g Gomega) { // a write that was under way names the stack once more, until the garbage collector takes that away
			for name, object := range w.children("chat") {
				g.Expect(metav1.GetControllerOf(object)).To(BeNil(), name)
			}
		}).Should(Succeed())
		for _, name := range names {
			var secret corev1.Secret
			Expect(w.get(name, &secret)).To(Succeed())
			secrets[name] = secret
		}

		w.start("chat", letUsersIn)
		w.eventuallyAdopted("chat", before)
		w.eventuallyReady("chat")
		for _, name := range names {
			var secret corev1.Secret
			Expect(w.get(name, &secret)).To(Succeed())
			Expect(secret.ResourceVersion).To(Equal(secrets[name].ResourceVersion), "%s was written", name)
		}
		Expect(w.getStack("chat").Status.LoginKeys).To(Equal(keys), "clients have pinned the key")
		Expect(w.condition("chat", v1alpha1.ConditionStalled)).To(BeNil())

		stack := w.getStack("chat")
		Expect(k8s.Delete(w.ctx, &stack, client.PropagationPolicy(metav1.DeletePropagationBackground))).To(Succeed())
		Eventually(func() []string {
			w.childrenOf("chat")
			var left []string
			for name := range w.children("chat") {
				left = append(left, name)
			}
			return left
		}).Should(BeEmpty(), "adopted children go with the stack")
	})

	It("a restore that lost the owner references, or kept those to a stack that is gone, is put right, for every kind", func() {
		w.start("chat", letUsersIn, expose(byIngress(v1alpha1.ListenerUsers, "im.example.com")), autoscaled(scaledTo("openim", 3)))
		w.eventuallyReady("chat")
		before := w.children("chat")
		for _, object := range before {
			object.SetOwnerReferences(nil)
			patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"ownerReferences":null}}`))
			Expect(k8s.Patch(w.ctx, object, patch, client.FieldOwner("velero-server"))).To(Succeed())
		}
		w.eventuallyAdopted("chat", before)
		w.eventuallyReady("chat")

		// The garbage collector deletes what has no living owner, and the operator takes over what it still finds. Whoever is first, the
		// stack has every child again, and as its own.
		w.rolledOut("chat")
		before, templates := w.withHistory("chat"), w.deployedTemplates("chat")
		kinds := map[string]bool{}
		for name := range before {
			kind, _, _ := strings.Cut(name, " ")
			kinds[kind] = true
		}
		Expect(kinds).To(HaveLen(len(ownedLists())+1), "children of every kind")
		dead, err := json.Marshal(map[string]any{"metadata": map[string]any{"ownerReferences": []metav1.OwnerReference{{
			APIVersion: v1alpha1.GroupVersion.String(), Kind: "OpenIMStack", Name: "chat", UID: "11111111-2222-3333-4444-555555555555",
			Controller: ptrTo(true), BlockOwnerDeletion: ptrTo(true),
		}}}})
		Expect(err).NotTo(HaveOccurred())
		for name, object := range before {
			err := k8s.Patch(w.ctx, object, client.RawPatch(types.MergePatchType, dead), client.FieldOwner("restore"))
			Expect(client.IgnoreNotFound(err)).To(Succeed(), name)
		}
		owner := w.getStack("chat").UID
		Eventually(func(g Gomega) {
			now := w.withHistory("chat")
			for name := range before {
				g.Expect(now).To(HaveKey(name))
				g.Expect(metav1.GetControllerOf(now[name])).To(HaveValue(HaveField("UID", owner)), name)
				g.Expect(now[name].GetDeletionTimestamp()).To(BeNil(), name)
			}
		}).Should(Succeed())
		w.rolledOut("chat")
		w.eventuallyReady("chat")
		Expect(w.condition("chat", v1alpha1.ConditionStalled)).To(BeNil())
		for component, template := range w.deployedTemplates("chat") {
			Expect(template).To(MatchJSON(templates[component]), component)
		}
	})

	It("what has another living controller, or not all labels, stays a conflict and is not touched, until that is settled", func() {
		w.start("chat", autoscaled(scaledTo("openim", 3)))
		w.eventuallyReady("chat")
		before := w.children("chat")
		w.deleteAlone("chat")

		owner := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "somebody"}}
		w.create(owner)
		owned := metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: owner.Name, UID: owner.UID, Controller: ptrTo(true)}
		damages := []func(client.Object){
			func(o client.Object) { o.SetOwnerReferences([]metav1.OwnerReference{owned}) },
			func(o client.Object) { delete(o.GetLabels(), v1alpha1.LabelPartOf) },
			func(o client.Object) { o.GetLabels()[v1alpha1.LabelInstance] = "other" },
		}
		damaged, repair := map[string]client.Object{}, map[bool][]func(){}
		for _, list := range ownedLists() {
			for i, object := range w.adoptable("chat", list) {
				if i >= len(damages) {
					break
				}
				labels := map[string]string{}
				maps.Copy(labels, object.GetLabels())
				damages[i](object)
				Expect(k8s.Update(w.ctx, object, client.FieldOwner("somebody"))).To(Succeed())
				damaged[fmt.Sprintf("%T %s", object, object.GetName())] = object
				_, policy := object.(*networkingv1.NetworkPolicy)
				repair[policy] = append(repair[policy], func() {
					GinkgoHelper()
					Expect(w.get(object.GetName(), object)).To(Succeed())
					object.SetLabels(labels)
					object.SetOwnerReferences(nil)
					Expect(k8s.Update(w.ctx, object, client.FieldOwner("somebody"))).To(Succeed())
				})
			}
		}
		Expect(damaged).To(HaveLen(21), "three of each kind")
		untouched := func(policies bool) {
			GinkgoHelper()
			for name, object := range damaged {
				if _, policy := object.(*networkingv1.NetworkPolicy); policy != policies {
					continue
				}
				now := object.DeepCopyObject().(client.Object)
				Expect(w.get(object.GetName(), now)).To(Succeed())
				Expect(now.GetOwnerReferences()).To(Equal(object.GetOwnerReferences()), name)
				Expect(now.GetLabels()).To(Equal(object.GetLabels()), name)
			}
		}

		again := w.stack("chat")
		autoscaled(scaledTo("openim", 3))(&again.Spec)
		w.create(again)
		w.says("chat", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonNameConflict)
		untouched(true)
		untouched(false)
		for _, f := range repair[true] {
			f()
		}
		w.touch("chat")
		Eventually(func(g Gomega) { // what has its labels and no controller is adopted, the rest is not
			for name, object := range w.children("chat") {
				if _, conflict := damaged[name]; !conflict {
					g.Expect(metav1.GetControllerOf(object)).NotTo(BeNil(), name)
				}
			}
		}).Should(Succeed())
		w.says("chat", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonNameConflict)
		untouched(false)

		for _, f := range repair[false] {
			f()
		}
		w.touch("chat")
		w.eventuallyAdopted("chat", before)
		w.eventuallyReady("chat")
	})
})
