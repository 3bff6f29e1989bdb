package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"
)

func diffCommand() command {
	return command{
		name: "diff", usage: "[STACK] | A B", most: 2,
		short: "compare what is there with what is intended, or two audits",
		long: `Without arguments, or with a stack's name: compares the NetworkPolicies and Services of the cluster, and the labels of the stack's
pods, with what the operator writes, field by field, and names what is open and should not be.

With two paths: compares two folders of manifests, or two reports of ` + "`audit -o json`" + `, and says what is newly open and newly shut, and
which findings came and went. One of each is fine.

  ` + name + ` diff -n im
  ` + name + ` diff main/deploy/ branch/deploy/
  ` + name + ` diff yesterday.json today.json`,
		exit: "0 no difference, 2 some, 1 it could not be told.",
		flags: func(flags *pflag.FlagSet, o *options) {
			clusterFlags(flags, o)
			allNamespacesFlag(flags, o)
			fileFlags(flags, o)
		},
		run: runDiff,
	}
}

func runDiff(ctx context.Context, p *program, o *options, args []string) (int, error) {
	if len(args) == 2 {
		return p.diffReports(ctx, o, args[0], args[1])
	}
	s, err := p.gather(ctx, o, args)
	if err != nil {
		return exitUnknown, err
	}
	code := exitSealed
	for i, v := range s.views {
		if i > 0 {
			fmt.Fprintln(p.out)
		}
		d := drift{view: v, report: s.audit(v)}
		if err := d.compare(); err != nil {
			return exitUnknown, err
		}
		if err := d.write(p.out); err != nil {
			return exitUnknown, err
		}
		code = max(code, d.exit())
	}
	return code, nil
}

func (p *program) diffReports(ctx context.Context, o *options, a, b string) (int, error) {
	before, err := p.reportsOf(ctx, o, a)
	if err != nil {
		return exitUnknown, err
	}
	after, err := p.reportsOf(ctx, o, b)
	if err != nil {
		return exitUnknown, err
	}
	c := compare(before, after)
	if err := c.write(p.out, a, b); err != nil {
		return exitUnknown, err
	}
	return c.exit(), nil
}

// section writes lines under a head, and nothing when there are none.
func section(w io.Writer, head string, lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(w, "%s\n  %s\n", head, strings.Join(lines, "\n  "))
	return err
}

// isFile tells a report from a folder.
func isFile(path string) (bool, error) {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular(), err
}
