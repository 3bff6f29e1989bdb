//go:build e2e

package e2e

import (
	"os/exec"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/setup"
)

// interval is the interval of the operator's periodic probes.
const interval = time.Minute

// unenforced stops the enforcement of policies, as a change of the cluster's network may, and starts it again.
func unenforced() {
	It("reports within one interval that nothing enforces its policies", func(ctx SpecContext) {
		if !environment.Local {
			Skip("the cluster's network must be ours to switch: CLUSTER=local")
		}
		everyMinute(ctx)
		DeferCleanup(func(ctx SpecContext) { enforcement(ctx, "on") }, NodeTimeout(time.Minute))
		enforcement(ctx, "off")
		began := time.Now()
		Eventually(ctx, isolated).WithTimeout(interval + 30*time.Second).Should(haveReason(v1alpha1.ReasonNotEnforcedByCNI))
		noticed := time.Since(began)
		c, err := isolated(ctx)
		Expect(err).NotTo(HaveOccurred())
		AddReportEntry("NotEnforcedByCNI after "+noticed.Round(100*time.Millisecond).String(), c.Message)

		enforcement(ctx, "on")
		began = time.Now()
		Eventually(ctx, isolated).WithTimeout(interval + 30*time.Second).Should(haveReason(v1alpha1.ReasonEnforced))
		AddReportEntry("Enforced again after", time.Since(began).Round(100*time.Millisecond).String())
		Expect(observe(ctx, setup.TruthTable(stack)).Faults()).To(BeEmpty())
	}, SpecTimeout(10*time.Minute))
}

// everyMinute sets the interval of the operator's probes.
func everyMinute(ctx SpecContext) {
	GinkgoHelper()
	live := &v1alpha1.OpenIMStack{}
	Expect(environment.Cluster.Get(ctx, client.ObjectKeyFromObject(stack), live)).To(Succeed())
	changed := live.DeepCopy()
	if changed.Spec.Network == nil {
		changed.Spec.Network = &v1alpha1.Network{}
	}
	changed.Spec.Network.Probe = &v1alpha1.Probe{IntervalSeconds: ptr.To(int32(interval / time.Second))}
	Expect(environment.Cluster.Patch(ctx, changed, client.MergeFrom(live))).To(Succeed())
	Eventually(ctx, isolated).WithTimeout(noticing).Should(haveReason(v1alpha1.ReasonEnforced))
}

// enforcement switches the local cluster's enforcement of policies.
func enforcement(ctx SpecContext, to string) {
	GinkgoHelper()
	command := exec.CommandContext(ctx, "go", "run", "./hack/cluster", "enforcement", to)
	command.Dir = environment.Root
	out, err := command.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(out))
}
