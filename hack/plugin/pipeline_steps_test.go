package main

import (
	"encoding/json"
	"encoding/xml"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/hack/render"
)

const workflow = "config/pipeline/github-workflow.yaml"

// step returns the script of a step of the GitHub workflow.
func step(t *testing.T, r repository, name string) string {
	t.Helper()
	var file struct {
		Jobs map[string]struct{ Steps []map[string]any }
	}
	NewWithT(t).Expect(yamlInto(r.read(workflow), &file)).To(Succeed())
	for _, s := range file.Jobs["audit"].Steps {
		if s["name"] == name {
			return s["run"].(string)
		}
	}
	t.Fatalf("%s has no step %q", workflow, name)
	return ""
}

func TestTheGitHubWorkflowIsValid(t *testing.T) {
	g := NewWithT(t)
	root, err := render.Root()
	g.Expect(err).NotTo(HaveOccurred())
	lint := func(path string) (string, error) {
		// shellcheck and pyflakes are found on some machines only, so neither is used.
		out, err := render.Tool(t.Context(), root, "actionlint", nil, "-no-color", "-shellcheck=", "-pyflakes=", path).CombinedOutput()
		return string(out), err
	}
	out, err := lint(workflow)
	g.Expect(err).NotTo(HaveOccurred(), out)

	r := newRepository(t)
	r.write("workflow.yaml", strings.Replace(r.read(workflow), "github.event_name == 'push'", "github.evnt_name == 'push'", 1))
	out, err = lint(filepath.Join(r.dir, "workflow.yaml"))
	g.Expect(err).To(HaveOccurred(), "a mistake is found")
	g.Expect(out).To(ContainSubstring("evnt_name"))
}

// A workflow that runs on what a fork sends must neither hold a token that writes nor paste texts of the fork into scripts.
func TestTheGitHubWorkflowIsSafeWithForks(t *testing.T) {
	g := NewWithT(t)
	r := newRepository(t)
	text := r.read(workflow)
	g.Expect(text).NotTo(ContainSubstring("pull_request_target"))
	for _, name := range []string{"Install", "Audit", "Compare", "Comment"} {
		g.Expect(step(t, r, name)).NotTo(ContainSubstring("${{"), "an expression in a script is code of whoever wrote its value")
	}
	g.Expect(text).To(ContainSubstring("\npermissions:\n  contents: read\n"))
}

func TestTheAuditStepOfGitHub(t *testing.T) {
	audit := func(r repository) (int, string) { return r.shell(step(t, r, "Audit")) }
	t.Run("sealed", func(t *testing.T) {
		g, r := NewWithT(t), newRepository(t)
		code, out := audit(r)
		g.Expect(code).To(Equal(0), out)
		g.Expect(json.Valid([]byte(r.output("report")))).To(BeTrue())
	})
	t.Run("open", func(t *testing.T) {
		g, r := NewWithT(t), newRepository(t)
		r.open()
		code, out := audit(r)
		g.Expect(code).To(Equal(2), out)
		g.Expect(r.output("report")).To(ContainSubstring(`"uri": "deploy/debug.yaml"`))
	})
	t.Run("excepted", func(t *testing.T) {
		g, r := NewWithT(t), newRepository(t)
		r.open()
		expires := time.Now().UTC().AddDate(0, 0, 30).Format(time.DateOnly)
		r.write(".openimstack-audit.yaml", "exceptions:\n"+
			"- {finding: ServiceExposes, object: im/Service/msggateway-debug, reason: ticket 311, expires: "+expires+"}\n"+
			"- {finding: ForeignPolicyWidens, object: im/NetworkPolicy/debug, reason: ticket 311, expires: "+expires+"}\n")
		code, out := audit(r)
		g.Expect(code).To(Equal(0), out)
		g.Expect(strings.Count(r.output("report"), `"status": "accepted"`)).To(Equal(2))
	})
	t.Run("unreadable", func(t *testing.T) {
		g, r := NewWithT(t), newRepository(t)
		r.breakYAML()
		r.write("audit.sarif", "{}") // somebody's own, which must not pass for a report
		code, out := audit(r)
		g.Expect(code).To(Equal(1))
		g.Expect(out).To(ContainSubstring("broken.yaml:"))
		g.Expect(r.output("report")).To(BeEmpty(), "nothing is uploaded")
	})
}

func TestTheCompareStepOfGitHub(t *testing.T) {
	compare := func(r repository) (int, string) { return r.shell(step(t, r, "Compare"), "BASE="+r.head()) }
	t.Run("no difference", func(t *testing.T) {
		g, r := NewWithT(t), newRepository(t)
		code, out := compare(r)
		g.Expect(code).To(Equal(0), out)
		g.Expect(r.output("comment")).To(HavePrefix("### Network audit: both sides let the same connections through\n"))
	})
	t.Run("a difference is for the reviewers", func(t *testing.T) {
		g, r := NewWithT(t), newRepository(t)
		r.open()
		code, out := compare(r)
		g.Expect(code).To(Equal(0), out)
		g.Expect(r.output("comment")).To(ContainSubstring("**Newly open** (11)\n"))
	})
	t.Run("unreadable", func(t *testing.T) {
		g, r := NewWithT(t), newRepository(t)
		r.breakYAML()
		r.write("comment.md", "all is well")
		code, out := compare(r)
		g.Expect(code).To(Equal(1), out)
		g.Expect(r.output("comment")).To(BeEmpty())
	})
}

func TestTheJobsOfGitLab(t *testing.T) {
	jobs := func(r repository) (audit, diff string) {
		var file map[string]map[string]any
		g := NewWithT(t)
		g.Expect(yamlInto(r.read("config/pipeline/gitlab-ci.yaml"), &file)).To(Succeed())
		g.Expect(file).To(HaveLen(3), "variables and two jobs")
		g.Expect(file["openimstack-audit"]["artifacts"]).To(HaveKeyWithValue("reports", HaveKeyWithValue("junit", "audit.xml")))
		script := func(job string) string {
			var lines []string
			for _, line := range file[job]["script"].([]any) {
				lines = append(lines, line.(string))
			}
			return strings.Join(lines, "\n")
		}
		return script("openimstack-audit"), script("openimstack-diff")
	}
	for name, c := range map[string]struct {
		change                func(repository)
		audit, diff, failures int
	}{
		"sealed":     {func(repository) {}, 0, 0, 0},
		"open":       {repository.open, 2, 0, 2},
		"unreadable": {repository.breakYAML, 1, 1, -1},
	} {
		t.Run(name, func(t *testing.T) {
			g, r := NewWithT(t), newRepository(t)
			r.shell("git remote add origin . && git config uploadpack.allowAnySHA1InWant true")
			audit, diff := jobs(r)
			c.change(r)
			code, out := r.shell(audit)
			g.Expect(code).To(Equal(c.audit), out)
			if c.failures >= 0 {
				var suites struct {
					Failures int `xml:"failures,attr"`
				}
				g.Expect(xml.Unmarshal([]byte(r.result("audit.xml")), &suites)).To(Succeed())
				g.Expect(suites.Failures).To(Equal(c.failures))
			}
			code, out = r.shell(diff, "CI_MERGE_REQUEST_DIFF_BASE_SHA="+r.head())
			g.Expect(code).To(Equal(c.diff), out)
		})
	}
}

func TestTheHookOfPreCommit(t *testing.T) {
	for name, c := range map[string]struct {
		change func(repository)
		code   int
	}{"sealed": {func(repository) {}, 0}, "open": {repository.open, 2}, "unreadable": {repository.breakYAML, 1}} {
		t.Run(name, func(t *testing.T) {
			g, r := NewWithT(t), newRepository(t)
			var hooks []struct {
				ID, Name, Description, Entry, Language, Files string
				Args                                          []string
				PassFilenames                                 *bool `json:"pass_filenames"`
			}
			decode(t, r.read(".pre-commit-hooks.yaml"), &hooks)
			g.Expect(hooks).To(HaveLen(1))
			g.Expect(*hooks[0].PassFilenames).To(BeFalse(), "a stack is audited as a whole")
			g.Expect("deploy/stack.yml").To(MatchRegexp(hooks[0].Files))
			c.change(r)
			code, out := r.shell(hooks[0].Entry + " " + strings.Join(hooks[0].Args, " "))
			g.Expect(code).To(Equal(c.code), out)
		})
	}
}
