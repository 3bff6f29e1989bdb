package argocd_test

import (
	"cmp"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// kstatusOf returns what tools that know no expressions see: kubectl, Helm, and Flux without healthCheckExprs.
func kstatusOf(t *testing.T, stack *unstructured.Unstructured) string {
	t.Helper()
	result, err := status.Compute(stack)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return result.Status.String()
}

// expressions returns the evaluator of the expressions of docs/gitops.md.
func expressions(t *testing.T) *cel.StatusEvaluator {
	t.Helper()
	g := NewWithT(t)
	var page struct {
		Spec struct {
			HealthCheckExprs []kustomize.CustomHealthCheck `json:"healthCheckExprs"`
		} `json:"spec"`
	}
	into(t, example(t, "kustomize.toolkit.fluxcd.io/v1", "Kustomization", "stacks"), &page)
	g.Expect(page.Spec.HealthCheckExprs).To(HaveLen(1))
	check := page.Spec.HealthCheckExprs[0]
	g.Expect(check.APIVersion).To(Equal("openimstack.dev/v1alpha1"))
	g.Expect(check.Kind).To(Equal("OpenIMStack"))
	evaluator, err := cel.NewStatusEvaluator(&check.HealthCheckExpressions)
	g.Expect(err).NotTo(HaveOccurred())
	return evaluator
}

// fluxOf returns the status by the expressions. Flux takes an error, which a stack without a status causes, for Unknown, and goes on
// waiting.
func fluxOf(t *testing.T, evaluator *cel.StatusEvaluator, stack *unstructured.Unstructured) string {
	t.Helper()
	result, err := evaluator.Evaluate(t.Context(), stack)
	if err != nil {
		NewWithT(t).Expect(stack.Object).NotTo(HaveKey("status"), err.Error())
		return status.UnknownStatus.String()
	}
	return result.Status.String()
}

func TestKstatusOfEverySituation(t *testing.T) {
	evaluator := expressions(t)
	each(t, func(t *testing.T, s situation) {
		g := NewWithT(t)
		stack := stackWith(t, s.line, s.changes...)
		g.Expect(kstatusOf(t, stack)).To(Equal(s.kstatus))
		g.Expect(fluxOf(t, evaluator, stack)).To(Equal(cmp.Or(s.flux, s.kstatus)))
	})
}

// kstatusMeans returns the status that a combination must have.
func kstatusMeans(line string) string {
	observed, fields := parse(line)
	_, stalled := find(fields, "Stalled")
	f, _ := find(fields, "Ready")
	switch {
	case observed != present && observed != 0:
		return "InProgress"
	case stalled:
		return "Failed"
	case f.status == "True":
		return "Current"
	default:
		return "InProgress"
	}
}

// Every combination that the operator writes means the same by kstatus, by the expressions and, but for a suspension, by Argo CD. kstatus
// takes conditions of an earlier generation for present ones while status.observedGeneration is absent, so there is no such combination.
func TestKstatusOfEveryCombination(t *testing.T) {
	evaluator := expressions(t)
	count := map[string]int{}
	for _, line := range combinations(t) {
		g := NewWithT(t)
		stack := stackWith(t, line)
		found := kstatusOf(t, stack)
		g.Expect(found).To(Equal(kstatusMeans(line)), line)
		g.Expect(fluxOf(t, evaluator, stack)).To(Equal(found), line)
		switch health := means(line); health {
		case "Healthy":
			g.Expect(found).To(Equal("Current"), line)
		case "Degraded":
			g.Expect(found).To(BeElementOf("Failed", "InProgress"), line)
		case "Progressing":
			g.Expect(found).To(Equal("InProgress"), line)
		}
		count[found]++
	}
	NewWithT(t).Expect(count).To(HaveLen(3))
	t.Logf("combinations: %v", count)
}
