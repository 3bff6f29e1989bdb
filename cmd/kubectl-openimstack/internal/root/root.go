package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/pflag"
)

// Exit codes, for pipelines.
const (
	// exitSealed: everything was read, and is as intended.
	exitSealed = 0
	// exitUnknown: it could not be told. All errors end with it, those of usage too.
	exitUnknown = 1
	// exitFindings: something is open, or differs.
	exitFindings = 2
)

// program is one run of the plugin.
type program struct {
	out, errors io.Writer
	terminal    terminal
}

// command is one of the plugin's words.
type command struct {
	name string
	// usage is what stands behind the name, short what it does, in one line each.
	usage, short string
	// long is the help's text; exit says what its exit codes mean, when they differ from the audit's.
	long, exit string
	// flags adds those that the command takes.
	flags func(*pflag.FlagSet, *options)
	// args is how many arguments it takes at least and at most.
	least, most int
	run         func(context.Context, *program, *options, []string) (int, error)
}

// commands in the order of the help.
func commands() []command {
	return []command{auditCommand(), explainCommand(), diffCommand(), probeCommand(), statusCommand(), renderCommand(), versionCommand()}
}

// name under which people call the plugin.
const name = "kubectl openimstack"

// run carries out a command line, and returns the exit code.
func (p *program) run(ctx context.Context, args []string) int {
	code, err := p.dispatch(ctx, args)
	if err != nil {
		fmt.Fprintf(p.errors, "error: %v\n", err)
		return exitUnknown
	}
	return code
}

func (p *program) dispatch(ctx context.Context, args []string) (int, error) {
	if len(args) == 0 || slices.Contains([]string{"help", "-h", "--help"}, args[0]) {
		return p.help(args)
	}
	if args[0] == completeWord {
		return p.complete(args[1:])
	}
	args = commandFirst(args)
	c, err := find(args[0])
	if err != nil {
		return exitUnknown, err
	}
	var o options
	flags := c.flagSet(&o)
	if err := flags.Parse(args[1:]); errors.Is(err, pflag.ErrHelp) {
		return exitSealed, p.helpOf(c)
	} else if err != nil {
		return exitUnknown, fmt.Errorf("%w: see `%s %s --help`", err, name, c.name)
	}
	o.namespaceGiven = flags.Changed("namespace")
	if n := flags.NArg(); n < c.least || n > c.most {
		return exitUnknown, fmt.Errorf("%s takes %s: see `%s %s --help`", c.name, c.arity(), name, c.name)
	}
	return c.run(ctx, p, &o, flags.Args())
}

// commandFirst puts the command before the flags that stand in front of it, as kubectl takes them: `-n im audit` is `audit -n im`. What
// no command understands stays as it is.
func commandFirst(args []string) []string {
	if !strings.HasPrefix(args[0], "-") {
		return args
	}
	for _, c := range commands() {
		var o options
		flags := c.flagSet(&o)
		flags.SetInterspersed(false)
		if err := flags.Parse(args); err == nil && flags.Arg(0) == c.name {
			leading := args[:len(args)-flags.NArg()]
			return slices.Concat([]string{c.name}, leading, flags.Args()[1:])
		}
	}
	// A flag that is not the command's: let the command say so.
	if i := slices.IndexFunc(args, func(a string) bool { return slices.Contains(words(), a) }); i > 0 {
		return slices.Concat(args[i:i+1], args[:i], args[i+1:])
	}
	return args
}

func (c command) arity() string {
	switch {
	case c.most == 0:
		return "no arguments"
	case c.least == c.most:
		return fmt.Sprintf("%d arguments (%s)", c.most, c.usage)
	default:
		return fmt.Sprintf("%d to %d arguments (%s)", c.least, c.most, c.usage)
	}
}

func (c command) flagSet(o *options) *pflag.FlagSet {
	flags := pflag.NewFlagSet(c.name, pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.SortFlags = false
	flags.Usage = func() {}
	c.flags(flags, o)
	return flags
}

func find(word string) (command, error) {
	all := commands()
	i := slices.IndexFunc(all, func(c command) bool { return c.name == word })
	if i < 0 {
		return command{}, fmt.Errorf("%q is no command: use one of %s", word, strings.Join(words(), ", "))
	}
	return all[i], nil
}

func words() []string {
	var all []string
	for _, c := range commands() {
		all = append(all, c.name)
	}
	return append(all, "help")
}

func (p *program) help(args []string) (int, error) {
	if len(args) > 1 {
		c, err := find(args[1])
		if err != nil {
			return exitUnknown, err
		}
		return exitSealed, p.helpOf(c)
	}
	fmt.Fprintf(p.out, "Works out who reaches OpenIM, and says how that compares with what was asked for.\n\nUsage: %s COMMAND\n\n", name)
	table := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	for _, c := range commands() {
		fmt.Fprintf(table, "  %s\t%s\n", c.name, c.short)
	}
	if err := table.Flush(); err != nil {
		return exitUnknown, err
	}
	fmt.Fprintf(p.out, "\nExit codes: %s\n\n`%s COMMAND --help` says more. No command reads a Secret.\n", exitCodes, name)
	return exitSealed, nil
}

const exitCodes = "0 sealed, 2 findings, 1 could not tell (errors included)."

func (p *program) helpOf(c command) error {
	var o options
	exit := c.exit
	if exit == "" {
		exit = exitCodes
	}
	_, err := fmt.Fprintf(p.out, "%s\n\nUsage: %s\n\n%sExit codes: %s\n\nFlags:\n%s", c.long, strings.TrimSpace(name+" "+c.name+" "+c.usage), "", exit, c.flagSet(&o).FlagUsagesWrapped(100))
	return err
}
