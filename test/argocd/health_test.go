package argocd_test

import (
	"bufio"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/health"
	"github.com/argoproj/argo-cd/v3/util/lua"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// healthOf asks Argo CD's engine, with the customization of the ConfigMap: without standard libraries, as a server runs it.
func healthOf(t *testing.T, vm lua.VM, stack *unstructured.Unstructured) *health.HealthStatus {
	t.Helper()
	g := NewWithT(t)
	script, openLibs, err := vm.GetHealthScript(stack)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(script).NotTo(BeEmpty())
	g.Expect(openLibs).To(BeFalse())
	before := stack.DeepCopy()
	result, err := vm.ExecuteHealthLua(stack, script)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(stack).To(Equal(before), "the script changed the object")
	return result
}

func TestHealthOfEverySituation(t *testing.T) {
	vm := lua.VM{ResourceOverrides: customization(t)}
	each(t, func(t *testing.T, s situation) {
		g := NewWithT(t)
		result := healthOf(t, vm, stackWith(t, s.line, s.changes...))
		g.Expect(string(result.Status)).To(Equal(s.health))
		want := strings.Join(s.message, "; ")
		if s.line != "" {
			want = messages(s.line, s.message...)
		}
		g.Expect(result.Message).To(Equal(want))
	})
}

// combinations returns the combinations of conditions that the operator writes. Its own test makes the file.
func combinations(t *testing.T) []string {
	t.Helper()
	g := NewWithT(t)
	file, err := os.Open("testdata/combinations.txt")
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = file.Close() }()
	var lines []string
	for scanner := bufio.NewScanner(file); scanner.Scan(); {
		lines = append(lines, scanner.Text())
	}
	g.Expect(len(lines)).To(BeNumerically(">", 1000))
	return lines
}

// means returns the health that a combination must have, in the words of docs/gitops.md.
func means(line string) string {
	observed, fields := parse(line)
	now := func(kind, status string) (string, bool) {
		f, found := find(fields, kind)
		return f.reason, found && f.status == status && f.generation == present
	}
	isolation, open := now("NetworkIsolated", "False")
	_, suspended := now("Paused", "True")
	_, stalled := now("Stalled", "True")
	_, ready := now("Ready", "True")
	switch {
	case open && isolation != "PoliciesNotInPlace":
		return "Degraded"
	case suspended:
		return "Suspended"
	case stalled:
		return "Degraded"
	case ready && observed == present:
		return "Healthy"
	default:
		return "Progressing"
	}
}

func TestHealthOfEveryCombination(t *testing.T) {
	vm := lua.VM{ResourceOverrides: customization(t)}
	count := map[string]int{}
	for _, line := range combinations(t) {
		g := NewWithT(t)
		result := healthOf(t, vm, stackWith(t, line))
		g.Expect(string(result.Status)).To(Equal(means(line)), line)
		g.Expect(result.Message).NotTo(BeEmpty(), line)
		count[string(result.Status)]++
	}
	NewWithT(t).Expect(slices.Sorted(maps.Keys(count))).To(Equal([]string{"Degraded", "Healthy", "Progressing", "Suspended"}))
	t.Logf("combinations: %v", count)
}

// Whatever the object holds, the script returns a health and no error: an error hides the state of the whole application.
func TestHealthOfIncompleteObjects(t *testing.T) {
	vm := lua.VM{ResourceOverrides: customization(t)}
	for name, change := range map[string]func(map[string]any){
		"no spec":                    func(o map[string]any) { delete(o, "spec") },
		"an empty status":            func(o map[string]any) { o["status"] = map[string]any{} },
		"an empty list":              func(o map[string]any) { o["status"] = map[string]any{"conditions": []any{}} },
		"no generation":              func(o map[string]any) { delete(o["metadata"].(map[string]any), "generation") },
		"a condition of nothing":     func(o map[string]any) { o["status"] = map[string]any{"conditions": []any{map[string]any{}}} },
		"a condition without reason": func(o map[string]any) { ready(o, map[string]any{"type": "Ready", "status": "False"}) },
		"ready without message":      func(o map[string]any) { ready(o, map[string]any{"type": "Ready", "status": "True", "reason": "Ready"}) },
		"ready is unknown":           func(o map[string]any) { ready(o, map[string]any{"type": "Ready", "status": "Unknown"}) },
	} {
		t.Run(name, func(t *testing.T) {
			want := "Progressing"
			if name == "ready without message" {
				want = "Healthy"
			}
			NewWithT(t).Expect(string(healthOf(t, vm, stackWith(t, "", change)).Status)).To(Equal(want))
		})
	}
}

func ready(object, condition map[string]any) {
	object["status"] = map[string]any{"observedGeneration": present, "conditions": []any{condition}}
}
