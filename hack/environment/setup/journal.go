package setup

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// Journal prints the steps of a run, each with its title, its lines and its duration.
type Journal struct {
	mu    sync.Mutex
	out   io.Writer
	start time.Time
	steps int
}

// NewJournal starts a journal that writes to out.
func NewJournal(out io.Writer) *Journal { return &Journal{out: out, start: time.Now()} }

// Step runs one step. Its lines are indented below its title.
func (j *Journal) Step(ctx context.Context, title string, do func(ctx context.Context) error) error {
	j.mu.Lock()
	j.steps++
	number := j.steps
	j.mu.Unlock()
	start := time.Now()
	j.print("\n%2d  %s\n", number, title)
	if err := do(ctx); err != nil {
		j.print("    FAILED after %s\n", round(time.Since(start)))
		return fmt.Errorf("step %d, %s: %w", number, title, err)
	}
	j.print("    done in %s\n", round(time.Since(start)))
	return nil
}

// Say adds one or more lines to the current step.
func (j *Journal) Say(format string, args ...any) {
	_, _ = j.Lines().Write(fmt.Appendf(nil, format+"\n", args...))
}

// Lines returns a writer for the output of a program that the step runs.
func (j *Journal) Lines() io.Writer { return &indented{journal: j} }

// Elapsed returns the time since the journal was started.
func (j *Journal) Elapsed() time.Duration { return time.Since(j.start) }

func (j *Journal) print(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	_, _ = fmt.Fprintf(j.out, format, args...)
}

// indented writes whole lines to the journal, indented.
type indented struct {
	journal *Journal
	rest    []byte
}

func (w *indented) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	for {
		end := bytes.IndexByte(w.rest, '\n')
		if end < 0 {
			return len(p), nil
		}
		w.journal.print("    %s\n", w.rest[:end])
		w.rest = w.rest[end+1:]
	}
}

// round rounds a duration to a readable precision.
func round(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(100 * time.Millisecond)
}
