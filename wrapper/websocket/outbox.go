package websocket

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// Bounds of what waits for a client. One who reads more slowly than he is sent to loses his socket; his SDK comes back
// and pulls what he missed.
const (
	maxWaiting      = 256
	maxWaitingBytes = 8 << 20
)

// outbox holds the frames for a client in order. A goroutine writes them, and is there only while there are any.
type outbox struct {
	socket *socket

	mu      sync.Mutex
	waiting []waiting
	bytes   int
	writing bool
	stopped bool
}

type waiting struct {
	kind websocket.MessageType
	data []byte
	then *ending
}

// push hands a frame over; nil is none. then ends the socket when all before it is written.
func (o *outbox) push(kind websocket.MessageType, data []byte, then *ending) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stopped {
		return
	}
	if len(o.waiting) >= maxWaiting || o.bytes+len(data) > maxWaitingBytes {
		o.socket.end(endSlow)
		return
	}
	o.waiting = append(o.waiting, waiting{kind, data, then})
	o.bytes += len(data)
	if !o.writing {
		o.writing = true
		go o.write()
	}
}

// stop forgets what waits. A frame that is being written may still arrive.
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
		o.waiting[0] = waiting{}
		o.waiting = o.waiting[1:]
		o.bytes -= len(next.data)
		o.mu.Unlock()

		s := o.socket
		if s.closing.Load() {
			return // the farewell has its own deadline
		}
		if next.data != nil {
			_ = s.raw.SetWriteDeadline(time.Now().Add(s.relay.o.timing.write))
			if err := s.client.Write(context.Background(), next.kind, next.data); err != nil {
				s.end(unwritten(err))
				return
			}
			if !s.closing.Load() {
				_ = s.raw.SetWriteDeadline(time.Time{}) // else the answer to a ping much later would be too late
			}
			s.relay.metrics.bytes.WithLabelValues("to_client").Add(float64(len(next.data)))
		}
		if next.then != nil {
			s.end(*next.then)
			return
		}
	}
}

// unwritten tells a client who does not read from one who is gone.
func unwritten(err error) ending {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return endSlow
	}
	return endClient
}
