package httpserver

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"

	. "github.com/onsi/gomega"
)

func TestGCPercent(t *testing.T) {
	const mb = 1 << 20
	for _, c := range []struct {
		name        string
		live, limit int64
		percent     int
	}{
		{"an unknown heap", 0, 0, 800},
		{"an almost empty heap", mb, 0, 800},
		{"an idle gateway", 8 * mb, 0, 400},
		{"a heap as large as the permitted garbage", 32 * mb, 0, 100},
		{"ten thousand sockets", 400 * mb, 0, 30},
		{"in a small container", 8 * mb, 64 * mb, 100},
		{"in a large one", 8 * mb, 4096 * mb, 400},
		{"in a full container", 60 * mb, 64 * mb, 30},
	} {
		t.Run(c.name, func(t *testing.T) {
			NewWithT(t).Expect(gcPercent(c.live, c.limit)).To(Equal(c.percent))
		})
	}
}

func TestTheContainersLimitOfMemory(t *testing.T) {
	dir := t.TempDir()
	file := func(text string) string {
		path := filepath.Join(dir, "limit")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for text, limit := range map[string]int64{
		"268435456\n": 268435456, "max\n": 0, "9223372036854771712\n": 0, "": 0, "-1\n": 0, "lots": 0,
	} {
		NewWithT(t).Expect(memoryLimit([]string{filepath.Join(dir, "absent"), file(text)})).To(Equal(limit), text)
	}
	NewWithT(t).Expect(memoryLimit([]string{filepath.Join(dir, "absent")})).To(BeZero())
}

func TestTheCollectorIsAdjustedToTheLiveHeap(t *testing.T) {
	g := NewWithT(t)
	t.Setenv("GOGC", "")
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	KeepMemory(ctx, slog.New(slog.DiscardHandler))
	set := debug.SetGCPercent(100)
	g.Expect(set).To(And(BeNumerically(">=", minPercent), BeNumerically("<=", maxPercent)))
	g.Expect(liveBytes()).To(BeNumerically(">", 0))

	t.Setenv("GOGC", "77")
	debug.SetGCPercent(77)
	KeepMemory(ctx, slog.New(slog.DiscardHandler))
	g.Expect(debug.SetGCPercent(100)).To(Equal(77), "the environment has precedence")
}
