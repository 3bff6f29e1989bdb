package httpserver

import (
	"bytes"
	"io"
	"sync"
	"time"
)

const (
	// logWait is how long a line of the log may wait for others.
	logWait = 20 * time.Millisecond
	// logBatch is how many bytes of lines wait at most.
	logBatch = 32 << 10
)

// ordinary is what lines that can wait hold, as slog's JSONHandler writes it.
var ordinary = []byte(`"level":"INFO"`)

// LogBuffer stands between a logger in JSON and the file or pipe that takes its lines, and hands on several lines at once: a line for
// each request costs a call of the system each otherwise. Lines above the level INFO, and all before them, are handed on at once; the
// others within 20 ms.
type LogBuffer struct {
	to io.Writer

	mu    sync.Mutex
	buf   []byte
	timer *time.Timer
	armed bool
}

// NewLogBuffer hands lines on to w. Flush before the program ends.
func NewLogBuffer(w io.Writer) *LogBuffer {
	b := &LogBuffer{to: w}
	b.timer = time.AfterFunc(time.Hour, b.Flush)
	b.timer.Stop()
	return b
}

// Write takes one line.
func (b *LogBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buf = append(b.buf, line...)
	if len(b.buf) >= logBatch || !bytes.Contains(line[:min(len(line), 80)], ordinary) {
		return len(line), b.flush()
	}
	if !b.armed {
		b.armed = true
		b.timer.Reset(logWait)
	}
	return len(line), nil
}

// Flush hands on what waits.
func (b *LogBuffer) Flush() {
	b.mu.Lock()
	defer b.mu.Unlock()
	_ = b.flush() // whoever cannot take the log cannot be told so
}

// flush drops what could not be handed on: a log that nobody takes must not fill the memory. mu is held.
func (b *LogBuffer) flush() error {
	b.armed = false
	if len(b.buf) == 0 {
		return nil
	}
	_, err := b.to.Write(b.buf)
	if b.buf = b.buf[:0]; cap(b.buf) > 4*logBatch {
		b.buf = nil
	}
	return err
}
