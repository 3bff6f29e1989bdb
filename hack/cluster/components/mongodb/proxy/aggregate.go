package proxy

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/fault"
	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/pipeline"
	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/value"
	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/wire"
)

// ignored lists parts of commands without effect here: there is one server, one copy of the data, and no sessions.
var ignored = []string{"$db", "lsid", "$clusterTime", "$readPreference", "readConcern", "writeConcern", "txnNumber", "comment",
	"maxTimeMS", "hint", "allowDiskUse", "apiVersion", "apiStrict", "apiDeprecationErrors", "bypassDocumentValidation"}

// unanswered returns an error for the first part of a command that would change its meaning but is not supported here.
func unanswered(body bson.D, answered ...string) error {
	for _, e := range body {
		if !slices.Contains(answered, e.Key) && !slices.Contains(ignored, e.Key) {
			return fault.New(fault.CommandNotSupported, "the stand-in for MongoDB does not answer %s with '%s'", body[0].Key, clip(e.Key))
		}
	}
	return nil
}

// aggregate runs the pipeline in the proxy, over documents that FerretDB finds.
func (s *session) aggregate(ctx context.Context, r request) ([]byte, error) {
	body, err := r.body()
	if err != nil {
		return nil, err
	}
	if err := unanswered(body, "aggregate", "pipeline", "cursor"); err != nil {
		return nil, err
	}
	if r.coll == "" {
		return nil, fault.New(fault.InvalidNamespace, "the stand-in for MongoDB aggregates collections only, not databases")
	}
	specs, ok := first(body, "pipeline").(bson.A)
	if !ok {
		return nil, fault.New(fault.TypeMismatch, "'pipeline' option must be specified as an array")
	}
	options, ok := first(body, "cursor").(bson.D)
	if !ok {
		return nil, fault.New(fault.FailedToParse, "The 'cursor' option is required, except for aggregate with the explain argument")
	}
	return s.runPipeline(ctx, r, specs, first(options, "batchSize"))
}

func first(doc bson.D, name string) any {
	v, _ := value.Field(doc, name)
	return v
}

// runPipeline answers with the first batch of a pipeline's result and keeps the rest.
func (s *session) runPipeline(ctx context.Context, r request, specs bson.A, batchSize any) ([]byte, error) {
	p, err := pipeline.Compile(specs)
	if err != nil {
		return nil, err
	}
	n, given := value.Int(batchSize)
	if !given {
		n = firstBatch
	}
	if n < 0 {
		return nil, fault.New(fault.BadValue, "batchSize must not be negative")
	}

	var docs []bson.Raw
	size := 0
	for doc, err := range p.Run(s.backend.stream(ctx, r.db, r.coll, prefilter(specs), nil)) {
		if err != nil {
			return nil, err
		}
		raw, err := bson.Marshal(doc)
		if err != nil {
			return nil, err
		}
		if len(raw) > wire.MaxDocument {
			return nil, fault.New(fault.ObjectTooLarge, "a document of the result has %d bytes, the limit is %d", len(raw), wire.MaxDocument)
		}
		if size += len(raw); size > maxResult {
			return nil, fault.New(fault.ExceededMemoryLimit, "the result has more than %d bytes: put a $match, $limit or $project into the pipeline", maxResult)
		}
		docs = append(docs, raw)
	}

	batch, rest := []bson.Raw{}, docs
	if n > 0 {
		batch, rest = cut(docs, int(min(n, 1<<30)))
	}
	id, err := s.cursors.add(r.namespace(), rest)
	if err != nil {
		return nil, err
	}
	return s.reply(r, bson.D{{Key: "cursor", Value: bson.D{
		{Key: "firstBatch", Value: append([]bson.Raw{}, batch...)}, // never null
		{Key: "id", Value: id},
		{Key: "ns", Value: r.namespace()},
	}}})
}

// found is the reply to find and getMore.
type found struct {
	Cursor struct {
		First []bson.Raw `bson:"firstBatch"`
		Next  []bson.Raw `bson:"nextBatch"`
		ID    int64      `bson:"id"`
	} `bson:"cursor"`
}

// stream reads FerretDB's documents batch by batch as they are consumed. extra is added to the find command.
func (b *backend) stream(ctx context.Context, db, coll string, filter, extra bson.D) pipeline.Documents {
	return func(yield func(bson.D, error) bool) {
		cmd := append(bson.D{{Key: "find", Value: coll}, {Key: "filter", Value: filter}}, extra...)
		for cmd != nil {
			raw, err := b.do(ctx, append(cmd, bson.E{Key: "$db", Value: db}))
			var reply found
			if err == nil {
				err = bson.Unmarshal(raw, &reply)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			for _, raw := range append(reply.Cursor.First, reply.Cursor.Next...) {
				var doc bson.D
				err := bson.Unmarshal(raw, &doc)
				if yield(doc, err) && err == nil {
					continue
				}
				if reply.Cursor.ID != 0 { // the reader stopped early: close the cursor
					_, _ = b.do(ctx, bson.D{{Key: "killCursors", Value: coll}, {Key: "cursors", Value: bson.A{reply.Cursor.ID}}, {Key: "$db", Value: db}})
				}
				return
			}
			cmd = nil
			if reply.Cursor.ID != 0 {
				cmd = bson.D{{Key: "getMore", Value: reply.Cursor.ID}, {Key: "collection", Value: coll}}
			}
		}
	}
}
