package render

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path"
	"strings"
)

// tool runs a tool of hack/tools and returns what it prints.
func tool(ctx context.Context, root, name string, args ...string) ([]byte, error) {
	modfile := "-modfile=" + path.Join("hack/tools", name, "go.mod")
	cmd := exec.CommandContext(ctx, "go", append([]string{"tool", modfile, name}, args...)...)
	cmd.Dir = root
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.Bytes(), nil
}
