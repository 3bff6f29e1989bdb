package audit_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/plugintest"
	"github.com/openimstack/openim-operator/netpol/audit"
)

// tomorrow and yesterday, as an exception has them.
var (
	tomorrow  = time.Now().UTC().AddDate(0, 0, 2).Format(time.DateOnly)
	yesterday = time.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly)
)

// exceptionsFile writes exceptions, each as finding, object and date, and returns the path.
func exceptionsFile(t *testing.T, entries ...string) string {
	t.Helper()
	var text strings.Builder
	text.WriteString("exceptions:\n")
	for _, entry := range entries {
		parts := strings.Fields(entry)
		text.WriteString("- finding: " + parts[0] + "\n  object: " + parts[1] + "\n  reason: ticket 311\n  expires: " + parts[2] + "\n")
	}
	path := filepath.Join(t.TempDir(), "exceptions.yaml")
	plugintest.Write(t, path, text.String())
	return path
}

// The two findings of testdata/branch.
const (
	policy  = "ForeignPolicyWidens im/NetworkPolicy/debug "
	service = "ServiceExposes im/Service/msggateway-debug "
)

func TestExceptionsDecideTheExitCode(t *testing.T) {
	branch, sealed := plugintest.Copies(t, "deploy", "branch"), plugintest.Copies(t, "deploy")
	for name, c := range map[string]struct {
		dir     string
		entries []string
		code    int
		errs    string
	}{
		"all findings": {branch, []string{policy + tomorrow, service + tomorrow}, cli.ExitSealed, ""},
		"one of two":   {branch, []string{policy + tomorrow}, cli.ExitFindings, ""},
		"one expired": {
			branch, []string{policy + tomorrow, service + yesterday}, cli.ExitFindings,
			"error: FILE:6: the exception for ServiceExposes of im/Service/msggateway-debug expired on " + yesterday +
				": fix the finding and remove the exception, or renew it after a review\n",
		},
		"expired, and the finding is gone": {
			sealed, []string{service + yesterday}, cli.ExitFindings,
			"error: FILE:2: the exception for ServiceExposes of im/Service/msggateway-debug expired on " + yesterday +
				": fix the finding and remove the exception, or renew it after a review\n",
		},
		"without a finding": {
			sealed, []string{service + tomorrow}, cli.ExitSealed,
			"warning: FILE:2: the exception for ServiceExposes of im/Service/msggateway-debug matches no finding: remove it, or it will hide a " +
				"later one\n",
		},
		"never": {
			branch, []string{"NotEnforced kube-system/Pod/x " + tomorrow}, cli.ExitUnknown,
			"error: reading exceptions: FILE:2: NotEnforced cannot be excepted: without enforcement nothing else that the report says is true\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			file := exceptionsFile(t, c.entries...)
			code, _, errs := invoke(t, "audit", "--from-files", c.dir, "--exceptions", file)
			g.Expect(code).To(Equal(c.code), errs)
			g.Expect(strings.ReplaceAll(errs, file, "FILE")).To(Equal(c.errs))
		})
	}
}

// A reference that does not resolve is no finding: an audit that could not tell stays one.
func TestExceptionsDoNotHideWhatCouldNotBeRead(t *testing.T) {
	g := NewWithT(t)
	dir := plugintest.Copies(t, "deploy", "branch")
	plugintest.Edit(t, filepath.Join(dir, "stack.yaml"), "kafka.infra.svc", "kafka.elsewhere.svc")
	code, _, errs := invoke(t, "audit", "--from-files", dir, "--exceptions", exceptionsFile(t, policy+tomorrow, service+tomorrow))
	g.Expect(code).To(Equal(cli.ExitUnknown), errs)
}

// Every format that shows findings shows that one is excepted, until when and why; csv and dot show connections alone.
func TestExceptedFindingsAreShownInEveryFormat(t *testing.T) {
	dir, file := plugintest.Copies(t, "deploy", "branch"), exceptionsFile(t, policy+tomorrow, service+tomorrow)
	for format, says := range map[string]string{
		"table": "excepted, expires " + tomorrow + ": ticket 311", "md": "Status: excepted, expires " + tomorrow + ": ticket 311",
		"json": `"expires": "` + tomorrow + `"`, "html": "<dt>Status</dt><dd>excepted, expires " + tomorrow + ": ticket 311</dd>",
		"svg": "excepted, expires " + tomorrow, "junit": `<skipped message="excepted, expires ` + tomorrow + `: ticket 311">`,
		"sarif": `"justification": "ticket 311 (expires ` + tomorrow + `)"`, "csv": "", "dot": "",
	} {
		t.Run(format, func(t *testing.T) {
			g := NewWithT(t)
			code, out, errs := invoke(t, "audit", "--from-files", dir, "--exceptions", file, "-o", format)
			g.Expect(code).To(Equal(cli.ExitSealed), errs)
			g.Expect(out).To(ContainSubstring(says))
			if format == "table" {
				g.Expect(out).To(HavePrefix("im/chat: 2 findings (2 high; 2 excepted)\n"))
				g.Expect(out).To(ContainSubstring("All of them are excepted for a time"))
			}
		})
	}
	g := NewWithT(t)
	_, out, _ := invoke(t, "audit", "--from-files", dir, "--exceptions", file, "-o", "json")
	g.Expect(plugintest.Reports(t, out)[0].Verdict).To(Equal(audit.VerdictFindings), "an accepted opening is open")
	_, out, _ = invoke(t, "audit", "--from-files", dir, "--exceptions", file, "--output-file", filepath.Join(t.TempDir(), "x"))
	g.Expect(out).To(ContainSubstring("Findings, 2 findings (2 excepted), 0 kinds"))
}

// A file that lies in the folder of the call is read only when the command line names it.
func TestNoFileOfExceptionsIsReadByDefault(t *testing.T) {
	g := NewWithT(t)
	dir := plugintest.Copies(t, "deploy", "branch")
	file := exceptionsFile(t, policy+tomorrow, service+tomorrow)
	t.Chdir(filepath.Dir(file))
	g.Expect(filepath.Base(file)).To(Equal("exceptions.yaml"))
	plugintest.Write(t, ".openimstack-audit.yaml", "exceptions: not even read")
	code, _, errs := invoke(t, "audit", "--from-files", dir)
	g.Expect(code).To(Equal(cli.ExitFindings), errs)
	code, _, errs = invoke(t, "audit", "--from-files", dir, "--exceptions", ".openimstack-audit.yaml")
	g.Expect(code).To(Equal(cli.ExitUnknown))
	g.Expect(errs).To(ContainSubstring(".openimstack-audit.yaml:1: exceptions is not a list"))
}

// A folder relative to the root of a repository gives locations that code scanning finds there. All stacks are in one document.
func TestSARIFNamesTheFilesOfTheFolder(t *testing.T) {
	g := NewWithT(t)
	dir := plugintest.Copies(t, "deploy", "branch")
	t.Chdir(filepath.Dir(dir))
	_, out, _ := invoke(t, "audit", "--from-files", "./"+filepath.Base(dir), "-o", "sarif")
	var log struct {
		Runs []struct {
			Results []struct {
				RuleID    string
				Locations []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           struct{ StartLine int }
					}
				}
			}
		}
	}
	g.Expect(json.Unmarshal([]byte(out), &log)).To(Succeed())
	g.Expect(log.Runs).To(HaveLen(1))
	lines := map[string]int{}
	for _, r := range log.Runs[0].Results {
		at := r.Locations[0].PhysicalLocation
		g.Expect(at.ArtifactLocation.URI).To(Equal(filepath.Base(dir) + "/debug.yaml"))
		lines[r.RuleID] = at.Region.StartLine
	}
	g.Expect(lines).To(Equal(map[string]int{"ForeignPolicyWidens": 1, "ServiceExposes": 11}))
}
