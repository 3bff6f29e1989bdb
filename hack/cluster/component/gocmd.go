package component

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// tailLines is the number of lines of the compiler's output that an error shows.
const tailLines = 40

// packageLine matches the line that `go build -v` prints for each package that it compiles.
var packageLine = regexp.MustCompile(`^[A-Za-z0-9_.~/-]+$`)

func goCommand(ctx context.Context, spec Spec, env []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = spec.Dir
	cmd.Env = env
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// goOutput runs a short go command and returns its stdout.
func goOutput(ctx context.Context, spec Spec, env []string, args ...string) ([]byte, error) {
	cmd := goCommand(ctx, spec, env, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("component %s: go %s in %s: %w\n%s", spec.Name, args[0], spec.Dir, err, tail(stderr.String()))
	}
	return out, nil
}

// stale returns the number of packages to compile, or 0 if it is unknown. It fetches missing modules.
func stale(ctx context.Context, spec Spec, env, flags []string, p *progress) int {
	args := append([]string{"list", "-deps", "-f", "{{if .Stale}}x{{end}}"}, flags...)
	cmd := goCommand(ctx, spec, env, append(args, spec.packages()...)...)
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	stderr, err := cmd.StderrPipe()
	if err != nil || cmd.Start() != nil {
		return 0
	}
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		p.note(lines.Text())
	}
	if cmd.Wait() != nil {
		return 0 // the build itself will report the error
	}
	return strings.Count(stdout.String(), "x")
}

// goBuild runs the compiler, reports its progress, and keeps its output in a log for errors.
func goBuild(ctx context.Context, spec Spec, env []string, logPath string, p *progress, args ...string) error {
	cmd := goCommand(ctx, spec, env, args...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("component %s: %w", spec.Name, err)
	}
	var words bytes.Buffer
	for lines := bufio.NewReader(stderr); ; {
		line, readErr := lines.ReadString('\n')
		words.WriteString(line)
		p.note(strings.TrimRight(line, "\n"))
		if readErr != nil {
			if readErr != io.EOF {
				return readErr
			}
			break
		}
	}
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("component %s: the build was interrupted: %w", spec.Name, ctx.Err())
		}
		_ = os.WriteFile(logPath, words.Bytes(), 0o644)
		return fmt.Errorf("component %s: go build in %s failed after %s: %w; the end of its output (all of it: %s):\n%s",
			spec.Name, spec.Dir, p.elapsed(), err, logPath, tail(words.String()))
	}
	return nil
}

// tail returns the last lines without the names of compiled packages.
func tail(output string) string {
	var kept []string
	for _, line := range strings.Split(strings.TrimRight(output, "\n"), "\n") {
		if !packageLine.MatchString(line) && !strings.HasPrefix(line, "go: downloading ") {
			kept = append(kept, "  "+line)
		}
	}
	return strings.Join(kept[max(0, len(kept)-tailLines):], "\n")
}
