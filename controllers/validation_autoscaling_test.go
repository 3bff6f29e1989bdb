package controllers_test

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

const (
	// withPods sets spec.pods.components, and withTarget the targets of an autoscaler.
	withPods   = "version: v3.8.3 => version: v3.8.3\n  pods:\n    components: "
	withTarget = withPods + "[{name: rpc, autoscaling: {maxReplicas: 2, targets: ["
)

var _ = Describe("The API server", func() {
	DescribeTable(
		"refuses of autoscaling",
		refused,
		Entry("an autoscaler without a limit", withPods+"[{name: rpc, autoscaling: {minReplicas: 2}}]", "autoscaling needs maxReplicas"),
		Entry("a limit for a scaler of others", withPods+"[{name: rpc, autoscaling: {mode: External, maxReplicas: 2}}]",
			"with mode: External nothing else"),
		Entry("more pods at least than at most", withPods+"[{name: rpc, autoscaling: {minReplicas: 3, maxReplicas: 2}}]",
			"spec.pods.components[0].autoscaling", "minReplicas must not be more than maxReplicas: lower it"),
		Entry("no pod at least", withPods+"[{name: rpc, autoscaling: {minReplicas: 0, maxReplicas: 2}}]", "greater than or equal to 1"),
		Entry("too many pods", withPods+"[{name: rpc, autoscaling: {maxReplicas: 101}}]", "less than or equal to 100"),
		Entry("several pods of crontask", withPods+"[{name: crontask, autoscaling: {maxReplicas: 2}}]", "crontask has one pod at any time"),
		Entry("a target without a value", withTarget+"{metric: cpu}]}}]", "a target needs percent"),
		Entry("a target with two values", withTarget+"{metric: cpu, percent: 50, average: '1'}]}}]", "a target needs percent"),
		Entry("a share of a metric of one's own", withTarget+"{metric: calls, percent: 50}]}}]", "of cpu and memory alone"),
		Entry("no target of several", withTarget+"]}}]", "spec.pods.components[0].autoscaling.targets", "at least 1"),
		Entry("a target twice", withTarget+"{metric: cpu, percent: 50}, {metric: cpu, average: '1'}]}}]", "Duplicate value"),
		Entry("an average of nothing", withTarget+"{metric: calls, average: '0'}]}}]", "targets[0].average"),
		Entry("an average that is no quantity", withTarget+"{metric: calls, average: 1e3}]}}]", "targets[0].average"),
		Entry("a metric with a slash", withTarget+"{metric: a/b, average: '1'}]}}]", "targets[0].metric"),
	)

	It("accepts autoscaling of components and groups", func(ctx context.Context) {
		for _, change := range []string{
			withPods + "[{name: openim, autoscaling: {maxReplicas: 1}}, {name: rpc, autoscaling: {mode: External}}]",
			withPods + "[{name: rpc, autoscaling: {mode: Managed, minReplicas: 100, maxReplicas: 100}}]",
			withTarget + "{metric: cpu, percent: 1000}, {metric: memory, average: 999999999Gi}, {metric: a_b.c-d, average: 500m}]}}]",
		} {
			Expect(try(ctx, strings.Split(change, " ;; ")...)).To(Succeed(), change)
		}
	})
})
