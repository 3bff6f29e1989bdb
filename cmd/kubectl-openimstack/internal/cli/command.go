package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// annotationExitCodes is the annotation of a command under which its help finds the meaning of the exit codes.
const annotationExitCodes = "openimstack.dev/exit-codes"

// DefaultExitCodes is the meaning of the exit codes of a command that has no text of its own.
const DefaultExitCodes = "0 sealed, 2 findings, 1 could not tell (errors included)."

// DescribeExitCodes sets the text that the help of a command shows for its exit codes.
func DescribeExitCodes(cmd *cobra.Command, text string) {
	if cmd.Annotations == nil {
		cmd.Annotations = map[string]string{}
	}
	cmd.Annotations[annotationExitCodes] = text
}

// ExitCodes returns the meaning of the exit codes of a command.
func ExitCodes(cmd *cobra.Command) string {
	if text := cmd.Annotations[annotationExitCodes]; text != "" {
		return text
	}
	return DefaultExitCodes
}

// Args returns the check of the number of arguments. Cobra's own checks name neither the arguments nor the help.
//
//	explain takes 3 arguments (FROM TO PORT)
//	See 'kubectl openimstack explain --help' for usage
func Args(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= least && len(args) <= most {
			return nil
		}
		return UsageError(cmd, fmt.Errorf("%s takes %s", cmd.Name(), arity(cmd, least, most)))
	}
}

// arity returns how many arguments a command takes, in words. The arguments are the words behind the name in Use.
func arity(cmd *cobra.Command, least, most int) string {
	_, usage, _ := strings.Cut(cmd.Use, " ")
	switch {
	case most == 0:
		return "no arguments"
	case least == most && most == 1:
		return fmt.Sprintf("1 argument (%s)", usage)
	case least == most:
		return fmt.Sprintf("%d arguments (%s)", most, usage)
	default:
		return fmt.Sprintf("%d to %d arguments (%s)", least, most, usage)
	}
}

// UsageError adds to an error where the help is, in the words of kubectl.
func UsageError(cmd *cobra.Command, err error) error {
	return fmt.Errorf("%w\nSee '%s --help' for usage", err, cmd.CommandPath())
}
