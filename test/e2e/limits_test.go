//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/chat"
)

// mounted bounds how long the kubelet may take to update a mounted ConfigMap.
const mounted = 3 * time.Minute

// hotLimits lowers the limit of messages, waits until it takes effect, and restores it.
func hotLimits(ctx SpecContext) {
	before := gatewayPods(ctx)
	all := gateways(ctx)
	aliceSocket, bobSocket := socket(ctx, all[0], alice), socket(ctx, all[1], bob)
	limits := stack.Spec.Wrapper.Limits
	DeferCleanup(func(ctx SpecContext) { widen(ctx, limits) }, NodeTimeout(mounted))
	stack.Spec.Wrapper.Limits = &v1alpha1.Limits{Classes: []v1alpha1.LimitClass{
		{Name: "message", PerSecond: resource.MustParse("100m"), Burst: 1, By: []v1alpha1.LimitKey{v1alpha1.LimitByUser}},
	}}
	began := time.Now()
	Expect(environment.Apply(ctx, stack)).To(Succeed())
	Eventually(ctx, func(g Gomega) {
		g.Expect(burst(ctx, g, aliceSocket)).To(Equal("too many"), "messages are admitted as before")
	}).WithTimeout(mounted).WithPolling(time.Second).Should(Succeed())
	AddReportEntry("felt after", time.Since(began).Round(time.Second).String())
	Expect(aliceSocket.Alive()).To(BeTrue())
	Expect(bobSocket.Alive()).To(BeTrue())
	Expect(gatewayPods(ctx)).To(ConsistOf(before))
}

// burst sends two messages in succession, of which a low limit admits one.
func burst(ctx context.Context, g Gomega, s *chat.Socket) string {
	for range 2 {
		reply, err := s.SendDraft(ctx, chat.Draft{SendID: s.UserID, RecvID: bob, Text: "again", PlatformID: s.PlatformID})
		g.Expect(err).NotTo(HaveOccurred())
		if reply.ErrCode != 0 {
			g.Expect(reply.ErrMsg).To(ContainSubstring("too many"))
			return "too many"
		}
	}
	return ""
}

// touchGateways changes an annotation of the gateway's pods, which makes the kubelet update their volumes.
func touchGateways(ctx SpecContext) {
	GinkgoHelper()
	for _, name := range gatewayPods(ctx) {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: stack.Namespace, Name: name}}
		touch := fmt.Appendf(nil, `{"metadata":{"annotations":{"example.com/touched":"%d"}}}`, time.Now().UnixNano())
		Expect(environment.Cluster.Patch(ctx, pod, client.RawPatch(types.MergePatchType, touch))).To(Succeed())
	}
}

// widen restores the limits and waits until every replica has them.
func widen(ctx SpecContext, limits *v1alpha1.Limits) {
	GinkgoHelper()
	stack.Spec.Wrapper.Limits = limits
	Expect(environment.Apply(ctx, stack)).To(Succeed())
	ready(ctx, stack)
	touchGateways(ctx)
	for _, gateway := range gateways(ctx) {
		s, err := gateway.OpenSoon(ctx, users[alice])
		Expect(err).NotTo(HaveOccurred())
		Eventually(
			ctx,
			func(g Gomega) { g.Expect(burst(ctx, g, s)).To(BeEmpty()) },
		).WithTimeout(mounted).
			WithPolling(time.Second).
			Should(Succeed())
		s.Close()
	}
}

// gatewayPods returns the names of the gateway's pods that are not terminating.
func gatewayPods(ctx SpecContext) []string {
	GinkgoHelper()
	var found []string
	for _, pod := range pods(ctx) {
		if pod.Labels[v1alpha1.LabelComponent] == v1alpha1.ComponentGateway && pod.DeletionTimestamp == nil {
			found = append(found, pod.Name)
		}
	}
	return found
}
