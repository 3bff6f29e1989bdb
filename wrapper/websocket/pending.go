package websocket

import (
	"strconv"
	"sync"
	"time"

	"github.com/openimstack/openim-operator/wrapper/websocket/frame"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Limits of a socket's requests to which OpenIM has not replied. OpenIM replies to them in order, once each.
const (
	maxPending      = 1024
	maxPendingBytes = 2 << 20
	// pendingTimeout is the age after which a request without a reply may be discarded.
	pendingTimeout = time.Minute
)

// pendingRequest is a request that was sent to OpenIM, with the client's own identifiers.
type pendingRequest struct {
	id            int32
	incr          string
	operationID   string
	conversations []string // the conversations that it named, all of them the user's
	sentAt        time.Time
}

// size returns the bytes that the entry needs.
func (q *pendingRequest) size() int {
	size := len(q.incr) + len(q.operationID)
	for _, conversation := range q.conversations {
		size += len(conversation)
	}
	return size
}

// pendingRequests holds a socket's requests without reply, by the msgIncr that OpenIM repeats in the reply. Replies without a request are
// not passed on, and the client receives its own identifiers.
type pendingRequests struct {
	mu      sync.Mutex
	open    map[string]pendingRequest
	bytes   int
	counter uint64
}

// add records a request, and sets the identifiers that OpenIM receives: the client's own if they are short and not in use. It returns
// false if too many requests are pending.
func (q *pendingRequests) add(req *frame.Request, asked []string, now time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	entry := pendingRequest{id: req.ID, incr: req.MsgIncr, operationID: req.OperationID, conversations: asked, sentAt: now}
	if !q.fits(entry.size()) {
		for incr, old := range q.open {
			if now.Sub(old.sentAt) > pendingTimeout {
				q.forget(incr, &old)
			}
		}
		if !q.fits(entry.size()) {
			return false
		}
	}
	if q.open == nil {
		q.open = map[string]pendingRequest{}
	}
	for _, used := q.open[req.MsgIncr]; used || req.MsgIncr == ""; _, used = q.open[req.MsgIncr] {
		q.counter++
		req.MsgIncr = "w" + strconv.FormatUint(q.counter, 10)
	}
	if req.OperationID = wire.BoundOperationID(req.OperationID); req.OperationID == "" {
		req.OperationID = req.MsgIncr // OpenIM requires one
	}
	q.open[req.MsgIncr] = entry
	q.bytes += entry.size()
	return true
}

func (q *pendingRequests) fits(more int) bool {
	return len(q.open) < maxPending && q.bytes+more <= maxPendingBytes
}

func (q *pendingRequests) forget(incr string, entry *pendingRequest) {
	delete(q.open, incr)
	q.bytes -= entry.size()
}

// take removes and returns the request of a reply.
func (q *pendingRequests) take(rep frame.Reply) (pendingRequest, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	entry, ok := q.open[rep.MsgIncr]
	if !ok || entry.id != rep.ID {
		return pendingRequest{}, false
	}
	q.forget(rep.MsgIncr, &entry)
	return entry, true
}
