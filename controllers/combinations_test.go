package controllers

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/outcome"
	"github.com/openimstack/openim-operator/controllers/prober"
	"github.com/openimstack/openim-operator/netpol/audit"
)

var updateCombinations = flag.Bool("update-combinations", false, "write the combinations of conditions anew")

// combinationsFile is read by test/argocd, a module of its own, which tests the health of each combination.
const combinationsFile = "../test/argocd/testdata/combinations.txt"

// decisive are the conditions that decide the health of a stack.
var decisive = []string{
	v1alpha1.ConditionReady, v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled, v1alpha1.ConditionNetworkIsolated,
	v1alpha1.ConditionRolledOut, v1alpha1.ConditionUpdateAvailable, v1alpha1.ConditionPaused,
}

// aspects of a situation: the change of the scope for each value that the aspect can have.
var aspects = [][]func(*scope){
	{ // the spec before: there was none, the present one, or an earlier one whose rollout was completed or held
		func(*scope) {},
		seen(7), seen(6), seen(6, into(v1alpha1.RolloutHeld)),
	},
	{ // references and settings
		func(*scope) {},
		func(s *scope) {
			s.problems = []dependencies.Problem{{Reason: v1alpha1.ReasonSecretNotFound, Field: "spec.x", Message: "m"}}
		},
		func(s *scope) {
			s.problems = []dependencies.Problem{{Reason: v1alpha1.ReasonPeersNeeded, Field: "spec.x", Message: "m", Stalled: true}}
		},
		func(s *scope) {
			s.refusals = []dependencies.Problem{{Reason: v1alpha1.ReasonSettingRefused, Field: "spec.x", Message: "m", Stalled: true}}
		},
		func(s *scope) { s.referencesRead, s.unread, s.faults = false, errors.New("busy"), busy() },
	},
	{ // writes
		func(*scope) {},
		func(s *scope) { s.faults = append(s.faults, busy()...) },
		func(s *scope) { s.fail(outcome.NewTerminal(v1alpha1.ReasonForbidden, "m")) },
		func(s *scope) { s.fail(outcome.NewWaiting(v1alpha1.ReasonNamespaceTerminating, "m", time.Second)) },
	},
	{ // the lockdown
		func(s *scope) { s.assessment.Probe = probed(s, v1alpha1.ReasonEnforced) },
		func(*scope) {},
		func(s *scope) { s.assessment.Probe = probed(s, v1alpha1.ReasonNotEnforcedByCNI) },
		func(s *scope) {
			s.assessment = prober.Assessment{Audited: true, Findings: []audit.Finding{{Kind: audit.Unexplained, Severity: audit.Critical}}}
		},
		func(s *scope) { s.policiesInPlace = false },
		func(s *scope) { s.policiesInPlace, s.undecided = false, "m" },
	},
	{ // the rollout
		func(*scope) {},
		func(s *scope) { s.outdated = []string{"backend"} },
		func(s *scope) { s.planned, s.proposed = nil, false },
		func(s *scope) { s.wanted = "chat-run-1" },
		into(v1alpha1.RolloutProgressing), into(v1alpha1.RolloutWaitingForWindow), into(v1alpha1.RolloutWaiting),
		into(v1alpha1.RolloutHeld), into(v1alpha1.RolloutRollingBack), into(v1alpha1.RolloutRolledBack),
	},
	{ // the components
		func(*scope) {},
		func(s *scope) { delete(s.deployments, "push") },
	},
	{ // the suspension
		func(*scope) {},
		func(s *scope) { s.stack.Spec.Suspend = ptr.To(true) },
	},
}

// into puts the stack into a rollout.
func into(state v1alpha1.RolloutState) func(*scope) {
	return func(s *scope) {
		s.planned.State.Rollout = &v1alpha1.Rollout{State: state, To: s.wanted, Wave: 1, FailedRevision: s.wanted}
	}
}

func probed(s *scope, outcome string) *v1alpha1.ProbeResult {
	return &v1alpha1.ProbeResult{Outcome: outcome, Time: metav1.NewTime(s.now), Message: "m"}
}

// seen gives the stack the status of a generation at which all was well but for the changes.
func seen(generation int64, change ...func(*scope)) func(*scope) {
	before := running(append(change, func(b *scope) { b.stack.Generation, b.proposed = generation, true })...)
	before.updateStatus()
	return func(s *scope) { before.stack.Status.DeepCopyInto(&s.stack.Status) }
}

// combination returns the decisive conditions of a stack on one line. A generation other than the present one is marked.
func combination(stack *v1alpha1.OpenIMStack) string {
	mark := func(generation int64) string {
		switch generation {
		case stack.Generation:
			return ""
		case 0:
			return "@never"
		default:
			return "@earlier"
		}
	}
	fields := []string{"Observed" + mark(stack.Status.ObservedGeneration)}
	for _, kind := range decisive {
		if c := apimeta.FindStatusCondition(stack.Status.Conditions, kind); c != nil {
			fields = append(fields, fmt.Sprintf("%s=%s/%s%s", kind, c.Status, c.Reason, mark(c.ObservedGeneration)))
		}
	}
	return strings.Join(fields, " ")
}

// TestEveryCombinationOfConditions computes the status of every situation that the aspects make, and compares the combinations of
// conditions with the file. Some situations cannot happen; a health for them harms nobody.
func TestEveryCombinationOfConditions(t *testing.T) {
	g := NewWithT(t)
	found := map[string]bool{}
	var walk func(changes []func(*scope))
	walk = func(changes []func(*scope)) {
		if len(changes) < len(aspects) {
			for _, change := range aspects[len(changes)] {
				walk(append(slices.Clone(changes), change))
			}
			return
		}
		s := running(append([]func(*scope){func(s *scope) { s.now, s.proposed = time.Now(), true }}, changes...)...)
		s.updateStatus()
		found[combination(s.stack)] = true
	}
	walk(nil)
	lines := make([]string, 0, len(found))
	for line := range found {
		lines = append(lines, line)
	}
	slices.Sort(lines)
	text := strings.Join(lines, "\n") + "\n"
	if *updateCombinations {
		g.Expect(os.MkdirAll(filepath.Dir(combinationsFile), 0o750)).To(Succeed())
		g.Expect(os.WriteFile(combinationsFile, []byte(text), 0o600)).To(Succeed())
	}
	want, err := os.ReadFile(combinationsFile)
	g.Expect(err).NotTo(HaveOccurred())
	listed := map[string]bool{}
	for line := range strings.Lines(string(want)) {
		listed[strings.TrimSuffix(line, "\n")] = true
	}
	var differ []string
	for _, line := range slices.Concat(lines, slices.Sorted(maps.Keys(listed))) {
		if found[line] != listed[line] {
			differ = append(differ, line)
		}
	}
	g.Expect(differ[:min(len(differ), 5)]).To(BeEmpty(), "the operator writes other combinations of conditions than %s has: "+
		"run `go test ./controllers -run TestEveryCombinationOfConditions -update-combinations`, then `make test-argocd`", combinationsFile)
	t.Logf("%d combinations", len(lines))
}
