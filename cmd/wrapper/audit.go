package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/openimstack/openim-operator/wrapper/auditlog"
)

// Exit codes of audit verify.
const (
	exitBroken     = 1 // the audit log was changed or truncated
	exitUnreadable = 2 // there is no audit log, or it could not be read to its end
)

// auditVerify runs `wrapper audit verify [--partial] [--expect FILE|-] [FILE|-]...`. args holds what follows "verify".
func auditVerify(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("audit verify", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	verifier := auditlog.Verifier{}
	flags.BoolVar(&verifier.Partial, "partial", false, "accept that the beginning is missing")
	expect := flags.String("expect", "", "the list of registered heads")
	if flags.Parse(args) != nil {
		_, _ = fmt.Fprint(stderr, usage)
		return exitUsage
	}
	files := flags.Args()
	if len(files) == 0 {
		files = []string{"-"}
	}
	if *expect != "" {
		if *expect == "-" && slices.Contains(files, "-") {
			_, _ = fmt.Fprintln(stderr, "the standard input can be the audit log or the list of heads: write one of the two as a file")
			return exitUsage
		}
		if err := readExpected(&verifier, *expect, stdin); err != nil {
			_, _ = fmt.Fprintf(stderr, "reading the expected heads: %v\n", err)
			return exitUnreadable
		}
	}
	for _, name := range files {
		if err := readAuditLog(&verifier, name, stdin); err != nil {
			_, _ = fmt.Fprintf(stderr, "reading the audit log: %v\n", err)
			return exitUnreadable
		}
	}
	report := verifier.Report()
	if report.Events == 0 && report.Good() {
		_, _ = fmt.Fprintln(stderr, "reading the audit log: the input holds no audit event")
		return exitUnreadable
	}
	if err := report.Write(stdout); err != nil {
		_, _ = fmt.Fprintf(stderr, "writing the report: %v\n", err)
		return exitUnreadable
	}
	if !report.Good() {
		return exitBroken
	}
	return exitOK
}

// readExpected reads the registered heads that the audit log must contain.
func readExpected(v *auditlog.Verifier, name string, stdin io.Reader) error {
	in := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	heads, err := auditlog.ReadHeads(in)
	if err != nil {
		return err
	}
	v.Expect(heads)
	return nil
}

func readAuditLog(v *auditlog.Verifier, name string, stdin io.Reader) (err error) {
	if name == "-" {
		return v.Read(stdin)
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return v.Read(f)
}
