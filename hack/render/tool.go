package render

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"strings"
)

// Tool returns a command that runs a tool of hack/tools in the project's folder. Flags of the go command, if any, precede the tool's name.
func Tool(ctx context.Context, root, name string, flags []string, args ...string) *exec.Cmd {
	words := append([]string{"tool", "-modfile=" + path.Join("hack/tools", name, "go.mod")}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(append(words, name), args...)...)
	cmd.Dir = root
	// As in the Makefile: with other settings, for example those of `go test`, the tool would be built a second time.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false -trimpath")
	return cmd
}

// output runs a tool and returns its stdout.
func output(ctx context.Context, root, name string, args ...string) ([]byte, error) {
	cmd := Tool(ctx, root, name, nil, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.Bytes(), nil
}
