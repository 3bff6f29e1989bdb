package websocket

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// Limits of the frames that wait for a client. A client that reads too slowly loses its socket. Its SDK reconnects and pulls the missed
// messages.
const (
	maxWaiting      = 256
	maxWaitingBytes = 8 << 20
)

// outbox queues the frames for a client, in order. A goroutine writes them; it runs only while frames are queued.
type outbox struct {
	socket *socket

	mu      sync.Mutex
	waiting []queued
	bytes   int
	writing bool
	stopped bool
}

type queued struct {
	kind websocket.MessageType
	data []byte
	then *closeReason
}

// push queues a frame; nil data is no frame. then closes the socket after the frame is written.
func (o *outbox) push(kind websocket.MessageType, data []byte, then *closeReason) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stopped {
		return
	}
	if len(o.waiting) >= maxWaiting || o.bytes+len(data) > maxWaitingBytes {
		o.socket.end(endSlow)
		return
	}
	o.waiting = append(o.waiting, queued{kind, data, then})
	o.bytes += len(data)
	if !o.writing {
		o.writing = true
		go o.write()
	}
}

// stop discards the queue. A frame that is being written may still arrive.
func (o *outbox) stop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stopped, o.waiting, o.bytes = true, nil, 0
}

func (o *outbox) write() {
	for {
		o.mu.Lock()
		if len(o.waiting) == 0 {
			o.writing, o.waiting = false, nil
			o.mu.Unlock()
			return
		}
		next := o.waiting[0]
		o.waiting[0] = queued{}
		o.waiting = o.waiting[1:]
		o.bytes -= len(next.data)
		o.mu.Unlock()

		s := o.socket
		if s.closing.Load() {
			return // shutdown has its own deadline
		}
		if next.data != nil {
			_ = s.raw.SetWriteDeadline(time.Now().Add(s.relay.o.timing.write))
			if err := s.client.Write(context.Background(), next.kind, next.data); err != nil {
				s.end(writeEnd(err))
				return
			}
			if !s.closing.Load() {
				_ = s.raw.SetWriteDeadline(time.Time{}) // otherwise a pong much later would fail
			}
			s.relay.metrics.bytes.WithLabelValues("to_client").Add(float64(len(next.data)))
		}
		if next.then != nil {
			s.end(*next.then)
			return
		}
	}
}

// writeEnd returns the close reason for a write error.
func writeEnd(err error) closeReason {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return endSlow
	}
	return endClient
}
