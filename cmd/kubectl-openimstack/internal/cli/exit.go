package cli

import (
	"errors"
	"fmt"
)

// Exit codes, for pipelines. They are documented in docs/plugin.md.
const (
	// ExitSealed means that everything was read, and is as intended.
	ExitSealed = 0
	// ExitUnknown means that the question could not be answered. Every error ends with it, usage errors included.
	ExitUnknown = 1
	// ExitFindings means that something is open that should not be, or that something differs.
	ExitFindings = 2
)

// exitCode carries an exit code through cobra, whose commands return nothing but errors. The command has printed its result already: Run
// prints no error for it.
type exitCode int

// Error is never printed. It is written for a caller that does not know Code.
func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// Exit returns the error by which a command ends with a code, nil for 0.
//
//	return cli.Exit(cli.ExitFindings)
func Exit(code int) error {
	if code == ExitSealed {
		return nil
	}
	return exitCode(code)
}

// Code returns the exit code for the error of a command, and the error to print. The error is nil when the command has printed its
// result itself.
func Code(err error) (int, error) {
	var code exitCode
	switch {
	case err == nil:
		return ExitSealed, nil
	case errors.As(err, &code):
		return int(code), nil
	default:
		return ExitUnknown, err
	}
}
