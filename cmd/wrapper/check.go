package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/openimstack/openim-operator/wrapper/backend"
	"github.com/openimstack/openim-operator/wrapper/check"
)

// checkTimeout bounds a check. A hundred routes take less than a second.
const checkTimeout = time.Minute

// outputs are the values of --output.
const (
	outputText = "text"
	outputJSON = "json"
)

// checkContract runs `wrapper check --config FILE [--output text|json]` with the backend's configuration. args holds what follows "check".
func checkContract(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("check", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	path := flags.String("config", "", "the backend's configuration file")
	output := flags.String("output", outputText, "text or json")
	if flags.Parse(args) != nil || *path == "" || flags.NArg() > 0 || *output != outputText && *output != outputJSON {
		_, _ = fmt.Fprint(stderr, usage)
		return exitUsage
	}
	data, err := os.ReadFile(*path)
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "reading the configuration: %v\n", err)
		return exitFailed
	}
	config, err := backend.ParseConfig(data)
	if err != nil {
		_, _ = fmt.Fprintln(stderr, err)
		return exitFailed
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	findings, err := backend.Check(ctx, config, time.Now)
	if err != nil {
		_, _ = fmt.Fprintln(stderr, err)
		return exitFailed
	}
	report := reportOf(findings)
	if err := report.write(stdout, *output); err != nil {
		_, _ = fmt.Fprintf(stderr, "writing the report: %v\n", err)
		return exitFailed
	}
	if len(report.Problems) > 0 {
		return exitFailed
	}
	return exitOK
}

// contractReport is what `wrapper check --output json` prints.
type contractReport struct {
	Checked  int             `json:"checked"`
	Problems []check.Finding `json:"problems"`
}

func reportOf(findings []check.Finding) contractReport {
	r := contractReport{Checked: len(findings), Problems: []check.Finding{}}
	for _, f := range findings {
		if f.Problem != "" {
			r.Problems = append(r.Problems, f)
		}
	}
	return r
}

func (r contractReport) write(out io.Writer, format string) error {
	if format == outputJSON {
		return json.NewEncoder(out).Encode(r)
	}
	for _, p := range r.Problems {
		if _, err := fmt.Fprintf(out, "%s: %s\n", p.Name, p.Problem); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, "%d things checked, %d problems\n", r.Checked, len(r.Problems))
	return err
}
