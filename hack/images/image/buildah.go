package image

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/openimstack/openim-operator/hack/cluster/host"
)

// buildah runs buildah with storage below a scratch folder, so that nothing is shared with the user's own images.
type buildah struct {
	scratch string
	label   string
	out     io.Writer
	start   time.Time
}

// progressInterval is the pause between the progress lines of a running step.
const progressInterval = 5 * time.Second

func (b buildah) run(ctx context.Context, args ...string) error {
	storage := []string{
		"--root", filepath.Join(b.scratch, "root"), "--runroot", filepath.Join(b.scratch, "run"), "--storage-driver", "vfs",
	}
	cmd := exec.CommandContext(ctx, host.Find("buildah"), append(storage, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	var words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &words, &words
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("buildah: %w", err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	again := time.NewTicker(progressInterval)
	defer again.Stop()
	for {
		select {
		case err := <-done:
			if err != nil {
				return fmt.Errorf("buildah %s: %w; the end of its output:\n%s", args[0], err, lastLines(words.String(), 15))
			}
			return nil
		case <-again.C:
			fmt.Fprintf(b.out, "%s: buildah %s is running, %s\n", b.label, args[0], time.Since(b.start).Round(time.Second))
		}
	}
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return "  " + strings.Join(lines[max(0, len(lines)-n):], "\n  ")
}
