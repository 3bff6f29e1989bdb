package proxy

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/fault"
	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/wire"
)

const (
	// maxResult bounds the bytes of one aggregate's result, and of all open cursors.
	maxResult = 256 << 20
	// idle is how long a cursor is kept without a request.
	idle = 10 * time.Minute
	// firstBatch is the default number of documents in the first reply.
	firstBatch = 101
)

// cursor holds the part of a result that has not been fetched.
type cursor struct {
	namespace string
	docs      []bson.Raw
	bytes     int
	used      time.Time
}

// cursors holds the results of aggregates that did not fit into one reply, by random IDs. Any connection may fetch them, since drivers
// change connections between batches.
type cursors struct {
	mu    sync.Mutex
	open  map[int64]*cursor
	bytes int
}

// add keeps the rest of a result and returns its ID, or 0 if nothing is left.
func (c *cursors) add(namespace string, docs []bson.Raw) (int64, error) {
	if len(docs) == 0 {
		return 0, nil
	}
	rest := &cursor{namespace: namespace, docs: docs, used: time.Now()}
	for _, doc := range docs {
		rest.bytes += len(doc)
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	for id, old := range c.open {
		if time.Since(old.used) > idle {
			c.drop(id)
		}
	}
	if c.bytes+rest.bytes > maxResult {
		return 0, fault.New(fault.ExceededMemoryLimit, "open cursors would hold more than %d bytes: read results to their end", maxResult)
	}
	var random [8]byte
	_, _ = rand.Read(random[:])                                   // never fails
	id := int64(binary.LittleEndian.Uint64(random[:])>>2) | 1<<62 // far from FerretDB's, which count from 1
	if c.open == nil {
		c.open = map[int64]*cursor{}
	}
	c.open[id] = rest
	c.bytes += rest.bytes
	return id, nil
}

// next returns up to n documents (all that fit if n is 0) and whether more are left. It returns false for an unknown ID.
func (c *cursors) next(id int64, namespace string, n int) (batch []bson.Raw, more, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cur, known := c.open[id]
	if !known || cur.namespace != namespace {
		return nil, false, false
	}
	batch, cur.docs = cut(cur.docs, n)
	cur.used = time.Now()
	if len(cur.docs) == 0 {
		c.drop(id)
		return batch, false, true
	}
	return batch, true, true
}

// kill removes a cursor. It returns false if the cursor does not exist.
func (c *cursors) kill(id int64, namespace string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	cur, known := c.open[id]
	if !known || cur.namespace != namespace {
		return false
	}
	c.drop(id)
	return true
}

func (c *cursors) drop(id int64) {
	c.bytes -= c.open[id].bytes
	delete(c.open, id)
}

// cut returns the first n documents, or fewer if they do not fit into one reply, but at least one.
func cut(docs []bson.Raw, n int) (batch, rest []bson.Raw) {
	if n <= 0 || n > len(docs) {
		n = len(docs)
	}
	size := 0
	for i, doc := range docs[:n] {
		if size += len(doc) + 16; size > wire.MaxDocument && i > 0 {
			return docs[:i], docs[i:]
		}
	}
	return docs[:n], docs[n:]
}

// getMore serves the proxy's cursors; FerretDB serves its own.
func (s *session) getMore(ctx context.Context, r request) ([]byte, error) {
	id, ok := r.cmd.Body.Lookup("getMore").AsInt64OK()
	coll, _ := r.cmd.Body.Lookup("collection").StringValueOK()
	size, _ := r.cmd.Body.Lookup("batchSize").AsInt64OK()
	batch, more, known := s.cursors.next(id, r.db+"."+coll, int(max(0, min(size, 1<<30))))
	if !ok || !known {
		return s.pass(ctx, r)
	}
	if !more {
		id = 0
	}
	return s.reply(r, bson.D{{Key: "cursor", Value: bson.D{
		{Key: "nextBatch", Value: batch},
		{Key: "id", Value: id},
		{Key: "ns", Value: r.db + "." + coll},
	}}})
}

// killCursors removes the proxy's cursors. If any cursor is FerretDB's, FerretDB answers.
func (s *session) killCursors(ctx context.Context, r request) ([]byte, error) {
	ids, _ := r.cmd.Body.Lookup("cursors").ArrayOK()
	values, err := ids.Values()
	if err != nil {
		return nil, fault.New(fault.FailedToParse, "killCursors needs an array of cursors")
	}
	killed := bson.A{}
	for _, v := range values {
		if id, ok := v.AsInt64OK(); ok && s.cursors.kill(id, r.namespace()) {
			killed = append(killed, id)
		}
	}
	if len(killed) == 0 {
		return s.pass(ctx, r)
	}
	return s.reply(r, bson.D{
		{Key: "cursorsKilled", Value: killed},
		{Key: "cursorsNotFound", Value: bson.A{}},
		{Key: "cursorsAlive", Value: bson.A{}},
		{Key: "cursorsUnknown", Value: bson.A{}},
	})
}

// endSessions: there are no sessions, so there is nothing to end.
func (s *session) endSessions(_ context.Context, r request) ([]byte, error) {
	return s.reply(r, bson.D{})
}
