package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/openimstack/openim-operator/hack/render"
)

// check is one rule. It reads the tree and may print figures; each finding is one sentence that says what to do.
type check struct {
	name string
	run  func(ctx context.Context, t tree, figures io.Writer) ([]string, error)
}

// In this order: what is quick comes first.
var checks = []check{
	{"formatted", formatted},
	{"size", size},
	{"words", words},
	{"columns", columns},
	{"language", language},
	{"docs", packageDocs},
	{"claims", claims},
	{"weight", weight},
	{"conventions", conventions},
	{"crds", crds},
	{"rights", rights},
	{"generated", generated},
	{"tidy", tidy},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	only := flag.String("only", "", "comma-separated checks to run; empty: all of "+names())
	flag.Parse()
	if err := run(ctx, *only, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "verify:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, only string, out io.Writer) error {
	selected, err := selectChecks(only)
	if err != nil {
		return err
	}
	root, err := render.Root()
	if err != nil {
		return err
	}
	t, err := readTree(ctx, root)
	if err != nil {
		return err
	}
	failed := 0
	for _, c := range selected {
		start := time.Now()
		var figures strings.Builder
		findings, err := c.run(ctx, t, &figures)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		verdict := "ok"
		if len(findings) > 0 {
			verdict, failed = "FAIL", failed+1
		}
		fmt.Fprintf(out, "verify: %-12s %-4s %5.1fs %s\n", c.name, verdict, time.Since(start).Seconds(), figures.String())
		for _, finding := range findings {
			fmt.Fprintln(out, "  "+strings.ReplaceAll(finding, "\n", "\n    "))
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d checks failed", failed, len(selected))
	}
	return nil
}

func selectChecks(only string) ([]check, error) {
	if only == "" {
		return checks, nil
	}
	var selected []check
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(checks, func(c check) bool { return c.name == name })
		if i < 0 {
			return nil, fmt.Errorf("no check is called %q: choose of %s", name, names())
		}
		selected = append(selected, checks[i])
	}
	return selected, nil
}

func names() string {
	var all []string
	for _, c := range checks {
		all = append(all, c.name)
	}
	return strings.Join(all, ", ")
}
