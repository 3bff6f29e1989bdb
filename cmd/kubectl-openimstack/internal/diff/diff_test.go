package diff_test

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/plugintest"
)

func TestComparingTwoFolders(t *testing.T) {
	deploy, branch := plugintest.Copies(t, "deploy"), plugintest.Copies(t, "deploy", "branch")
	report := filepath.Join(t.TempDir(), "before.json")
	invoke(t, "audit", "--from-files", deploy, "-o", "json", "--output-file", report)

	t.Run("the same", func(t *testing.T) {
		g := NewWithT(t)
		code, out, errs := invoke(t, "diff", deploy, deploy)
		g.Expect(code).To(Equal(cli.ExitSealed), errs)
		g.Expect(out).To(Equal(deploy + " and " + deploy + " let the same connections through\n"))
	})
	t.Run("newly open", func(t *testing.T) {
		g := NewWithT(t)
		code, out, errs := invoke(t, "diff", deploy, branch)
		g.Expect(code).To(Equal(cli.ExitFindings), errs)
		g.Expect(out).To(ContainSubstring("newly open:\n"))
		g.Expect(out).To(ContainSubstring("im/chat: intruder -> msggateway:10001/TCP"))
		g.Expect(out).To(ContainSubstring("new findings:\n  im/chat: High ForeignPolicyWidens NetworkPolicy im/debug"))
		g.Expect(out).NotTo(ContainSubstring("newly closed"))
	})
	t.Run("newly closed, from a report", func(t *testing.T) {
		g := NewWithT(t)
		today := filepath.Join(t.TempDir(), "branch.json")
		invoke(t, "audit", "--from-files", branch, "-o", "json", "--output-file", today)
		code, out, errs := invoke(t, "diff", today, report)
		g.Expect(code).To(Equal(cli.ExitFindings), errs)
		g.Expect(out).To(ContainSubstring("newly closed:\n"))
		g.Expect(out).To(ContainSubstring("findings that are gone:\n  im/chat: High ForeignPolicyWidens NetworkPolicy im/debug"))
		g.Expect(out).NotTo(ContainSubstring("newly open"))
		code, _, errs = invoke(t, "diff", report, deploy)
		g.Expect(code).To(Equal(cli.ExitSealed), errs)
	})
	t.Run("a stack that is new", func(t *testing.T) {
		g := NewWithT(t)
		more := plugintest.Copies(t, "deploy")
		plugintest.Edit(t, filepath.Join(more, "stack.yaml"), "name: chat\n", "name: talk\n")
		code, out, _ := invoke(t, "diff", deploy, more)
		g.Expect(code).To(Equal(cli.ExitFindings))
		g.Expect(out).To(ContainSubstring("stacks:\n  im/chat is gone\n  im/talk is new\n"))
	})
	t.Run("what does not resolve", func(t *testing.T) {
		g := NewWithT(t)
		half := plugintest.Copies(t, "deploy")
		plugintest.Edit(t, filepath.Join(half, "stack.yaml"), "version: v3.8.3\n", "version: v9.9.9\n")
		code, out, _ := invoke(t, "diff", deploy, half)
		g.Expect(code).To(Equal(cli.ExitUnknown), out)
		g.Expect(out).To(ContainSubstring("could not be read in "))
	})
}

func TestReportsThatCannotBeRead(t *testing.T) {
	for content, says := range map[string]string{
		"":  "the file holds no report",
		"{": "not a report",
		`{"schema":"openimstack.dev/audit/v9"}`: `the report has schema "openimstack.dev/audit/v9", ` +
			`and this plugin reads "openimstack.dev/audit/v1"`,
	} {
		g := NewWithT(t)
		path := filepath.Join(t.TempDir(), "r.json")
		plugintest.Write(t, path, content)
		code, _, errs := invoke(t, "diff", path, path)
		g.Expect(code).To(Equal(cli.ExitUnknown))
		g.Expect(errs).To(ContainSubstring(says))
	}
	code, _, errs := invoke(t, "diff", "gone", "gone")
	g := NewWithT(t)
	g.Expect(code).To(Equal(cli.ExitUnknown))
	g.Expect(errs).To(ContainSubstring(os.ErrNotExist.Error()[:4]))
}

// The folder holds some of the objects: missing ones are added as the operator would, present ones count, and pods are known by their
// owner.
func TestDrift(t *testing.T) {
	g := NewWithT(t)
	dir := plugintest.Copies(t, "deploy")
	code, out, _ := invoke(t, "diff", "--from-files", dir)
	g.Expect(code).To(Equal(cli.ExitSealed), out)
	g.Expect(out).To(Equal("OpenIMStack im/chat: as the operator writes it\n"))

	plugintest.Write(t, filepath.Join(dir, "children.yaml"), `apiVersion: v1
kind: Service
metadata: {name: chat-api, namespace: im, labels: {app.kubernetes.io/instance: other}}
spec: {type: NodePort, selector: {app.kubernetes.io/component: api}, ports: [{name: http, port: 10002, nodePort: 30000}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: chat-old-egress
  namespace: im
  labels: {app.kubernetes.io/instance: chat, app.kubernetes.io/part-of: openimstack, app.kubernetes.io/managed-by: openim-operator}
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
	g.Expect(code).To(Equal(cli.ExitFindings))
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

// A repository may hold the output of `render`. Each object then counts once, and the audit is the same.
func TestRenderedChildrenDoNotCountTwice(t *testing.T) {
	g := NewWithT(t)
	_, before, _ := invoke(t, "audit", "--from-files", plugintest.Path("deploy"), "-o", "json")
	dir := plugintest.Copies(t, "deploy")
	code, _, errs := invoke(t, "render", "--from-files", dir, "--output-file", filepath.Join(dir, "rendered.yaml"))
	g.Expect(code).To(Equal(cli.ExitSealed), errs)
	code, after, _ := invoke(t, "audit", "--from-files", dir, "-o", "json")
	g.Expect(code).To(Equal(cli.ExitSealed))
	was, is := plugintest.Reports(t, before)[0], plugintest.Reports(t, after)[0]
	g.Expect(is.Counts).To(Equal(was.Counts))
	g.Expect(is.Cells).To(Equal(was.Cells))

	// A changed object counts as it is in the folder.
	plugintest.Edit(t, filepath.Join(dir, "rendered.yaml"), "    - port: 10002\n", "    - port: 10003\n")
	code, out, _ := invoke(t, "diff", "--from-files", dir)
	g.Expect(code).To(Equal(cli.ExitFindings))
	g.Expect(out).To(ContainSubstring("NetworkPolicy im/chat-api-ingress spec.ingress[0].ports[0].port: 10003, 10002"))
	g.Expect(out).To(ContainSubstring("closed, should be open:\n  backend -> api:10002/TCP"))
}

// A pull request shows the output as a comment. It names no path: a folder may have the name of a branch, which its author chose.
func TestAComparisonAsAComment(t *testing.T) {
	g := NewWithT(t)
	deploy, branch := plugintest.Copies(t, "deploy"), plugintest.Copies(t, "deploy", "branch")
	for _, format := range []string{"md", "markdown"} {
		code, out, errs := invoke(t, "diff", deploy, branch, "--output", format)
		g.Expect(code).To(Equal(cli.ExitFindings), errs)
		g.Expect(out).To(HavePrefix("### Network audit: the two sides differ\n\n**Newly open** (11)\n\n```text\nim/chat: admins -> "))
		g.Expect(out).To(ContainSubstring("**New findings** (2)\n\n```text\nim/chat: High ForeignPolicyWidens NetworkPolicy im/debug: "))
		g.Expect(out).NotTo(ContainSubstring(branch))
	}
	code, out, _ := invoke(t, "diff", deploy, deploy, "-o", "md")
	g.Expect(code).To(Equal(cli.ExitSealed))
	g.Expect(out).To(Equal("### Network audit: both sides let the same connections through\n\n"))

	code, out, _ = invoke(t, "diff", "--from-files", branch, "-o", "md")
	g.Expect(code).To(Equal(cli.ExitFindings))
	g.Expect(out).To(HavePrefix("### OpenIMStack `im/chat`: differs from what the operator writes\n\n**Open, should be closed** (11)\n\n"))

	code, _, errs := invoke(t, "diff", deploy, branch, "-o", "html")
	g.Expect(code).To(Equal(cli.ExitUnknown))
	g.Expect(errs).To(ContainSubstring(`unknown format "html": use one of text, md`))
}
