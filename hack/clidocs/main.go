package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/openimstack/openim-operator/hack/docpage"
	"github.com/openimstack/openim-operator/hack/render"
)

// part is what is generated of the page.
var part = docpage.Part{Source: "the help of the programs in cmd", Command: "go generate ./hack/clidocs"}

// plugin is the program whose commands have a help of their own. Its users call it as "kubectl openimstack".
const plugin = "kubectl-openimstack"

// programs are those of the project's images, and what each is. The name is the folder in cmd.
var programs = []struct {
	name, title, what string
	// args ask for help.
	args []string
}{
	{"manager", "manager", "The operator: the program of the image openim-operator.", []string{"--help"}},
	{"manager", "manager probe", "The program of the probe's pods, which run the operator's image. The operator writes these command lines; " +
		"they are no interface.", []string{"probe", "--help"}},
	{"wrapper", "wrapper", "Gateway and backend: the program of the image openim-wrapper.", []string{"--help"}},
	{"supervisor", "supervisor", "Process 1 of OpenIM's containers, from the image openim-supervisor. The operator writes its command line.",
		[]string{"--help"}},
	{"preflight", "preflight", "The init container of OpenIM's pods, from the same image. The operator writes its command line.",
		[]string{"--help"}},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: clidocs FILE")
		os.Exit(2)
	}
	if err := run(ctx, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "clidocs:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, file string) error {
	folder, err := os.MkdirTemp("", "clidocs-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	root, err := render.Root()
	if err != nil {
		return err
	}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o",
		folder+string(filepath.Separator), "./cmd/...")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("compiling the programs: %w\n%s", err, out)
	}
	ask := func(program string, args ...string) (string, error) { return help(ctx, folder, program, args...) }
	text, err := page(ask)
	if err != nil {
		return err
	}
	return part.Rewrite(file, text)
}

// help returns what a program prints when it is asked for its help.
func help(ctx context.Context, folder, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(folder, program), args...)
	cmd.Args[0] = program // flag.Usage prints it
	cmd.Env = []string{"HOME=" + folder}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) { // the exit code of a help differs between libraries
		return "", fmt.Errorf("running %s %s: %w", program, strings.Join(args, " "), err)
	}
	return string(out), nil
}

// page returns the page's text. ask returns the help of a program.
func page(ask func(program string, args ...string) (string, error)) (string, error) {
	var b strings.Builder
	section := func(title, what, text string) error {
		text = strings.TrimSpace(strings.ReplaceAll(text, "\t", "    "))
		if text == "" || strings.Contains(text, "```") {
			return fmt.Errorf("the help of %s is empty, or cannot be quoted: write what the command does", title)
		}
		fmt.Fprintf(&b, "## %s\n\n", title)
		if what != "" {
			fmt.Fprintf(&b, "%s\n\n", what)
		}
		fmt.Fprintf(&b, "```text\n%s\n```\n\n", strings.TrimSpace(trimmed(text)))
		return nil
	}
	text, err := ask(plugin, "--help")
	if err != nil {
		return "", err
	}
	if err := section("kubectl openimstack", "", text); err != nil {
		return "", err
	}
	if err := commands(ask, section, nil, text); err != nil {
		return "", err
	}
	for _, p := range programs {
		if text, err = ask(p.name, p.args...); err != nil {
			return "", err
		}
		if err := section(p.title, p.what, text); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

// commands writes a section for each command that a help of the plugin lists, and for those below it.
func commands(
	ask func(program string, args ...string) (string, error), section func(title, what, text string) error, above []string, text string,
) error {
	for _, name := range listed(text) {
		if name == "completion" {
			continue // cobra's own
		}
		path := append(append([]string{}, above...), name)
		below, err := ask(plugin, append(append([]string{}, path...), "--help")...)
		if err != nil {
			return err
		}
		title := "kubectl openimstack " + strings.Join(path, " ")
		of, _, found := strings.Cut(below, "\nFlags of kubectl:\n")
		if !found {
			return fmt.Errorf("the help of %s has no section of kubectl's flags: see writeHelp", title)
		}
		if err := section(title, "", of); err != nil {
			return err
		}
		if err := commands(ask, section, path, of); err != nil {
			return err
		}
	}
	return nil
}

// command matches a line of a help's list of commands.
var command = regexp.MustCompile(`^  ([a-z][a-z-]*)  +\S`)

// listed returns the names of the commands that a help lists.
func listed(text string) []string {
	_, list, _ := strings.Cut(text, "\nCommands:\n")
	var names []string
	for line := range strings.Lines(list) {
		found := command.FindStringSubmatch(line)
		if found == nil {
			break
		}
		names = append(names, found[1])
	}
	return names
}

// trimmed returns a text without spaces at the ends of its lines.
func trimmed(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n")
}
