//go:build e2e

package e2e

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/setup"
	"github.com/openimstack/openim-operator/hack/render"
	"github.com/openimstack/openim-operator/openim"
)

// release is the name of the chart's release.
const release = "openim-operator"

// helm changes the installation under running stacks from config/default to the chart. The CRD stays, or the stacks would be deleted with
// it.
func helm() {
	It("continues under the chart, installed by Helm in place of config/default", func(ctx SpecContext) {
		before := names(pods(ctx))
		objects, err := environment.OperatorObjects(ctx)
		Expect(err).NotTo(HaveOccurred())
		scaleOperator(ctx, 0) // while the operator may still release its lease
		for _, object := range objects {
			if kind := object.GetKind(); kind == "CustomResourceDefinition" || kind == "Namespace" {
				continue
			}
			Expect(client.IgnoreNotFound(environment.Cluster.Delete(ctx, object))).To(Succeed())
		}
		began := time.Now()
		out, err := runHelm(
			ctx,
			"install",
			release,
			render.DefaultChart,
			"--namespace",
			setup.OperatorNamespace,
			"--take-ownership",
			"--wait",
			"--timeout",
			"3m",
			"--set-string",
			"image.repository="+repositoryOf(environment.Images[setup.OperatorImage])+",image.tag="+tagOf(environment.Images[setup.OperatorImage]),
			"--set-string",
			"wrapperImage.repository="+repositoryOf(
				environment.Images[setup.WrapperImage],
			)+",wrapperImage.tag="+tagOf(
				environment.Images[setup.WrapperImage],
			),
			"--set-string",
			"supervisorImage.repository="+repositoryOf(
				environment.Images[setup.SupervisorImage],
			)+",supervisorImage.tag="+tagOf(
				environment.Images[setup.SupervisorImage],
			),
		)
		Expect(err).NotTo(HaveOccurred(), out)
		AddReportEntry("helm install --wait", time.Since(began).Round(100*time.Millisecond).String())
		Expect(environment.WaitForLeader(ctx)).To(Succeed())
		ready(ctx, stack)
		Expect(names(pods(ctx))).To(ConsistOf(before), "no pod was restarted")
	}, SpecTimeout(8*time.Minute))

	It("is repaired under the chart as before", func(ctx SpecContext) {
		back(ctx, policyOf(ctx, string(openim.RPCAuth)), samePolicy)
		var stacks v1alpha1.OpenIMStackList
		Expect(environment.Cluster.List(ctx, &stacks, client.InNamespace(stack.Namespace))).To(Succeed())
		Expect(stacks.Items).NotTo(BeEmpty())
	}, SpecTimeout(time.Minute))
}

// uninstallChart removes the release if it exists.
func uninstallChart(ctx context.Context) {
	GinkgoHelper()
	out, err := runHelm(ctx, "uninstall", release, "--namespace", setup.OperatorNamespace, "--ignore-not-found", "--wait")
	Expect(err).NotTo(HaveOccurred(), out)
}
