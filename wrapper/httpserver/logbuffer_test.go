package httpserver

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// recordingWriter records each write of a log.
type recordingWriter struct {
	mu     sync.Mutex
	writes []string
	fails  error
}

func (t *recordingWriter) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fails != nil {
		return 0, t.fails
	}
	t.writes = append(t.writes, string(p))
	return len(p), nil
}

func (t *recordingWriter) got() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.writes
}

func TestLogLinesAreBatched(t *testing.T) {
	g := NewWithT(t)
	out := &recordingWriter{}
	b := NewLogBuffer(out)
	log := slog.New(slog.NewJSONHandler(b, nil)).With("role", "gateway")
	log.Info("one")
	log.Info("two")
	g.Eventually(out.got, time.Minute).ShouldNot(BeEmpty(), "within 20 ms")
	g.Expect(strings.Count(strings.Join(out.got(), ""), "\n")).To(Equal(2))
	log.Info("three")
	b.Flush()
	g.Expect(strings.Join(out.got(), "")).To(MatchRegexp(`(?s)"one".*\n.*"two".*\n.*"three".*\n$`))
}

func TestAWarningIsWrittenImmediatelyAndInOrder(t *testing.T) {
	g := NewWithT(t)
	for _, level := range []slog.Level{slog.LevelWarn, slog.LevelError} {
		out := &recordingWriter{}
		b := NewLogBuffer(out)
		log := slog.New(slog.NewJSONHandler(b, nil))
		log.Info("before")
		log.Log(t.Context(), level, `it says "level":"INFO"`)
		g.Expect(out.got()).NotTo(BeEmpty())
		text := strings.Join(out.got(), "")
		g.Expect(strings.Index(text, "before")).To(BeNumerically("<", strings.Index(text, "it says")))
	}
}

func TestALogThatCannotBeWrittenDoesNotFillTheMemory(t *testing.T) {
	g := NewWithT(t)
	b := NewLogBuffer(&recordingWriter{fails: errors.New("gone")})
	line := append([]byte(`{"level":"INFO","msg":"`), bytes.Repeat([]byte("x"), 1000)...)
	for range 10_000 {
		_, _ = b.Write(line)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	g.Expect(cap(b.buf)).To(BeNumerically("<=", 4*logBatch))
}

func TestConcurrentLinesAreComplete(t *testing.T) {
	g := NewWithT(t)
	out := &recordingWriter{}
	b := NewLogBuffer(out)
	log := slog.New(slog.NewJSONHandler(b, nil))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 500 {
				log.Info("request", "text", strings.Repeat("y", 100))
			}
		})
	}
	all.Wait()
	b.Flush()
	text := strings.Join(out.got(), "")
	g.Expect(strings.Count(text, "\n")).To(Equal(4000))
	for line := range strings.Lines(text) {
		g.Expect(line).To(And(HavePrefix("{"), HaveSuffix("}\n")))
	}
	g.Expect(len(out.got())).To(BeNumerically("<", 400))
}
