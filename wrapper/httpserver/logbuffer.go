package httpserver

import (
	"bytes"
	"io"
	"sync"
	"time"
)

const (
	// logWait is how long a log line may wait for further lines.
	logWait = 20 * time.Millisecond
	// logBatch is the maximum size of the lines that wait, in bytes.
	logBatch = 32 << 10
)

// infoLevel marks lines that may wait, as slog's JSONHandler writes it.
var infoLevel = []byte(`"level":"INFO"`)

// LogBuffer writes several lines of a JSON log with one system call, because one call for each request's line is expensive. It writes a
// line above the level INFO immediately, with all lines before it, and other lines within 20 ms.
type LogBuffer struct {
	to io.Writer

	mu    sync.Mutex
	buf   []byte
	timer *time.Timer
	armed bool
}

// NewLogBuffer returns a LogBuffer that writes to w. Call Flush before the program ends.
func NewLogBuffer(w io.Writer) *LogBuffer {
	b := &LogBuffer{to: w}
	b.timer = time.AfterFunc(time.Hour, b.Flush)
	b.timer.Stop()
	return b
}

// Write adds one line.
func (b *LogBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buf = append(b.buf, line...)
	if len(b.buf) >= logBatch || !bytes.Contains(line[:min(len(line), 80)], infoLevel) {
		return len(line), b.flush()
	}
	if !b.armed {
		b.armed = true
		b.timer.Reset(logWait)
	}
	return len(line), nil
}

// Flush writes all waiting lines.
func (b *LogBuffer) Flush() {
	b.mu.Lock()
	defer b.mu.Unlock()
	_ = b.flush() // a log that cannot be written cannot report its own failure
}

// flush writes the waiting lines. It drops lines that cannot be written, because they must not fill the memory. The caller holds mu.
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
