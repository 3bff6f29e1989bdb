package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/openimstack/openim-operator/wrapper/audit"
)

// Exit codes of audit verify.
const (
	exitBroken     = 1 // the trail is not as it was written
	exitUnreadable = 2 // there is no trail, or it could not be read to its end
)

// auditVerify runs `wrapper audit verify [--partial] [FILE|-]...`: what follows the two words is in args.
func auditVerify(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("audit verify", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	verifier := audit.Verifier{}
	flags.BoolVar(&verifier.Partial, "partial", false, "accept that the beginning is missing")
	if flags.Parse(args) != nil {
		_, _ = fmt.Fprint(stderr, usage)
		return exitUsage
	}
	files := flags.Args()
	if len(files) == 0 {
		files = []string{"-"}
	}
	for _, name := range files {
		if err := readTrail(&verifier, name, stdin); err != nil {
			_, _ = fmt.Fprintf(stderr, "cannot read the trail: %v\n", err)
			return exitUnreadable
		}
	}
	report := verifier.Report()
	if report.Events == 0 && report.Good() {
		_, _ = fmt.Fprintln(stderr, "cannot read the trail: the input holds no audit event")
		return exitUnreadable
	}
	if err := report.Write(stdout); err != nil {
		_, _ = fmt.Fprintf(stderr, "cannot write the report: %v\n", err)
		return exitUnreadable
	}
	if !report.Good() {
		return exitBroken
	}
	return exitOK
}

func readTrail(v *audit.Verifier, name string, stdin io.Reader) (err error) {
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
