package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

func observed(t *testing.T) *v1alpha1.OpenIMStack {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "observed.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var stack v1alpha1.OpenIMStack
	if err := yaml.UnmarshalStrict(text, &stack); err != nil {
		t.Fatal(err)
	}
	return &stack
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if *update {
		write(t, path, got)
	}
	wanted, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	NewWithT(t).Expect(got).To(Equal(string(wanted)), "go test ./cmd/kubectl-openimstack -update writes it anew")
}

func TestStatus(t *testing.T) { checkStatus(t) }

// checkStatus compares what is printed of a stack with the golden files, which the docs show.
func checkStatus(t *testing.T) {
	t.Helper()
	var out bytes.Buffer
	if err := writeStatus(&out, observed(t)); err != nil {
		t.Fatal(err)
	}
	golden(t, "status.txt", out.String())
	golden(t, "probe.txt", out.String()) // which prints the same, once there is an answer
}

func TestStatusOfAStackThatIsNew(t *testing.T) {
	g := NewWithT(t)
	var out bytes.Buffer
	stack := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Name: "chat", Namespace: "im", Generation: 2}}
	g.Expect(writeStatus(&out, stack)).To(Succeed())
	g.Expect(out.String()).To(And(ContainSubstring("has not seen generation 2"), ContainSubstring("nothing is known of it yet")))
	stack.Status.Boundary = &v1alpha1.Boundary{}
	out.Reset()
	g.Expect(writeStatus(&out, stack)).To(Succeed())
	g.Expect(out.String()).To(ContainSubstring("it has not been tried with real connections yet"))
}

// Messages come from objects that others wrote. They must not move the cursor.
func TestStatusShowsNoControlCharacters(t *testing.T) {
	g := NewWithT(t)
	stack := observed(t)
	stack.Status.Boundary.Findings[0].Message = "\x1b[2Jgone\u009b1m\nnew line"
	var out bytes.Buffer
	g.Expect(writeStatus(&out, stack)).To(Succeed())
	g.Expect(out.String()).NotTo(ContainSubstring("\x1b"))
	g.Expect(out.String()).NotTo(ContainSubstring("\u009b"))
	g.Expect(out.String()).To(ContainSubstring("[2Jgone 1m new line"))
}

func TestExitCodesOfTheCondition(t *testing.T) {
	for name, c := range map[string]struct {
		status     metav1.ConditionStatus
		generation int64
		code       int
	}{
		"isolated":              {metav1.ConditionTrue, 3, exitSealed},
		"breached":              {metav1.ConditionFalse, 3, exitFindings},
		"not known":             {metav1.ConditionUnknown, 3, exitUnknown},
		"about an older spec":   {metav1.ConditionTrue, 2, exitUnknown},
		"no such condition yet": {"", 3, exitUnknown},
	} {
		stack := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Generation: 3}}
		if c.status != "" {
			stack.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionNetworkIsolated, Status: c.status, ObservedGeneration: c.generation}}
		}
		NewWithT(t).Expect(exitOfCondition(stack)).To(Equal(c.code), name)
	}
}

func TestExitCodesOfAProbe(t *testing.T) {
	for outcome, code := range map[string]int{
		v1alpha1.ReasonEnforced: exitSealed, v1alpha1.ReasonBreached: exitFindings, v1alpha1.ReasonNotEnforcedByCNI: exitFindings,
		v1alpha1.ReasonIsolationUnverified: exitUnknown, "": exitUnknown, "SomethingNew": exitUnknown,
	} {
		NewWithT(t).Expect(exitOfOutcome(outcome)).To(Equal(code), outcome)
	}
}

// The exit code is 2 whenever something lets in or out that should not.
func TestTheExitCodeOfStatusCountsWhatWasFound(t *testing.T) {
	for name, c := range map[string]struct {
		status   metav1.ConditionStatus
		findings []v1alpha1.BoundaryFinding
		code     int
	}{
		"enforced":                         {metav1.ConditionTrue, nil, exitSealed},
		"enforced, and worth knowing":      {metav1.ConditionTrue, []v1alpha1.BoundaryFinding{{Kind: "ConnectionShut", Severity: "Low"}}, exitSealed},
		"enforced, and a way out is found": {metav1.ConditionTrue, []v1alpha1.BoundaryFinding{{Kind: "EgressWidens", Severity: "High"}}, exitFindings},
		"enforced, against the signs":      {metav1.ConditionTrue, []v1alpha1.BoundaryFinding{{Kind: "NotEnforced", Severity: "High"}}, exitSealed},
		"not tried, and an impostor":       {metav1.ConditionUnknown, []v1alpha1.BoundaryFinding{{Kind: "ReservedLabels", Severity: "Critical"}}, exitFindings},
		"not tried":                        {metav1.ConditionUnknown, nil, exitUnknown},
		"breached":                         {metav1.ConditionFalse, nil, exitFindings},
	} {
		t.Run(name, func(t *testing.T) {
			stack := &v1alpha1.OpenIMStack{}
			stack.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionNetworkIsolated, Status: c.status}}
			stack.Status.Boundary = &v1alpha1.Boundary{Findings: c.findings}
			NewWithT(t).Expect(exitOfCondition(stack)).To(Equal(c.code))
		})
	}
}
