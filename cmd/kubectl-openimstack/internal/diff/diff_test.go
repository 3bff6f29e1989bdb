package main

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
)

func TestComparingTwoFolders(t *testing.T) {
	deploy, branch := copies(t, "deploy"), copies(t, "deploy", "branch")
	report := filepath.Join(t.TempDir(), "before.json")
	invoke(t, "audit", "--from-files", deploy, "-o", "json", "--output-file", report)

	t.Run("the same", func(t *testing.T) {
		g := NewWithT(t)
		code, out, errs := invoke(t, "diff", deploy, deploy)
		g.Expect(code).To(Equal(exitSealed), errs)
		g.Expect(out).To(Equal(deploy + " and " + deploy + " let the same through\n"))
	})
	t.Run("newly open", func(t *testing.T) {
		g := NewWithT(t)
		code, out, errs := invoke(t, "diff", deploy, branch)
		g.Expect(code).To(Equal(exitFindings), errs)
		g.Expect(out).To(ContainSubstring("newly open:\n"))
		g.Expect(out).To(ContainSubstring("im/chat: intruder -> msggateway:10001/TCP"))
		g.Expect(out).To(ContainSubstring("new findings:\n  im/chat: High ForeignPolicyWidens NetworkPolicy im/debug"))
		g.Expect(out).NotTo(ContainSubstring("newly shut"))
	})
	t.Run("newly shut, from a report", func(t *testing.T) {
		g := NewWithT(t)
		today := filepath.Join(t.TempDir(), "branch.json")
		invoke(t, "audit", "--from-files", branch, "-o", "json", "--output-file", today)
		code, out, errs := invoke(t, "diff", today, report)
		g.Expect(code).To(Equal(exitFindings), errs)
		g.Expect(out).To(ContainSubstring("newly shut:\n"))
		g.Expect(out).To(ContainSubstring("findings that are gone:\n  im/chat: High ForeignPolicyWidens NetworkPolicy im/debug"))
		g.Expect(out).NotTo(ContainSubstring("newly open"))
		code, _, errs = invoke(t, "diff", report, deploy)
		g.Expect(code).To(Equal(exitSealed), errs)
	})
	t.Run("a stack that is new", func(t *testing.T) {
		g := NewWithT(t)
		more := copies(t, "deploy")
		edit(t, filepath.Join(more, "stack.yaml"), "name: chat\n", "name: talk\n")
		code, out, _ := invoke(t, "diff", deploy, more)
		g.Expect(code).To(Equal(exitFindings))
		g.Expect(out).To(ContainSubstring("stacks:\n  im/chat is gone\n  im/talk is new\n"))
	})
	t.Run("what does not resolve", func(t *testing.T) {
		g := NewWithT(t)
		half := copies(t, "deploy")
		edit(t, filepath.Join(half, "stack.yaml"), "version: v3.8.3\n", "version: v9.9.9\n")
		code, out, _ := invoke(t, "diff", deploy, half)
		g.Expect(code).To(Equal(exitUnknown), out)
		g.Expect(out).To(ContainSubstring("could not be read in "))
	})
}

func TestReportsThatCannotBeRead(t *testing.T) {
	for content, says := range map[string]string{
		"":                                      "it holds no report",
		"{":                                     "it is no report",
		`{"schema":"openimstack.dev/audit/v9"}`: `its schema is "openimstack.dev/audit/v9", and this plugin reads "openimstack.dev/audit/v1"`,
	} {
		g := NewWithT(t)
		path := filepath.Join(t.TempDir(), "r.json")
		write(t, path, content)
		code, _, errs := invoke(t, "diff", path, path)
		g.Expect(code).To(Equal(exitUnknown))
		g.Expect(errs).To(ContainSubstring(says))
	}
	code, _, errs := invoke(t, "diff", "gone", "gone")
	g := NewWithT(t)
	g.Expect(code).To(Equal(exitUnknown))
	g.Expect(errs).To(ContainSubstring(os.ErrNotExist.Error()[:4]))
}

func TestDifferencesOfObjects(t *testing.T) {
	object := func(pairs ...any) map[string]any {
		m := map[string]any{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i].(string)] = pairs[i+1]
		}
		return m
	}
	for name, c := range map[string]struct {
		live, wanted any
		how          strictness
		says         []string
	}{
		"the same":                   {object("a", int64(1)), object("a", int64(1)), exactly, nil},
		"another value":              {object("a", int64(1)), object("a", int64(2)), exactly, []string{"spec.a: 1, 2"}},
		"more":                       {object("a", "x", "b", "y"), object("a", "x"), exactly, []string{`spec.b: "y", nothing`}},
		"more, which others may add": {object("a", "x", "clusterIP", "y"), object("a", "x"), atLeast, nil},
		"less":                       {object(), object("a", "x"), atLeast, []string{`spec.a: nothing, "x"`}},
		"within a list":              {object("l", []any{object("p", int64(1))}), object("l", []any{object("p", int64(2))}), exactly, []string{"spec.l[0].p: 1, 2"}},
		"a longer list":              {object("l", []any{"a", "b"}), object("l", []any{"a"}), atLeast, []string{`spec.l: ["a","b"], ["a"]`}},
		"another type":               {object("a", "1"), object("a", object()), exactly, []string{`spec.a: "1", {}`}},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(differences("spec", c.live, c.wanted, c.how)).To(Equal(c.says))
		})
	}
	g := NewWithT(t)
	g.Expect(differencesOfLabels(map[string]string{"a": "x", "more": "y"}, map[string]string{"a": "z", "b": ""})).To(Equal([]string{`label a: "x", "z"`, `label b: nothing, ""`}))
}

// Against a folder that holds some of the children: what is missing is made, what is there counts, pods are known by their owner.
func TestDrift(t *testing.T) {
	g := NewWithT(t)
	dir := copies(t, "deploy")
	code, out, _ := invoke(t, "diff", "--from-files", dir)
	g.Expect(code).To(Equal(exitSealed), out)
	g.Expect(out).To(Equal("OpenIMStack im/chat: as the operator writes it\n"))

	write(t, filepath.Join(dir, "children.yaml"), `apiVersion: v1
kind: Service
metadata: {name: chat-api, namespace: im, labels: {app.kubernetes.io/instance: other}}
spec: {type: NodePort, selector: {app.kubernetes.io/component: api}, ports: [{name: http, port: 10002, nodePort: 30000}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: chat-old-egress, namespace: im, labels: {app.kubernetes.io/instance: chat, app.kubernetes.io/part-of: openimstack, app.kubernetes.io/managed-by: openim-operator}}
spec: {podSelector: {matchLabels: {app: none}}, policyTypes: [Egress]}
---
apiVersion: v1
kind: Pod
metadata:
  name: chat-push-7d9f-x
  namespace: im
  labels: {app.kubernetes.io/instance: chat, app.kubernetes.io/component: push}
  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: chat-push-7d9f, uid: u, controller: true}]
spec: {containers: [{name: c}]}
`)
	code, out, _ = invoke(t, "diff", "--from-files", dir)
	g.Expect(code).To(Equal(exitFindings))
	for _, says := range []string{
		"changed (live, then intended):",
		`Service im/chat-api label app.kubernetes.io/instance: "other", "chat"`,
		`Service im/chat-api spec.type: "NodePort", "ClusterIP"`,
		`Pod im/chat-push-7d9f-x of push label app.kubernetes.io/part-of: nothing, "openimstack"`,
		"left over:\n  NetworkPolicy im/chat-old-egress\n",
	} {
		g.Expect(out).To(ContainSubstring(says))
	}
	g.Expect(out).NotTo(ContainSubstring("missing:"), "the operator makes what is not in a folder")
}
