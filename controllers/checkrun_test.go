package controllers_test

import (
	"context"
	"regexp"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/supervisor/termination"
)

// The check of OpenIM before and after the waves of an upgrade.
var _ = Describe("The check of OpenIM", func() {
	var w testEnv
	BeforeEach(func(ctx context.Context) {
		w = newTestEnv(context.WithoutCancel(ctx))
		startOperator()
		w.start("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Upgrade = nil })
		w.eventuallyReady("chat")
	})

	// answer acts as the kubelet: the pod of the check ends with a message, or passes without one.
	answer := func(message string) {
		GinkgoHelper()
		Eventually(func(g Gomega) {
			var check appsv1.Deployment
			g.Expect(w.get("chat-check", &check)).To(Succeed())
			answered := false
			var pods corev1.PodList
			g.Expect(k8s.List(w.ctx, &pods, client.InNamespace(w.namespace), client.MatchingLabels{v1alpha1.LabelComponent: "check"})).To(Succeed())
			for i := range pods.Items {
				pod := &pods.Items[i]
				of := pod.Annotations[v1alpha1.AnnotationCheck]
				answered = answered || of == check.Spec.Template.Annotations[v1alpha1.AnnotationCheck] && pod.DeletionTimestamp == nil
				if pod.DeletionTimestamp != nil {
					w.makeReady(pod)
					continue
				}
				patch := client.MergeFrom(pod.DeepCopy())
				ended := &corev1.ContainerStateTerminated{ContainerID: "containerd://1"}
				if message != "" {
					text, err := termination.Check{Failed: message}.Encode()
					g.Expect(err).NotTo(HaveOccurred())
					ended.ExitCode, ended.Message = 1, string(text)
				}
				pod.Status.InitContainerStatuses = []corev1.ContainerStatus{{
					Name: v1alpha1.ComponentCheck, Image: pod.Spec.InitContainers[0].Image, ImageID: "1", State: corev1.ContainerState{Terminated: ended},
				}}
				g.Expect(k8s.Status().Patch(w.ctx, pod, patch)).To(Succeed())
			}
			g.Expect(answered).To(BeTrue(), "the pod of this run")
		}).Should(Succeed())
	}
	check := func() error { return w.get("chat-check", &appsv1.Deployment{}) }
	upgrade := func() { w.edit("chat", func(s *v1alpha1.OpenIMStack) { s.Spec.Version = newer }) }
	// reach makes pods ready until the check after a wave is asked for.
	reach := func(wave int32) {
		GinkgoHelper()
		Eventually(func(g Gomega) {
			w.onlyReady(openIMOf(int(wave)))
			r := w.status("chat").Rollout
			g.Expect(r).NotTo(BeNil())
			g.Expect(r.Check).NotTo(BeNil())
			g.Expect(*r.Check).To(And(HaveField("Wave", wave), HaveField("State", v1alpha1.CheckRunning)))
		}).Should(Succeed())
	}

	It("is made before the first and after each wave, and leaves nothing behind", func() {
		Expect(apierrors.IsNotFound(check())).To(BeTrue(), "at rest it has no Deployment")
		upgrade()
		var reached []string
		for wave := int32(0); wave <= 3; wave++ {
			reached = append(reached, openIMOf(int(wave))...)
			reach(wave)
			Eventually(check).Should(Succeed())
			if wave == 0 { // a message that differs alone is written after up to 30 s
				Eventually(func() string { return w.condition("chat", v1alpha1.ConditionRolledOut).Message }).
					Should(ContainSubstring("waiting for check"))
			}
			for _, changed := range w.at("chat", newer) {
				Expect(reached).To(ContainElement(changed), "no component of a later wave changes before")
			}
			answer("")
		}
		w.eventuallyReady("chat")
		Eventually(func() bool { w.beReady(); return w.status("chat").Rollout == nil }).Should(BeTrue())
		Expect(w.at("chat", newer)).To(HaveLen(12))
		Eventually(check).Should(MatchError(apierrors.IsNotFound, "IsNotFound"))
		Eventually(func() int { w.beReady(); return len(w.podsOf("chat", "check")) }).Should(BeZero())
		Eventually(func() map[string]bool { return w.configMaps("chat") }).ShouldNot(HaveKey(HavePrefix("chat-check-")))
	})

	It("holds the rollout with what it found, and goes on after a retry", func() {
		upgrade()
		reach(0)
		answer("")
		reach(1)
		answer("/user/user_register: the route does not exist")
		Eventually(func() *metav1.Condition { return w.condition("chat", v1alpha1.ConditionRolledOut) }).Should(And(
			HaveField("Reason", v1alpha1.ReasonHeld),
			HaveField("Message", ContainSubstring("check: CheckFailed: /user/user_register: the route does not exist"))))
		Eventually(func() *metav1.Condition { return w.condition("chat", v1alpha1.ConditionStalled) }).
			Should(HaveField("Status", metav1.ConditionTrue))
		Eventually(check).Should(MatchError(apierrors.IsNotFound, "IsNotFound"))
		Expect(w.at("chat", newer)).To(ConsistOf(openIMOf(1)))
		w.annotate("chat", v1alpha1.AnnotationRetryRollout, "1")
		for wave := int32(1); wave <= 3; wave++ {
			reach(wave)
			answer("")
		}
		w.eventuallyReady("chat")
		Eventually(func() bool { w.beReady(); return w.status("chat").Rollout == nil }).Should(BeTrue())
	})

	It("does not gate when it fails before the first wave, and says so", func() {
		upgrade()
		reach(0)
		answer("token: compare share.secret")
		Eventually(func() []string { return w.at("chat", newer) }).Should(ConsistOf(openIMOf(1)))
		Eventually(func() string { return w.condition("chat", v1alpha1.ConditionRolledOut).Message }).
			Should(ContainSubstring("OpenIM is not checked, because a check already failed before the first wave: token: compare share.secret"))
		Eventually(w.events).Should(ContainElement(And(
			HavePrefix("CheckFailed: "), HaveSuffix("a check already failed before the first wave: token: compare share.secret"))))
		Eventually(func() bool { w.beReady(); return w.status("chat").Rollout == nil }).Should(BeTrue())
	})

	It("asks for the routes of the release that the api runs at that time", func() {
		asked := func() string { return w.configOf("chat", "check")["config.yaml"] }
		w.edit("chat", func(s *v1alpha1.OpenIMStack) { letUsersIn(&s.Spec) })
		w.rolledOut("chat")
		upgrade()
		for wave := int32(0); wave <= 3; wave++ {
			reach(wave)
			release := "v3.8.3"
			if wave == 3 { // the wave of the api
				release = newer
			}
			Eventually(asked).Should(MatchRegexp(`(?m)^  release: `+regexp.QuoteMeta(release)+`$`), "after wave %d", wave)
			answer("")
		}
	})

	It("is held with the reason when its Deployment is refused, and goes on when the name is free", func() {
		labels := map[string]string{"app": "foreign"}
		foreign := &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Name: "chat-check", Namespace: w.namespace},
			Spec: appsv1.DeploymentSpec{
				Selector: &metav1.LabelSelector{MatchLabels: labels}, Replicas: ptrTo[int32](0),
				Template: corev1.PodTemplateSpec{
					ObjectMeta: metav1.ObjectMeta{Labels: labels},
					Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "x", Image: "x"}}},
				},
			},
		}
		w.create(foreign)
		upgrade()
		Eventually(func() *metav1.Condition { return w.condition("chat", v1alpha1.ConditionRolledOut) }).Should(And(
			HaveField("Reason", v1alpha1.ReasonHeld), HaveField("Message", ContainSubstring("check: NameConflict"))))
		Expect(w.at("chat", newer)).To(BeEmpty())
		Expect(k8s.Delete(w.ctx, foreign)).To(Succeed())
		w.annotate("chat", v1alpha1.AnnotationRetryRollout, "1")
		reach(0)
		answer("")
		Eventually(func() []string { return w.at("chat", newer) }).Should(ConsistOf(openIMOf(1)))
	})

	It("says at once why its pod does not run", func() {
		upgrade()
		reach(0)
		Eventually(func(g Gomega) {
			var pods corev1.PodList
			g.Expect(k8s.List(w.ctx, &pods, client.InNamespace(w.namespace), client.MatchingLabels{v1alpha1.LabelComponent: "check"})).To(Succeed())
			g.Expect(pods.Items).NotTo(BeEmpty())
			pod := &pods.Items[0]
			patch := client.MergeFrom(pod.DeepCopy())
			pod.Status.InitContainerStatuses = []corev1.ContainerStatus{{
				Name: v1alpha1.ComponentCheck, Image: pod.Spec.InitContainers[0].Image,
				State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull"}},
			}}
			g.Expect(k8s.Status().Patch(w.ctx, pod, patch)).To(Succeed())
		}).Should(Succeed())
		for _, kind := range []string{v1alpha1.ConditionRolledOut, v1alpha1.ConditionReady} {
			Eventually(func() string { return w.condition("chat", kind).Message }, "10s").
				Should(MatchRegexp(`waiting for check \(image .* cannot be pulled`), kind)
		}
		answer("")
		Eventually(func() []string { return w.at("chat", newer) }).Should(ConsistOf(openIMOf(1)))
		Expect(w.status("chat").Rollout.Check.Message).To(BeEmpty())
	})

	It("ends when the spec wants none", func() {
		upgrade()
		reach(0)
		Eventually(check).Should(Succeed())
		w.edit("chat", func(s *v1alpha1.OpenIMStack) { s.Spec.Upgrade = unchecked() })
		Eventually(check).Should(MatchError(apierrors.IsNotFound, "IsNotFound"))
		Eventually(func() []string { return w.at("chat", newer) }).Should(ConsistOf(openIMOf(1)))
		Eventually(func() bool { w.beReady(); return w.status("chat").Rollout == nil }).Should(BeTrue())
	})
})
