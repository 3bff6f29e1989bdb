package auditlog

import (
	"bytes"
	"context"
	"time"
)

const (
	// maxBatch bounds what is written at once.
	maxBatch = 256 << 10
	// gather is how long an event may wait for others, so that they are written at once.
	gather = 5 * time.Millisecond
	// syncEvery is how long what was written may wait for the disk.
	syncEvery = time.Second
	// headEvery is how often the log repeats the head of the chain, so that a missing end is noticed.
	headEvery = time.Minute
	// stopBound is how long a stop waits for the sink.
	stopBound             = 5 * time.Second
	firstRetry, lastRetry = 50 * time.Millisecond, time.Second
)

// HeadMessage is the log line that names the chain, its last sequence number and hash.
const HeadMessage = "audit head"

// Run writes until ctx ends, then what is left, for at most five seconds. Only one Run may be in progress.
func (l *Log) Run(ctx context.Context) {
	written := make(chan struct{})
	go func() {
		defer close(written)
		l.write(ctx)
	}()
	<-ctx.Done()
	select {
	case <-written:
	case <-time.After(l.patience + 2*lastRetry):
		l.log.Error("the audit trail ends unwritten: its sink takes nothing", "bytes", l.pending())
	}
}

// Close gives up a trail that Run was never called for.
func (l *Log) Close() {
	if err := l.sink.Close(); err != nil {
		l.log.Error("close the audit file", "error", err.Error())
	}
}

func (l *Log) pending() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting
}

// write is the only one that touches chain and sink.
func (l *Log) write(ctx context.Context) {
	tick := time.NewTicker(syncEvery)
	defer tick.Stop()
	heads := time.NewTicker(headEvery)
	defer heads.Stop()
	tallies := time.NewTicker(tallyEvery)
	defer tallies.Stop()
	var told uint64
	dirty := false
	for {
		batch, size := l.take()
		if len(batch) > 0 {
			delivered := l.deliver(ctx, batch)
			l.done(size)
			if !delivered {
				l.finish(ctx)
				return
			}
			dirty = true
			continue
		}
		select {
		case <-ctx.Done():
			l.flushTallies()
			if l.pending() > 0 {
				continue
			}
			l.finish(ctx)
			return
		case <-l.wake:
			select {
			case <-ctx.Done():
			case <-time.After(gather):
			}
		case <-tick.C:
			if dirty {
				dirty = !l.sync()
			}
		case <-tallies.C:
			l.flushTallies()
		case <-heads.C:
			if l.chain.next > told {
				told = l.chain.next
				l.tellHead()
			}
		}
	}
}

// take gives up to a batch of events in their order, with the event of a loss where it belongs.
func (l *Log) take() (batch [][]byte, size int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		l.tellLost()
	}
	n := 0
	for n < len(l.queue) && size < maxBatch {
		size += len(l.queue[n])
		n++
	}
	batch, l.queue = l.queue[:n:n], l.queue[n:]
	if len(l.queue) == 0 {
		l.queue = nil
	}
	return batch, size
}

func (l *Log) done(size int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting -= size
}

// deliver writes a batch, however often the sink refuses, until the time for stopping is over. It is false then.
func (l *Log) deliver(ctx context.Context, batch [][]byte) bool {
	buf := l.buf[:0]
	if l.moved() {
		f := form{Time: l.now().UTC().Format(timeLayout), Kind: kindRotated}
		buf = l.chain.append(buf, f.encode())
	}
	for _, event := range batch {
		buf = l.chain.append(buf, event)
	}
	l.buf = buf // to be used again
	retry := firstRetry
	var stop <-chan time.Time
	for {
		n, err := l.put(buf)
		if err == nil {
			l.setFailing(false, nil)
			l.noteHead()
			return true
		}
		l.setFailing(true, err)
		// Whole lines that were taken are not written again; half a line is, behind a line break.
		whole := bytes.LastIndexByte(buf[:n], '\n') + 1
		l.torn = l.torn || n > whole
		buf = buf[whole:]
		if stop == nil && ctx.Err() != nil {
			stop = time.After(l.patience)
		}
		select {
		case <-stop:
			l.log.Error("the audit trail ends unwritten: its sink refused the last batch", "events", bytes.Count(buf, []byte("\n")), "error", err.Error())
			return false
		case <-time.After(retry):
		}
		retry = min(2*retry, lastRetry)
		if l.moved() {
			// A new file need not repeat the chain's place: the lines themselves say where they belong.
			l.torn = false
		}
	}
}

// put hands bytes to the sink, and is where a stuck sink shows.
func (l *Log) put(buf []byte) (int, error) {
	l.busy.Store(l.now().UnixNano())
	defer l.busy.Store(0)
	if l.torn {
		if _, err := l.sink.Write([]byte("\n")); err != nil {
			return 0, err
		}
		l.torn = false
	}
	return l.sink.Write(buf)
}

func (l *Log) moved() bool {
	moved, err := l.sink.Moved()
	if err != nil {
		l.log.Warn("the audit file could not be rotated", "error", err.Error())
	}
	return moved
}

func (l *Log) sync() bool {
	l.busy.Store(l.now().UnixNano())
	defer l.busy.Store(0)
	err := l.sink.Sync()
	l.setFailing(err != nil, err)
	return err == nil
}

// setFailing says a change once.
func (l *Log) setFailing(failing bool, err error) {
	switch was := l.failing.Swap(failing); {
	case failing && !was:
		l.log.Error("the audit trail cannot be written: administrators' writes and private reads are refused until it can", "error", err.Error())
	case !failing && was:
		l.log.Info("the audit trail is written again")
	}
}

func (l *Log) tellHead() {
	if l.chain.next > 0 {
		l.log.Info(HeadMessage, "chain", l.chain.id, "seq", l.chain.next-1, "hash", l.chain.head)
	}
}

// finish ends the chain in good order, as far as the sink lets it.
func (l *Log) finish(ctx context.Context) {
	if !l.failing.Load() {
		f := form{Time: l.now().UTC().Format(timeLayout), Kind: kindEnd}
		l.ended = true
		l.deliver(ctx, [][]byte{f.encode()})
		l.sync()
	}
	l.flushTallies() // of a sink that took nothing to the end: they are told with what is left
	l.mu.Lock()
	waiting, lost := len(l.queue), l.lost
	l.mu.Unlock()
	if waiting > 0 || lost > 0 {
		l.log.Error("the audit trail ends unwritten: its sink takes nothing", "events", waiting, "lostBefore", lost)
	}
	l.tellHead()
	if err := l.sink.Close(); err != nil {
		l.log.Error("close the audit file", "error", err.Error())
	}
}
