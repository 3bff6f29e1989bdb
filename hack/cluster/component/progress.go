package component

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// heartbeat is the longest time without a progress line of a running build.
const heartbeat = 5 * time.Second

// progress prints the activity of a build. It prints nothing for builds that end before the first heartbeat.
type progress struct {
	label string
	start time.Time
	quit  chan struct{}

	mu         sync.Mutex
	out        io.Writer
	activity   string
	downloaded int
	compiled   int
	total      int
	last       string
}

func newProgress(out io.Writer, label string) *progress {
	p := &progress{label: label, start: time.Now(), quit: make(chan struct{}), out: out}
	go func() {
		tick := time.NewTicker(heartbeat)
		defer tick.Stop()
		for {
			select {
			case <-p.quit:
				return
			case <-tick.C:
				p.mu.Lock()
				fmt.Fprintln(p.out, p.line())
				p.mu.Unlock()
			}
		}
	}()
	return p
}

func (p *progress) stop() { close(p.quit) }

func (p *progress) elapsed() time.Duration { return time.Since(p.start).Round(time.Second) }

// doing sets the activity that progress lines name.
func (p *progress) doing(activity string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.activity = activity
}

// expect sets the number of packages to compile.
func (p *progress) expect(total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total, p.activity = total, ""
}

func (p *progress) expected() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.total == 0 {
		return "number of packages unknown"
	}
	return fmt.Sprintf("%d packages to compile", p.total)
}

// note processes one line of the go command's output.
func (p *progress) note(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case strings.HasPrefix(line, "go: downloading "):
		p.downloaded++
		p.last = strings.TrimPrefix(line, "go: downloading ")
	case packageLine.MatchString(line):
		p.compiled++
		p.last = line
	}
}

func (p *progress) say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.out, "%s: %s\n", p.label, fmt.Sprintf(format, args...))
}

// line returns the progress line: "kubernetes: 412 of 2400 packages compiled, 1m20s, now after k8s.io/api/core/v1".
func (p *progress) line() string {
	parts := []string{}
	switch {
	case p.activity != "":
		parts = append(parts, p.activity)
		if p.downloaded > 0 {
			parts = append(parts, fmt.Sprintf("%d modules fetched", p.downloaded))
		}
	case p.total > 0 && p.compiled >= p.total:
		parts = append(parts, fmt.Sprintf("all %d packages compiled, linking", p.total))
	case p.total > 0:
		parts = append(parts, fmt.Sprintf("%d of %d packages compiled", p.compiled, p.total))
	default:
		parts = append(parts, fmt.Sprintf("%d packages compiled", p.compiled))
	}
	parts = append(parts, p.elapsed().String())
	if p.last != "" {
		parts = append(parts, "latest "+p.last)
	}
	return p.label + ": " + strings.Join(parts, ", ")
}
