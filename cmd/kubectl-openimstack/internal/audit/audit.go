package audit

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/exceptions"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/load"
	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/report"
	"github.com/openimstack/openim-operator/version"
)

// options are the flags of the command.
type options struct {
	load.Flags

	streams                        cli.Streams
	output, outputFile, exceptions string
}

// New returns the command.
func New(streams cli.Streams, connection *genericclioptions.ConfigFlags) *cobra.Command {
	o := &options{streams: streams, Flags: load.Flags{Connection: connection}}
	cmd := &cobra.Command{
		Use:   "audit [STACK]",
		Short: "report what really reaches a stack, and what opens it",
		Long: `Compares what stacks intend to let through with what the NetworkPolicies, Services, Ingresses and routes of the cluster really let
through. Without a name, all stacks of the namespace are audited.

With --from-files each stack is audited with the objects that the operator would write for it. Formats json and md of several stacks
follow one another, sarif and junit hold all stacks, and dot, svg and html take one stack. Over several stacks the worst result decides
the exit code.

With --exceptions, findings that the file accepts are marked as excepted and do not fail the audit. An exception that has expired does.`,
		Example: `  ` + cli.Name + ` audit -n im
  ` + cli.Name + ` audit -A -o json
  ` + cli.Name + ` audit chat -n im -o html --output-file chat.html
  ` + cli.Name + ` audit --from-files deploy/
  ` + cli.Name + ` audit --from-files deploy/ --exceptions .openimstack-audit.yaml -o sarif --output-file audit.sarif`,
		Args:              cli.Args(0, 1),
		ValidArgsFunction: o.CompleteStack(),
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args) },
	}
	flags := cmd.Flags()
	o.AddAllNamespaces(flags)
	o.AddFiles(flags)
	flags.StringVarP(&o.output, "output", "o", formats()[0], "format: "+strings.Join(formats(), ", "))
	flags.StringVar(&o.outputFile, "output-file", "", "write to this file, and a line about it to the terminal")
	flags.StringVar(&o.exceptions, "exceptions", "", "file of findings that are accepted for a time; no file is read by default")
	cli.CompleteFlag(cmd, "output", cobra.FixedCompletions(formats(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// formats returns the names of the formats, the default first.
func formats() []string {
	var all []string
	for _, f := range report.Formats() {
		all = append(all, string(f))
	}
	return all
}

// run audits the selected stacks and writes the reports.
func (o *options) run(ctx context.Context, names []string) error {
	format, err := report.ParseFormat(o.output)
	if err != nil {
		return err
	}
	accepted, err := o.readExceptions()
	if err != nil {
		return err
	}
	s, err := load.Read(ctx, &o.Flags, names, o.streams.ErrOut)
	if err != nil {
		return err
	}
	// A picture shows one graph. The other formats can follow one another.
	pictures := []report.Format{report.DOT, report.SVG, report.HTML}
	if len(s.Stacks) > 1 && slices.Contains(pictures, format) {
		return fmt.Errorf("%s shows one stack, and there are %d: name one of %s", format, len(s.Stacks), s.Names())
	}
	reports := s.Audits()
	for i := range reports {
		reports[i].Accept(accepted.Match)
	}
	err = o.streams.Publish(o.outputFile, func(w io.Writer) error {
		return report.WriteAll(w, format, reports, o.reportOptions())
	}, func() string { return summary(reports) })
	if err != nil {
		return err
	}
	return cli.Exit(max(worst(reports), o.reviewExceptions(accepted)))
}

// readExceptions reads the file of --exceptions. Without the flag there are none: a file that the current folder happens to hold must not
// hide a finding.
func (o *options) readExceptions() (*exceptions.Set, error) {
	if o.exceptions == "" {
		return nil, nil //nolint:nilnil // a nil set has no exceptions
	}
	return exceptions.Read(o.exceptions, time.Now())
}

// reviewExceptions reports exceptions that have expired, which fail the audit, and those without a finding.
func (o *options) reviewExceptions(set *exceptions.Set) int {
	for _, text := range set.Unused() {
		fmt.Fprintln(o.streams.ErrOut, "warning:", cli.OneLine(text))
	}
	expired := set.Expired()
	for _, text := range expired {
		fmt.Fprintln(o.streams.ErrOut, "error:", cli.OneLine(text))
	}
	if len(expired) > 0 {
		return cli.ExitFindings
	}
	return cli.ExitSealed
}

// reportOptions are those of the terminal. A file gets no colours.
func (o *options) reportOptions() report.Options {
	options := report.Options{Version: version.String()}
	if o.outputFile == "" {
		options.Colour, options.Width = o.streams.Terminal.Colour, o.streams.Terminal.Width
	}
	return options
}

// exitCode returns the exit code for a verdict on what is not excepted.
func exitCode(v audit.Verdict) int {
	switch v {
	case audit.VerdictSealed:
		return cli.ExitSealed
	case audit.VerdictFindings:
		return cli.ExitFindings
	default:
		return cli.ExitUnknown
	}
}

// worst returns the exit code for several verdicts. Findings outrank what could not be read, as they do within one report.
func worst(reports []audit.Report) int {
	code := cli.ExitSealed
	for _, r := range reports {
		code = max(code, exitCode(r.Outcome()))
	}
	return code
}

// summary returns one line for each report.
func summary(reports []audit.Report) string {
	var lines []string
	for _, r := range reports {
		lines = append(lines, fmt.Sprintf("OpenIMStack %s/%s: %s, %d findings%s, %d kinds or references not read",
			r.Stack.Namespace, r.Stack.Name, r.Verdict, len(r.Findings), excepted(r.Counts), len(r.Unread)))
	}
	return strings.Join(lines, "\n")
}

// excepted returns how many findings are excepted, in brackets; empty when none is.
func excepted(c audit.Counts) string {
	if c.Excepted == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d excepted)", c.Excepted)
}
