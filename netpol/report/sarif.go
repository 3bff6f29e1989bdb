package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/openimstack/openim-operator/netpol/audit"
)

// The schema and the version of SARIF that writeSARIF writes.
const (
	sarifSchema  = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
	sarifVersion = "2.1.0"
)

// writeSARIF writes reports as one run of SARIF 2.1.0: GitHub refuses a file with several runs of one tool.
func writeSARIF(w io.Writer, reports []audit.Report, version string) error {
	run := sarifRun{
		Tool: sarifTool{sarifDriver{
			Name: "kubectl-openimstack", Version: version, Rules: sarifRules(),
			InformationURI: documentation + "docs/lockdown.md",
		}},
		Results: []sarifResult{}, Invocations: []sarifInvocation{{ExecutionSuccessful: true, Notifications: []sarifNotification{}}},
		Properties: sarifRunProperties{Stacks: []sarifStack{}},
	}
	prints := fingerprints{}
	for _, r := range reports {
		run.Properties.Stacks = append(run.Properties.Stacks, sarifStack{
			Name: r.Stack.Namespace + "/" + r.Stack.Name, Version: r.Stack.Version, Verdict: string(r.Verdict), Digest: r.Digest,
		})
		for _, f := range r.Findings {
			run.Results = append(run.Results, sarifResultOf(r.Stack, f, prints.of(r.Stack, f)))
		}
		for _, u := range r.Unread {
			invocation := &run.Invocations[0]
			invocation.ExecutionSuccessful = false
			invocation.Notifications = append(invocation.Notifications, sarifNotification{
				Level: "error", Message: sarifText(fmt.Sprintf("%s/%s: could not be read: %s: %s", r.Stack.Namespace, r.Stack.Name, u.Kind, u.Reason)),
			})
		}
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(sarifLog{Schema: sarifSchema, Version: sarifVersion, Runs: []sarifRun{run}}); err != nil {
		return fmt.Errorf("writing the report as SARIF: %w", err)
	}
	return nil
}

// sarifRules returns a rule for each kind of the table of checks, sorted by name.
func sarifRules() []sarifRule {
	kinds := slices.SortedFunc(slices.Values(audit.Kinds()), func(a, b audit.Kind) int { return cmp.Compare(a.Name, b.Name) })
	rules := make([]sarifRule, 0, len(kinds))
	for _, k := range kinds {
		worst := k.Severities[0]
		first, _, _ := strings.Cut(k.Meaning, ". ")
		help := k.Meaning + " For example: " + k.Example + ". How to close it: " + k.Fix
		markdown := k.Meaning + "\n\nFor example: " + k.Example + ".\n\n**How to close it:** " + k.Fix
		rules = append(rules, sarifRule{
			ID: k.Name, Name: k.Name,
			Short: sarifText(unquoted(strings.TrimSuffix(first, ".")) + "."), Full: sarifText(unquoted(k.Meaning)),
			Help:          sarifMessage{Text: sarifText(unquoted(help)).Text, Markdown: markdown},
			HelpURI:       documentation + "docs/lockdown.md#findings",
			Configuration: sarifConfiguration{Level: sarifLevel(worst)},
			Properties:    sarifRuleProperties{Tags: []string{"security", "network"}, SecuritySeverity: securitySeverity[worst]},
		})
	}
	return rules
}

// documentation is the folder of the repository under which rules find their pages.
const documentation = "https://github.com/openimstack/openim-operator/blob/main/"

// securitySeverity is the number by which code scanning orders rules: above 9.0 it says critical, from 7.0 high, from 4.0 medium.
var securitySeverity = map[audit.Severity]string{audit.Critical: "9.5", audit.High: "8.0", audit.Medium: "5.5", audit.Low: "2.0"}

// sarifLevel returns the level of a severity. Levels below warning do not fail an audit.
func sarifLevel(s audit.Severity) string {
	switch s {
	case audit.Critical, audit.High:
		return "error"
	case audit.Medium:
		return "warning"
	default:
		return "note"
	}
}

// sarifResultOf returns a finding as a result. Every result has the list of suppressions, empty or not: SARIF wants all or none (3.27.23).
func sarifResultOf(stack audit.Stack, f audit.Finding, print string) sarifResult {
	result := sarifResult{
		RuleID: f.Kind, Level: sarifLevel(f.Severity),
		Message: sarifText(fmt.Sprintf("%s/%s: %s: %s. Lets through: %s. How to close it: %s",
			stack.Namespace, stack.Name, f.Object.Path(), sentenceOf(f.Reason), sentenceOf(f.Lets), f.Fix)),
		Locations:    []sarifLocation{{Logical: []sarifLogical{{Name: f.Object.Name, QualifiedName: f.Object.Path(), Kind: "resource"}}}},
		Fingerprints: map[string]string{"primaryLocationLineHash": print, "openimstackFinding/v1": print},
		Properties:   sarifResultProperties{Stack: stack.Namespace + "/" + stack.Name, Severity: string(f.Severity), Ports: f.Ports},
		Suppressions: []sarifSuppression{},
	}
	if at := f.Location; at != nil {
		result.Locations[0].Physical = &sarifPhysical{Artifact: sarifArtifactOf(at.File), Region: sarifRegion{StartLine: max(1, at.Line)}}
	}
	if f.Excepted != nil {
		result.Suppressions = append(result.Suppressions, sarifSuppression{
			Kind: "external", Status: "accepted", Justification: f.Excepted.Reason + " (expires " + f.Excepted.Expires + ")",
		})
	}
	return result
}

// sentenceOf returns a text without the full stop at its end.
func sentenceOf(s string) string { return strings.TrimRight(s, ". ") }

// unquoted returns a text of the table of checks without the marks of code.
func unquoted(s string) string { return strings.ReplaceAll(s, "`", "") }

// messageEscapes keep a text from becoming a link, which brackets make in a message of SARIF (3.11.6).
var messageEscapes = strings.NewReplacer(`\`, `\\`, `[`, `\[`, `]`, `\]`)

// sarifText returns a text as a message.
func sarifText(s string) sarifMessage { return sarifMessage{Text: messageEscapes.Replace(s)} }
