package eventkind

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// read returns a file of the repository.
func read(t *testing.T, path ...string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(append([]string{"..", ".."}, path...)...))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return string(content)
}

func TestEachConditionHasARule(t *testing.T) {
	g := NewWithT(t)
	var types, ruled []string
	for _, found := range regexp.MustCompile(`\n\tCondition\w+ += "(\w+)"`).FindAllStringSubmatch(read(t, "api", "v1alpha1", "conditions.go"), -1) {
		types = append(types, found[1])
	}
	for _, r := range rules {
		ruled = append(ruled, r.condition)
	}
	g.Expect(types).NotTo(BeEmpty())
	g.Expect(ruled).To(Equal(types), "in the order of docs/conditions.md")
}

func TestEachKindHasARow(t *testing.T) {
	g := NewWithT(t)
	var declared []string
	code := read(t, "controllers", "eventkind", "eventkind.go")
	for _, found := range regexp.MustCompile(`\n\t(\w+) += Kind\{`).FindAllStringSubmatch(code, -1) {
		declared = append(declared, found[1])
	}
	g.Expect(declared).To(HaveLen(len(Rows())), "a kind without a row is not in the reference")
	seen := map[Kind]bool{}
	for _, r := range Rows() {
		g.Expect(seen).NotTo(HaveKey(r.Kind))
		seen[r.Kind] = true
		g.Expect(declared).To(ContainElement(r.Kind.Reason()), "the name of a kind is its reason")
		g.Expect(r.When).To(HaveSuffix("."), r.Kind.Reason())
	}
}

// An event is recorded in one place, which takes a Kind: nothing else can name a reason.
func TestEventsAreRecordedInOnePlace(t *testing.T) {
	g := NewWithT(t)
	var places []string
	g.Expect(filepath.WalkDir("..", func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		content, err := os.ReadFile(path)
		for range regexp.MustCompile(`\.Eventf?\(`).FindAll(content, -1) {
			places = append(places, path)
		}
		return err
	})).To(Succeed())
	g.Expect(places).To(Equal([]string{filepath.Join("..", "notes.go")}))
}

func TestWhichChangesOfConditionsAreWarnings(t *testing.T) {
	for _, c := range []struct {
		condition, reason string
		status            metav1.ConditionStatus
		wants             string
	}{
		{v1alpha1.ConditionReady, v1alpha1.ReasonReady, metav1.ConditionTrue, corev1.EventTypeNormal},
		{v1alpha1.ConditionReady, v1alpha1.ReasonWaiting, metav1.ConditionFalse, corev1.EventTypeNormal},
		{v1alpha1.ConditionReady, v1alpha1.ReasonInvalidSpec, metav1.ConditionFalse, corev1.EventTypeWarning},
		{v1alpha1.ConditionReady, v1alpha1.ReasonProgressing, metav1.ConditionFalse, corev1.EventTypeWarning},
		{v1alpha1.ConditionStalled, v1alpha1.ReasonInvalidSpec, metav1.ConditionTrue, corev1.EventTypeWarning},
		{v1alpha1.ConditionReconciling, v1alpha1.ReasonProgressing, metav1.ConditionTrue, corev1.EventTypeNormal},
		{v1alpha1.ConditionDependenciesReady, v1alpha1.ReasonResolved, metav1.ConditionTrue, corev1.EventTypeNormal},
		{v1alpha1.ConditionDependenciesReady, v1alpha1.ReasonSecretNotFound, metav1.ConditionTrue, corev1.EventTypeWarning},
		{v1alpha1.ConditionSettingsAccepted, v1alpha1.ReasonProxyNotTrusted, metav1.ConditionTrue, corev1.EventTypeWarning},
		{v1alpha1.ConditionNetworkIsolated, v1alpha1.ReasonEnforced, metav1.ConditionTrue, corev1.EventTypeNormal},
		{v1alpha1.ConditionNetworkIsolated, v1alpha1.ReasonBreached, metav1.ConditionFalse, corev1.EventTypeWarning},
		{v1alpha1.ConditionNetworkIsolated, v1alpha1.ReasonNotVerified, metav1.ConditionUnknown, corev1.EventTypeNormal},
		{v1alpha1.ConditionExposed, v1alpha1.ReasonExposed, metav1.ConditionTrue, corev1.EventTypeNormal},
		{v1alpha1.ConditionExposed, v1alpha1.ReasonWaitingForAddress, metav1.ConditionFalse, corev1.EventTypeNormal},
		{v1alpha1.ConditionExposed, v1alpha1.ReasonWaitingForAddress, metav1.ConditionTrue, corev1.EventTypeWarning},
		{v1alpha1.ConditionRolledOut, v1alpha1.ReasonWaitingForSlot, metav1.ConditionFalse, corev1.EventTypeNormal},
		{v1alpha1.ConditionRolledOut, v1alpha1.ReasonInvalidSpec, metav1.ConditionFalse, corev1.EventTypeWarning},
		{"Unknown", "Whatever", metav1.ConditionFalse, corev1.EventTypeNormal},
	} {
		kind := OfCondition(metav1.Condition{Type: c.condition, Reason: c.reason, Status: c.status})
		NewWithT(t).Expect(kind).To(Equal(Kind{c.reason, c.wants, c.condition}), "%s %s %s", c.condition, c.status, c.reason)
	}
}

func TestTheReferenceTellsWhenAConditionIsAWarning(t *testing.T) {
	g := NewWithT(t)
	g.Expect(Docs()).To(ContainSubstring("| `Stalled` | that of the condition | always |\n"))
	g.Expect(Docs()).To(ContainSubstring("| `Exposed` | that of the condition | the status is False, and the reason is not `Waiting` or " +
		"`WaitingForAddress`; or the status is True, and the reason is not `Exposed` |\n"))
	g.Expect(Docs()).To(ContainSubstring("or the status is True, and the reason is `ProxyNotTrusted` |\n"))
	g.Expect(Docs()).To(ContainSubstring("| `Created` | Normal | `Created` | the child, or the first of several |"))
}
