package argocd_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/argoproj/argo-cd/v3/util/lua"
	jsonpatch "github.com/evanphx/json-patch"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// patchOf runs an action and returns the merge patch that Argo CD's server sends.
func patchOf(t *testing.T, vm lua.VM, live *unstructured.Unstructured, name string) []byte {
	t.Helper()
	g := NewWithT(t)
	action, err := vm.GetResourceAction(live, name)
	g.Expect(err).NotTo(HaveOccurred())
	impacted, err := vm.ExecuteResourceAction(live, action.ActionLua, nil)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(impacted).To(HaveLen(1))
	g.Expect(impacted[0].K8SOperation).To(Equal(lua.PatchOperation))
	before, err := json.Marshal(live)
	g.Expect(err).NotTo(HaveOccurred())
	after, err := json.Marshal(impacted[0].UnstructuredObj)
	g.Expect(err).NotTo(HaveOccurred())
	patch, err := jsonpatch.CreateMergePatch(before, after)
	g.Expect(err).NotTo(HaveOccurred())
	return patch
}

// patched returns the object after an action.
func patched(t *testing.T, vm lua.VM, live *unstructured.Unstructured, name string) *unstructured.Unstructured {
	t.Helper()
	g := NewWithT(t)
	before, err := json.Marshal(live)
	g.Expect(err).NotTo(HaveOccurred())
	after, err := jsonpatch.MergePatch(before, patchOf(t, vm, live, name))
	g.Expect(err).NotTo(HaveOccurred())
	u := &unstructured.Unstructured{}
	g.Expect(u.UnmarshalJSON(after)).To(Succeed())
	return u
}

// Each action changes one field, and nothing else: not the empty objects either, which Lua cannot tell from empty lists.
func TestAnActionChangesOneField(t *testing.T) {
	vm := lua.VM{ResourceOverrides: customization(t)}
	bare := func(o map[string]any) {
		o["spec"].(map[string]any)["wrapper"] = map[string]any{"auth": map[string]any{}, "policy": []any{}}
	}
	annotated := func(o map[string]any) {
		o["metadata"].(map[string]any)["annotations"] = map[string]any{
			"openimstack.dev/probe-requested-at": "2026-01-01T00:00:00Z", "openimstack.dev/retry-rollout-at": "2026-01-01T00:00:00Z", "a": "b",
		}
	}
	for _, change := range []func(map[string]any){bare, annotated} {
		stack := stackWith(t, healthy, change)
		for name, annotation := range map[string]string{
			"probe": "openimstack.dev/probe-requested-at", "retry-rollout": "openimstack.dev/retry-rollout-at",
		} {
			g := NewWithT(t)
			start := time.Now().Truncate(time.Second)
			var patch map[string]map[string]map[string]string
			g.Expect(json.Unmarshal(patchOf(t, vm, stack, name), &patch)).To(Succeed(), name)
			g.Expect(patch).To(HaveLen(1))
			g.Expect(patch["metadata"]).To(HaveLen(1))
			g.Expect(patch["metadata"]["annotations"]).To(HaveLen(1))
			requested, err := time.Parse(time.RFC3339, patch["metadata"]["annotations"][annotation])
			g.Expect(err).NotTo(HaveOccurred(), name)
			g.Expect(requested).To(BeTemporally("~", start, time.Minute), name)
		}
		g := NewWithT(t)
		g.Expect(patchOf(t, vm, stack, "suspend")).To(MatchJSON(`{"spec":{"suspend":true}}`))
		g.Expect(patchOf(t, vm, stackWith(t, healthy, change, suspend), "resume")).To(MatchJSON(`{"spec":{"suspend":false}}`))
	}
}

// enabled returns the actions that Argo CD offers and that are not disabled.
func enabled(t *testing.T, vm lua.VM, stack *unstructured.Unstructured) []string {
	t.Helper()
	g := NewWithT(t)
	scripts, err := vm.GetResourceActionDiscovery(stack)
	g.Expect(err).NotTo(HaveOccurred())
	offered, err := vm.ExecuteResourceActionDiscovery(stack, scripts)
	g.Expect(err).NotTo(HaveOccurred())
	var names, all []string
	for _, a := range offered {
		g.Expect(a.DisplayName).NotTo(BeEmpty(), a.Name)
		g.Expect(a.IconClass).To(HavePrefix("fa fa-fw fa-"), a.Name)
		all = append(all, a.Name)
		if !a.Disabled {
			names = append(names, a.Name)
		}
	}
	g.Expect(all).To(ConsistOf(actions))
	return names
}

func TestActionsThatAreOffered(t *testing.T) {
	vm := lua.VM{ResourceOverrides: customization(t)}
	held := "Observed Ready=False/Held Stalled=True/Held RolledOut=False/"
	for name, c := range map[string]struct {
		stack *unstructured.Unstructured
		want  []string
	}{
		"healthy":             {stackWith(t, healthy), []string{"probe", "suspend"}},
		"no status":           {stackWith(t, ""), []string{"probe", "suspend"}},
		"held":                {stackWith(t, held+"Held"), []string{"probe", "retry-rollout", "suspend"}},
		"rolled back":         {stackWith(t, held+"RolledBack"), []string{"probe", "retry-rollout", "suspend"}},
		"rolling back":        {stackWith(t, held+"RollingBack"), []string{"probe", "suspend"}},
		"held, earlier":       {stackWith(t, held+"Held@earlier"), []string{"probe", "suspend"}},
		"suspended":           {stackWith(t, healthy, suspend), []string{"probe", "resume"}},
		"held, and suspended": {stackWith(t, held+"Held", suspend), []string{"probe", "resume"}},
	} {
		t.Run(name, func(t *testing.T) { NewWithT(t).Expect(enabled(t, vm, c.stack)).To(ConsistOf(c.want)) })
	}
	for _, line := range combinations(t) {
		_, fields := parse(line)
		rolled, _ := find(fields, "RolledOut")
		_, paused := find(fields, "Paused")
		failed := rolled.status == "False" && rolled.generation == present && (rolled.reason == "Held" || rolled.reason == "RolledBack")
		offered := enabled(t, vm, stackWith(t, line))
		NewWithT(t).Expect(offered).To(HaveLen(2+map[bool]int{true: 1}[failed && !paused]), line)
	}
}
