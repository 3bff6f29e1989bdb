package status

import (
	"bytes"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/plugintest"
)

// The golden files are those that docs/plugin.md shows.
func TestStatus(t *testing.T) {
	var out bytes.Buffer
	if err := Write(&out, plugintest.Observed(t)); err != nil {
		t.Fatal(err)
	}
	plugintest.Golden(t, "status.txt", out.String())
	plugintest.Golden(t, "probe.txt", out.String()) // which prints the same, once there is a result
}

func TestStatusOfAStackThatIsNew(t *testing.T) {
	g := NewWithT(t)
	var out bytes.Buffer
	stack := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Name: "chat", Namespace: "im", Generation: 2}}
	g.Expect(Write(&out, stack)).To(Succeed())
	g.Expect(out.String()).To(And(ContainSubstring("Generation 2 of the spec is not applied yet"), ContainSubstring("not reported yet")))
	g.Expect(out.String()).NotTo(ContainSubstring("EFFECTIVE"))
	stack.Status.Boundary = &v1alpha1.Boundary{}
	out.Reset()
	g.Expect(Write(&out, stack)).To(Succeed())
	g.Expect(out.String()).To(ContainSubstring("not probed with real connections yet"))
}

// Messages come from objects that others wrote. They must not move the cursor.
func TestStatusShowsNoControlCharacters(t *testing.T) {
	g := NewWithT(t)
	stack := plugintest.Observed(t)
	stack.Status.Boundary.Findings[0].Message = "\x1b[2Jgone\u009b1m\nnew line"
	stack.Status.Effective = []v1alpha1.EffectiveValue{{Name: "settings.\x1b[3J", Value: "a\tb\u009bc\nforged row"}}
	var out bytes.Buffer
	g.Expect(Write(&out, stack)).To(Succeed())
	g.Expect(out.String()).NotTo(ContainSubstring("\x1b"))
	g.Expect(out.String()).NotTo(ContainSubstring("\u009b"))
	g.Expect(out.String()).To(ContainSubstring("[2Jgone 1m new line"))
	g.Expect(out.String()).To(MatchRegexp(`settings\. \[3J +a b c forged row\n`))
}

func TestExitCodesOfTheCondition(t *testing.T) {
	for name, c := range map[string]struct {
		status     metav1.ConditionStatus
		generation int64
		code       int
	}{
		"isolated":              {metav1.ConditionTrue, 3, cli.ExitSealed},
		"breached":              {metav1.ConditionFalse, 3, cli.ExitFindings},
		"not known":             {metav1.ConditionUnknown, 3, cli.ExitUnknown},
		"about an older spec":   {metav1.ConditionTrue, 2, cli.ExitUnknown},
		"no such condition yet": {"", 3, cli.ExitUnknown},
	} {
		stack := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Generation: 3}}
		if c.status != "" {
			stack.Status.Conditions = []metav1.Condition{
				{Type: v1alpha1.ConditionNetworkIsolated, Status: c.status, ObservedGeneration: c.generation},
			}
		}
		NewWithT(t).Expect(exitCode(stack)).To(Equal(c.code), name)
	}
}

// The exit code is 2 whenever a finding opens a connection in or out.
func TestTheExitCodeOfStatusCountsWhatWasFound(t *testing.T) {
	for name, c := range map[string]struct {
		status   metav1.ConditionStatus
		findings []v1alpha1.BoundaryFinding
		code     int
	}{
		"enforced": {metav1.ConditionTrue, nil, cli.ExitSealed},
		"enforced, and worth knowing": {metav1.ConditionTrue, []v1alpha1.BoundaryFinding{
			{Kind: "ConnectionShut", Severity: "Low"},
		}, cli.ExitSealed},
		"enforced, and egress is open": {metav1.ConditionTrue, []v1alpha1.BoundaryFinding{
			{Kind: "EgressWidens", Severity: "High"},
		}, cli.ExitFindings},
		"enforced, against the manifests": {metav1.ConditionTrue, []v1alpha1.BoundaryFinding{
			{Kind: "NotEnforced", Severity: "High"},
		}, cli.ExitSealed},
		"not probed, and an impostor": {metav1.ConditionUnknown, []v1alpha1.BoundaryFinding{
			{Kind: "ReservedLabels", Severity: "Critical"},
		}, cli.ExitFindings},
		"not probed": {metav1.ConditionUnknown, nil, cli.ExitUnknown},
		"breached":   {metav1.ConditionFalse, nil, cli.ExitFindings},
	} {
		t.Run(name, func(t *testing.T) {
			stack := &v1alpha1.OpenIMStack{}
			stack.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionNetworkIsolated, Status: c.status}}
			stack.Status.Boundary = &v1alpha1.Boundary{Findings: c.findings}
			NewWithT(t).Expect(exitCode(stack)).To(Equal(c.code))
		})
	}
}

func TestARolloutIsOneLine(t *testing.T) {
	stack := &v1alpha1.OpenIMStack{}
	stack.Status.Rollout = &v1alpha1.Rollout{
		State: v1alpha1.RolloutHeld, From: "chat-run-a", To: "chat-run-b", Wave: 1, Components: []string{"rpc-auth", "rpc-user", "push"},
		FailedRevision: "chat-run-b",
		Failure:        &v1alpha1.RolloutFailure{Component: "rpc-user", Reason: "ImagePull", Message: "image x\ncannot be pulled"},
	}
	stack.Status.Processes = []v1alpha1.ProcessStatus{
		{Name: "rpc-auth", Revision: "chat-run-b"}, {Name: "rpc-user", Revision: "chat-run-b", Reason: "ImagePull"},
		{Name: "push", Revision: "chat-run-a"},
	}
	var out bytes.Buffer
	g := NewWithT(t)
	g.Expect(Write(&out, stack)).To(Succeed())
	g.Expect(out.String()).To(ContainSubstring("\nRollout Held to chat-run-b: wave 1, 1 of 3 components done; " +
		"chat-run-b failed: rpc-user: ImagePull: image x cannot be pulled\n"))
	stack.Status.Rollout = nil
	out.Reset()
	g.Expect(Write(&out, stack)).To(Succeed())
	g.Expect(out.String()).NotTo(ContainSubstring("Rollout"))
}

// How the gateway is reached from outside is one line, with what is to be done.
func TestStatusShowsHowTheGatewayIsExposed(t *testing.T) {
	stack := plugintest.Observed(t)
	stack.Status.Conditions = append(stack.Status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionExposed, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonSourceHidden,
		Message: "write externalTrafficPolicy: Local; Users by Service chat-users at 192.0.2.7",
	})
	var out bytes.Buffer
	g := NewWithT(t)
	g.Expect(Write(&out, stack)).To(Succeed())
	g.Expect(out.String()).To(MatchRegexp(
		"\nExposed +True +SourceHidden +write externalTrafficPolicy: Local; Users by Service chat-users at 192.0.2.7\n"))
}
