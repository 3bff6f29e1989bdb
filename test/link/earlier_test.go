package link

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openimstack/openim-operator/hack/cluster/component"
)

const (
	// earlier is the commit of the earlier wrapper. A release sets it to the release before.
	earlier = "302c70870d33baf20cf2dcc265c1c725dfd4f017"
	// earlierEnv is an environment variable with the path of an earlier wrapper, for a clone without history.
	earlierEnv = "LINK_EARLIER_WRAPPER"
)

// earlierWrapper returns the path of an earlier wrapper. Without the commit the test is skipped, and says so.
func earlierWrapper(t *testing.T) string {
	t.Helper()
	if path := os.Getenv(earlierEnv); path != "" {
		return path
	}
	root, err := component.Root()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := output(t.Context(), root, "git", "cat-file", "-e", earlier+"^{commit}"); err != nil {
		t.Skipf("not run: this clone has no commit %s, of which the earlier wrapper is built: fetch the history (git fetch --unshallow), "+
			"or set %s to a built cmd/wrapper of an earlier release", earlier, earlierEnv)
	}
	dir := t.TempDir()
	archive := filepath.Join(dir, "source.tar")
	program := filepath.Join(dir, "wrapper")
	source := filepath.Join(dir, "source")
	if err := os.Mkdir(source, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		in      string
		command []string
	}{
		{root, []string{"git", "archive", "--output", archive, earlier}},
		{source, []string{"tar", "-xf", archive}},
		{source, []string{"go", "build", "-o", program, "./cmd/wrapper"}},
	} {
		if _, err := output(t.Context(), step.in, step.command...); err != nil {
			t.Fatalf("building the earlier wrapper: %v", err)
		}
	}
	return program
}

func output(ctx context.Context, dir string, command ...string) (string, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("running %s: %w: %s", strings.Join(command, " "), err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}
