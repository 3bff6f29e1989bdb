package auditlog

import (
	"bytes"
	"context"
	"time"
)

const (
	// maxBatch limits the bytes of one write.
	maxBatch = 256 << 10
	// batchDelay is how long an event may wait for further events of the same write.
	batchDelay = 5 * time.Millisecond
	// syncEvery is the interval of syncs to the disk.
	syncEvery = time.Second
	// headEvery is how often the head of the chain is logged, so that a missing end of the chain is detected.
	headEvery = time.Minute
	// stopTimeout is how long a stop waits for the sink.
	stopTimeout           = 5 * time.Second
	firstRetry, lastRetry = 50 * time.Millisecond, time.Second
)

// HeadMessage is the message of the log line that names the chain, its last sequence number and hash.
const HeadMessage = "audit head"

// Run writes events until ctx ends, and then the rest of the queue, for at most five seconds. Only one Run may be in progress.
func (l *Log) Run(ctx context.Context) {
	written := make(chan struct{})
	go func() {
		defer close(written)
		l.write(ctx)
	}()
	<-ctx.Done()
	select {
	case <-written:
	case <-time.After(l.stopTimeout + 2*lastRetry):
		l.log.Error("stopping the audit log: events are lost: the sink is stuck", "bytes", l.pending())
	}
}

// Close closes the sink of a Log for which Run is never called.
func (l *Log) Close() {
	if err := l.sink.Close(); err != nil {
		l.log.Error("closing the audit file", "error", err.Error())
	}
}

func (l *Log) pending() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting
}

// write is the writer's loop. No other goroutine uses chain and sink.
func (l *Log) write(ctx context.Context) {
	tick := time.NewTicker(syncEvery)
	defer tick.Stop()
	heads := time.NewTicker(headEvery)
	defer heads.Stop()
	tallies := time.NewTicker(tallyEvery)
	defer tallies.Stop()
	var logged uint64
	dirty := false
	for {
		batch, size := l.nextBatch()
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
			case <-time.After(batchDelay):
			}
		case <-tick.C:
			if dirty {
				dirty = !l.sync()
			}
		case <-tallies.C:
			l.flushTallies()
		case <-heads.C:
			if l.chain.next > logged {
				logged = l.chain.next
				l.logHead()
			}
		}
	}
}

// nextBatch removes the next events from the queue, up to the size of a batch. If the queue is empty and events were lost, it returns the
// event that reports the loss.
func (l *Log) nextBatch() (batch [][]byte, size int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		l.pushLost()
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

// deliver writes a batch. It repeats a failed write until the timeout of a stop. It reports whether the batch was written.
func (l *Log) deliver(ctx context.Context, batch [][]byte) bool {
	buf := l.buf[:0]
	if l.moved() {
		f := record{Time: l.now().UTC().Format(timeLayout), Kind: kindRotated}
		buf = l.chain.append(buf, f.encode())
	}
	for _, event := range batch {
		buf = l.chain.append(buf, event)
	}
	l.buf = buf // reused by the next batch
	retry := firstRetry
	var stop <-chan time.Time
	for {
		n, err := l.writeSink(buf)
		if err == nil {
			l.setFailing(false, nil)
			l.storeHead()
			return true
		}
		l.setFailing(true, err)
		// Complete lines that the sink accepted are not written again. A partial line is written again, after a line break.
		whole := bytes.LastIndexByte(buf[:n], '\n') + 1
		l.torn = l.torn || n > whole
		buf = buf[whole:]
		if stop == nil && ctx.Err() != nil {
			stop = time.After(l.stopTimeout)
		}
		select {
		case <-stop:
			lost := bytes.Count(buf, []byte("\n"))
			l.log.Error("stopping the audit log: events are lost: the sink refuses them", "events", lost, "error", err.Error())
			return false
		case <-time.After(retry):
		}
		retry = min(2*retry, lastRetry)
		if l.moved() {
			// A new file begins without a partial line.
			l.torn = false
		}
	}
}

// writeSink writes bytes to the sink. It records the start of the write, so that writable detects a stuck sink.
func (l *Log) writeSink(buf []byte) (int, error) {
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
		l.log.Warn("reopening the audit file after its rotation", "error", err.Error())
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

// setFailing records whether the sink fails, and logs each change once.
func (l *Log) setFailing(failing bool, err error) {
	switch was := l.failing.Swap(failing); {
	case failing && !was:
		l.log.Error("writing the audit log: administrators' writes and private reads are refused until it succeeds", "error", err.Error())
	case !failing && was:
		l.log.Info("writing the audit log again")
	}
}

func (l *Log) logHead() {
	if l.chain.next > 0 {
		l.log.Info(HeadMessage, "chain", l.chain.id, "seq", l.chain.next-1, "hash", l.chain.head)
	}
}

// finish writes the chain's end event, if the sink accepts it, and closes the sink.
func (l *Log) finish(ctx context.Context) {
	if !l.failing.Load() {
		f := record{Time: l.now().UTC().Format(timeLayout), Kind: kindEnd}
		l.ended = true
		l.deliver(ctx, [][]byte{f.encode()})
		l.sync()
	}
	l.flushTallies() // with a failing sink they are reported with the rest below
	l.mu.Lock()
	waiting, lost := len(l.queue), l.lost
	l.mu.Unlock()
	if waiting > 0 || lost > 0 {
		l.log.Error("stopping the audit log: events are lost: the sink accepts none", "events", waiting, "lostBefore", lost)
	}
	l.logHead()
	if err := l.sink.Close(); err != nil {
		l.log.Error("closing the audit file", "error", err.Error())
	}
}
