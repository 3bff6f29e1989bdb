package websocket

import (
	"strconv"
	"sync"
	"time"

	"github.com/openimstack/openim-operator/wrapper/websocket/frame"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Bounds of the requests of one socket that OpenIM has not answered yet. It answers them one after another, each once.
const (
	maxQuestions     = 1024
	maxQuestionBytes = 2 << 20
	// questionLasts is after how long a request without an answer makes room for another.
	questionLasts = time.Minute
)

// question is a request that went to OpenIM, as its client knows it.
type question struct {
	id          int32
	incr        string
	operationID string
	asked       []string // conversations that it named, all the user's
	at          time.Time
}

// size is what it costs to remember.
func (q *question) size() int {
	size := len(q.incr) + len(q.operationID)
	for _, conversation := range q.asked {
		size += len(conversation)
	}
	return size
}

// questions are the open requests of a socket, by the msgIncr that OpenIM repeats. So nothing is passed on as an answer that was
// not asked for, and the client reads its own identifiers in it.
type questions struct {
	mu      sync.Mutex
	open    map[string]question
	bytes   int
	counter uint64
}

// add notes a request and gives it the identifiers under which it goes on: the client's own where they are short and not in use.
// False: too many are open.
func (q *questions) add(req *frame.Request, asked []string, now time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	entry := question{id: req.ID, incr: req.MsgIncr, operationID: req.OperationID, asked: asked, at: now}
	if !q.fits(entry.size()) {
		for incr, old := range q.open {
			if now.Sub(old.at) > questionLasts {
				q.forget(incr, &old)
			}
		}
		if !q.fits(entry.size()) {
			return false
		}
	}
	if q.open == nil {
		q.open = map[string]question{}
	}
	for _, used := q.open[req.MsgIncr]; used || req.MsgIncr == ""; _, used = q.open[req.MsgIncr] {
		q.counter++
		req.MsgIncr = "w" + strconv.FormatUint(q.counter, 10)
	}
	if req.OperationID = wire.BoundOperationID(req.OperationID); req.OperationID == "" {
		req.OperationID = req.MsgIncr // OpenIM wants one
	}
	q.open[req.MsgIncr] = entry
	q.bytes += entry.size()
	return true
}

func (q *questions) fits(more int) bool {
	return len(q.open) < maxQuestions && q.bytes+more <= maxQuestionBytes
}

func (q *questions) forget(incr string, entry *question) {
	delete(q.open, incr)
	q.bytes -= entry.size()
}

// take returns the request that a reply answers, once.
func (q *questions) take(rep frame.Reply) (question, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	entry, ok := q.open[rep.MsgIncr]
	if !ok || entry.id != rep.ID {
		return question{}, false
	}
	q.forget(rep.MsgIncr, &entry)
	return entry, true
}
