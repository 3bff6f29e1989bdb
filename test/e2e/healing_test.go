//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/setup"
	"github.com/openimstack/openim-operator/openim"
)

// child reads an object of the suite's stack.
func child[T client.Object](ctx SpecContext, object T, component string) T {
	GinkgoHelper()
	key := client.ObjectKey{Namespace: stack.Namespace, Name: v1alpha1.ChildName(stack.Name, component)}
	Expect(environment.Cluster.Get(ctx, key, object)).To(Succeed())
	return object
}

// configMap reads the ConfigMap of a component's pods.
func configMap(ctx SpecContext, component string) *corev1.ConfigMap {
	GinkgoHelper()
	for _, volume := range child(ctx, &appsv1.Deployment{}, component).Spec.Template.Spec.Volumes {
		if volume.ConfigMap != nil {
			found := &corev1.ConfigMap{}
			Expect(environment.Cluster.Get(ctx, client.ObjectKey{Namespace: stack.Namespace, Name: volume.ConfigMap.Name}, found)).To(Succeed())
			return found
		}
	}
	Fail(component + " mounts no ConfigMap")
	return nil
}

// back deletes an object and waits until it is restored with another UID and the same content.
func back[T client.Object](ctx SpecContext, was T, same func(was, is T) bool) {
	GinkgoHelper()
	began := time.Now()
	Expect(environment.Cluster.Delete(ctx, was)).To(Succeed())
	Eventually(ctx, func(g Gomega) {
		is := was.DeepCopyObject().(T)
		g.Expect(environment.Cluster.Get(ctx, client.ObjectKeyFromObject(was), is)).To(Succeed())
		g.Expect(is.GetUID()).NotTo(Equal(was.GetUID()))
		g.Expect(same(was, is)).To(BeTrue(), "it is restored with other content")
	}).WithTimeout(soon).Should(Succeed())
	AddReportEntry("back after", time.Since(began).Round(10*time.Millisecond).String())
}

// corrected edits an object and waits until the edit is undone.
func corrected[T client.Object](ctx SpecContext, was T, edit func(T), same func(was, is T) bool) {
	GinkgoHelper()
	edited := was.DeepCopyObject().(T)
	edit(edited)
	began := time.Now()
	Expect(environment.Cluster.Patch(ctx, edited, client.MergeFrom(was))).To(Succeed())
	Expect(same(was, edited)).To(BeFalse(), "the edit took effect")
	Eventually(ctx, func(g Gomega) {
		is := was.DeepCopyObject().(T)
		g.Expect(environment.Cluster.Get(ctx, client.ObjectKeyFromObject(was), is)).To(Succeed())
		g.Expect(same(was, is)).To(BeTrue(), "the edit is still there")
	}).WithTimeout(soon).Should(Succeed())
	AddReportEntry("corrected after", time.Since(began).Round(10*time.Millisecond).String())
}

func samePolicy(was, is *networkingv1.NetworkPolicy) bool { return equal(was.Spec, is.Spec) }

func sameService(was, is *corev1.Service) bool {
	return equal(was.Spec.Ports, is.Spec.Ports) && equal(was.Spec.Selector, is.Spec.Selector) && was.Spec.Type == is.Spec.Type
}

func sameDeployment(was, is *appsv1.Deployment) bool {
	return equal(was.Spec.Template, is.Spec.Template) && equal(was.Spec.Replicas, is.Spec.Replicas)
}

func sameConfig(was, is *corev1.ConfigMap) bool { return equal(was.Data, is.Data) }

func sameAccount(was, is *corev1.ServiceAccount) bool {
	return equal(was.AutomountServiceAccountToken, is.AutomountServiceAccountToken) && equal(was.Labels, is.Labels)
}

// policies lists the policies of the suite's stack.
func policies(ctx SpecContext) []networkingv1.NetworkPolicy {
	GinkgoHelper()
	var list networkingv1.NetworkPolicyList
	Expect(
		environment.Cluster.List(ctx, &list, client.InNamespace(stack.Namespace), client.MatchingLabels{v1alpha1.LabelInstance: stack.Name}),
	).To(Succeed())
	Expect(list.Items).NotTo(BeEmpty())
	return list.Items
}

// policyOf returns a component's policy that names peers.
func policyOf(ctx SpecContext, component string) *networkingv1.NetworkPolicy {
	GinkgoHelper()
	for _, p := range policies(ctx) {
		if strings.HasPrefix(p.Name, v1alpha1.ChildName(stack.Name, component)) && len(p.Spec.Ingress) > 0 {
			return &p
		}
	}
	Fail("no policy lets anybody into " + component)
	return nil
}

// healing deletes and edits the operator's objects, and checks that they are restored.
func healing() {
	const auth, api = string(openim.RPCAuth), string(openim.API)

	It("restores every deleted NetworkPolicy", func(ctx SpecContext) {
		for _, p := range policies(ctx) {
			back(ctx, &p, samePolicy)
		}
	}, SpecTimeout(3*time.Minute))
	It("corrects a NetworkPolicy that was edited to admit all sources", func(ctx SpecContext) {
		corrected(ctx, policyOf(ctx, auth), func(p *networkingv1.NetworkPolicy) {
			p.Spec.Ingress = append(p.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{})
		}, samePolicy)
	}, SpecTimeout(time.Minute))
	It("restores a Service", func(ctx SpecContext) { back(ctx, child(ctx, &corev1.Service{}, api), sameService) }, SpecTimeout(time.Minute))
	It("corrects a Service that was opened as a NodePort", func(ctx SpecContext) {
		corrected(ctx, child(ctx, &corev1.Service{}, api), func(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeNodePort }, sameService)
	}, SpecTimeout(time.Minute))
	It(
		"restores a ServiceAccount",
		func(ctx SpecContext) { back(ctx, child(ctx, &corev1.ServiceAccount{}, auth), sameAccount) },
		SpecTimeout(time.Minute),
	)
	It("corrects a ServiceAccount that was given its token", func(ctx SpecContext) {
		corrected(
			ctx,
			child(ctx, &corev1.ServiceAccount{}, auth),
			func(a *corev1.ServiceAccount) { a.AutomountServiceAccountToken = ptr.To(true) },
			sameAccount,
		)
	}, SpecTimeout(time.Minute))
	It("restores configuration", func(ctx SpecContext) { back(ctx, configMap(ctx, auth), sameConfig) }, SpecTimeout(time.Minute))
	It("has immutable configuration", func(ctx SpecContext) {
		c := configMap(ctx, auth)
		edited := c.DeepCopy()
		for file := range edited.Data {
			edited.Data[file] += "\n# edited"
		}
		err := environment.Cluster.Patch(ctx, edited, client.MergeFrom(c))
		Expect(apierrors.IsInvalid(err)).To(BeTrue(), fmt.Sprint("immutable: ", err))
	}, SpecTimeout(time.Minute))
	It("corrects a Deployment that was given another program", func(ctx SpecContext) {
		corrected(
			ctx,
			child(ctx, &appsv1.Deployment{}, auth),
			func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Command = []string{"/bin/evil"} },
			sameDeployment,
		)
	}, SpecTimeout(time.Minute))
	It("corrects a Deployment that was scaled to nothing, when the spec names its replicas", func(ctx SpecContext) {
		d := child(ctx, &appsv1.Deployment{}, string(openim.MsgGateway))
		corrected(ctx, d, func(d *appsv1.Deployment) { d.Spec.Replicas = ptr.To[int32](0) }, sameDeployment)
	}, SpecTimeout(time.Minute))
	It(
		"restores a Deployment",
		func(ctx SpecContext) { back(ctx, child(ctx, &appsv1.Deployment{}, auth), sameDeployment) },
		SpecTimeout(time.Minute),
	)
	It("is ready, delivers and is isolated after all repairs", func(ctx SpecContext) { whole(ctx) }, SpecTimeout(5*time.Minute))
}

// whole repeats the suite's first specs in short form.
func whole(ctx SpecContext) {
	GinkgoHelper()
	ready(ctx, stack)
	deliver(ctx, "whole")
	Expect(observe(ctx, setup.TruthTable(stack)).Faults()).To(BeEmpty())
}
