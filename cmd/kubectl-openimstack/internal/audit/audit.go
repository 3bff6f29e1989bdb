package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/report"
)

func auditCommand() command {
	return command{
		name: "audit", usage: "[STACK]", most: 1,
		short: "say what really reaches a stack, and what opens it",
		long: `Compares what stacks intend to let through with what the NetworkPolicies, Services, Ingresses and routes of the cluster really let
through. Without a name: all stacks of the namespace.

  ` + name + ` audit -n im
  ` + name + ` audit -A -o json
  ` + name + ` audit chat -n im -o html --output-file chat.html
  ` + name + ` audit --from-files deploy/

With --from-files each stack is audited with what the operator would write for it. Formats json and md of several stacks follow one
another; dot, svg and html take one stack. Over several stacks the worst decides the exit code.`,
		flags: func(flags *pflag.FlagSet, o *options) {
			clusterFlags(flags, o)
			allNamespacesFlag(flags, o)
			fileFlags(flags, o)
			outputFlags(flags, o, formats()...)
		},
		run: runAudit,
	}
}

func formats() []string {
	var all []string
	for _, f := range report.Formats() {
		all = append(all, string(f))
	}
	return all
}

func runAudit(ctx context.Context, p *program, o *options, names []string) (int, error) {
	format, err := report.ParseFormat(o.output)
	if err != nil {
		return exitUnknown, err
	}
	s, err := p.gather(ctx, o, names)
	if err != nil {
		return exitUnknown, err
	}
	if one := []report.Format{report.DOT, report.SVG, report.HTML}; len(s.views) > 1 && slices.Contains(one, format) {
		return exitUnknown, fmt.Errorf("%s shows one stack, and there are %d: name one of %s", format, len(s.views), s.names())
	}
	var reports []audit.Report
	for _, v := range s.views {
		reports = append(reports, s.audit(v))
	}
	return worst(reports), p.publish(o, func(w io.Writer) error { return writeReports(w, format, reports, p.look(o)) }, func() string { return sentences(reports) })
}

// names of the stacks, for messages.
func (s *subject) names() string {
	var all []string
	for _, v := range s.views {
		all = append(all, v.name())
	}
	return strings.Join(all, ", ")
}

// exitOf a verdict.
func exitOf(v audit.Verdict) int {
	switch v {
	case audit.Sealed:
		return exitSealed
	case audit.Open:
		return exitFindings
	default:
		return exitUnknown
	}
}

// worst of several verdicts: what is found counts before what could not be told, as it does within one report.
func worst(reports []audit.Report) int {
	code := exitSealed
	for _, r := range reports {
		code = max(code, exitOf(r.Verdict))
	}
	return code
}

func writeReports(w io.Writer, format report.Format, reports []audit.Report, look report.Options) error {
	for i, r := range reports {
		var text bytes.Buffer
		if err := report.Write(&text, format, r, look); err != nil {
			return err
		}
		content := text.Bytes()
		if i > 0 && format == report.CSV { // one head is enough
			_, content, _ = bytes.Cut(content, []byte("\n"))
		}
		if i > 0 && (format == report.Table || format == report.Markdown) {
			content = append([]byte("\n"), content...)
		}
		if _, err := w.Write(content); err != nil {
			return err
		}
	}
	return nil
}

// sentences sum reports up, a line each.
func sentences(reports []audit.Report) string {
	var lines []string
	for _, r := range reports {
		lines = append(lines, fmt.Sprintf("OpenIMStack %s/%s: %s, %d findings, %d kinds or references not read", r.Stack.Namespace, r.Stack.Name, r.Verdict, len(r.Findings), len(r.Unread)))
	}
	return strings.Join(lines, "\n")
}
