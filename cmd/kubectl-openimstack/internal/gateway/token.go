package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const (
	// maxToken limits a token, in bytes, as the gateway does.
	maxToken = 8 << 10
	// tokenTimeout limits the program that prints a token. It may ask a person.
	tokenTimeout = 2 * time.Minute
)

// TokenFlags say where an administrator's token comes from. It is never an argument: other processes of the machine can read those.
type TokenFlags struct {
	// File holds the token; - is the standard input.
	File string
	// Command prints the token: a program and its arguments, separated by spaces.
	Command string
}

// Add adds the flags to a command.
func (f *TokenFlags) Add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.File, "token-file", "", "a file with the administrator's JWT; - reads it from the standard input")
	flags.StringVar(&f.Command, "token-command", "",
		"a program with its arguments that prints the administrator's JWT, such as 'step oauth --bare'; no shell reads it")
	cmd.MarkFlagsOneRequired("token-file", "token-command")
	cmd.MarkFlagsMutuallyExclusive("token-file", "token-command")
}

// Read returns the token.
func (f *TokenFlags) Read(ctx context.Context, in io.Reader, errs io.Writer) (string, error) {
	switch {
	case f.Command != "":
		token, err := run(ctx, strings.Fields(f.Command), errs)
		if err != nil {
			return "", fmt.Errorf("--token-command: %w", err)
		}
		return token, nil
	case f.File == "-":
		token, err := readToken(in)
		if err != nil {
			return "", fmt.Errorf("--token-file: the standard input: %w", err)
		}
		return token, nil
	default:
		file, err := os.Open(f.File)
		if err != nil {
			return "", fmt.Errorf("--token-file: %w", err)
		}
		defer func() { _ = file.Close() }()
		token, err := readToken(file)
		if err != nil {
			return "", fmt.Errorf("--token-file: %s: %w", f.File, err)
		}
		return token, nil
	}
}

// run runs a program and reads the token that it prints.
func run(ctx context.Context, words []string, errs io.Writer) (string, error) {
	if len(words) == 0 {
		return "", errors.New("it names no program")
	}
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	program := exec.CommandContext(ctx, words[0], words[1:]...) //nolint:gosec // it is the caller's own command line
	program.WaitDelay = time.Second
	program.Stderr = errs
	out, err := program.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := program.Start(); err != nil {
		return "", err
	}
	token, readErr := readToken(out)
	_, _ = io.Copy(io.Discard, io.LimitReader(out, maxToken)) // lets the program end
	if err := program.Wait(); err != nil {
		return "", fmt.Errorf("%s: %w", words[0], err)
	}
	return token, readErr
}

// readToken reads a token that stands alone. No error text holds a part of it.
func readToken(r io.Reader) (string, error) {
	content, err := io.ReadAll(io.LimitReader(r, maxToken+1))
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(content))
	switch {
	case len(content) > maxToken:
		return "", fmt.Errorf("more than %d bytes: give a JWT alone", maxToken)
	case token == "":
		return "", errors.New("it is empty: give a JWT")
	case strings.Count(token, ".") != 2 || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", errors.New("it is no JWT: give three parts separated by dots, and nothing else")
	}
	return token, nil
}
