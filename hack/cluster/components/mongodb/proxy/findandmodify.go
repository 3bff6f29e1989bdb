package proxy

import (
	"context"
	"errors"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/fault"
	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/pipeline"
	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/value"
)

// findAndModify adds "fields" and pipeline updates to FerretDB's command. The caller holds the collection's lock, so no write comes between
// the read and the write.
func (s *session) findAndModify(ctx context.Context, r request) ([]byte, error) {
	body, err := r.body()
	if err != nil {
		return nil, err
	}
	project, err := projection(first(body, "fields"))
	if err != nil {
		return nil, err
	}
	if stages, ok := first(body, "update").(bson.A); ok {
		return s.modifyByPipeline(ctx, r, body, stages, project)
	}
	if first(body, "fields") == nil {
		return s.pass(ctx, r)
	}

	plain := slices.DeleteFunc(body, func(e bson.E) bool { return e.Key == "fields" })
	raw, err := s.backend.do(ctx, plain)
	if err != nil {
		return nil, err
	}
	var reply bson.D
	if err := bson.Unmarshal(raw, &reply); err != nil {
		return nil, err
	}
	for i := range reply {
		if doc, ok := reply[i].Value.(bson.D); ok && reply[i].Key == "value" {
			if reply[i].Value, err = project(doc); err != nil {
				return nil, err
			}
		}
	}
	return s.encode(r.msg, reply)
}

// projection returns the projection of "fields" for the document in the reply.
func projection(fields any) (func(bson.D) (bson.D, error), error) {
	spec, ok := fields.(bson.D)
	switch {
	case fields == nil || ok && len(spec) == 0:
		return func(doc bson.D) (bson.D, error) { return doc, nil }, nil
	case !ok:
		return nil, fault.New(fault.TypeMismatch, "'fields' of findAndModify must be a document")
	}
	p, err := pipeline.CompileProjection(spec)
	return p.Apply, err
}

// modifyByPipeline reads the document, runs it through the stages, and replaces it with the result.
func (s *session) modifyByPipeline(ctx context.Context, r request, body bson.D, stages bson.A, project func(bson.D) (bson.D, error)) ([]byte, error) {
	if err := unanswered(body, body[0].Key, "query", "sort", "update", "new", "upsert", "fields", "remove"); err != nil {
		return nil, err
	}
	if value.Truthy(first(body, "upsert")) || value.Truthy(first(body, "remove")) {
		return nil, fault.New(fault.CommandNotSupported, "the stand-in for MongoDB does not answer findAndModify with a pipeline and 'upsert' or 'remove'")
	}
	p, err := pipeline.CompileUpdate(stages)
	if err != nil {
		return nil, err
	}

	old, err := s.findOne(ctx, r, body)
	if err != nil {
		return nil, err
	}
	if old == nil {
		return s.reply(r, bson.D{
			{Key: "lastErrorObject", Value: bson.D{{Key: "n", Value: int32(0)}, {Key: "updatedExisting", Value: false}}},
			{Key: "value", Value: nil},
		})
	}
	changed, err := apply(p, old)
	if err != nil {
		return nil, err
	}
	if err := s.replace(ctx, r, old, changed); err != nil {
		return nil, err
	}

	shown := old
	if value.Truthy(first(body, "new")) {
		shown = changed
	}
	if shown, err = project(shown); err != nil {
		return nil, err
	}
	return s.reply(r, bson.D{
		{Key: "lastErrorObject", Value: bson.D{{Key: "n", Value: int32(1)}, {Key: "updatedExisting", Value: true}}},
		{Key: "value", Value: shown},
	})
}

// findOne returns the document to modify, or nil.
func (s *session) findOne(ctx context.Context, r request, body bson.D) (bson.D, error) {
	query, ok := first(body, "query").(bson.D)
	if !ok {
		query = bson.D{}
	}
	extra := bson.D{{Key: "limit", Value: int64(1)}, {Key: "singleBatch", Value: true}}
	if sort, ok := first(body, "sort").(bson.D); ok && len(sort) > 0 {
		extra = append(extra, bson.E{Key: "sort", Value: sort})
	}
	for doc, err := range s.backend.stream(ctx, r.db, r.coll, query, extra) {
		return doc, err
	}
	return nil, nil
}

// apply runs an update's stages over one document, whose _id must stay as it is.
func apply(p pipeline.Pipeline, old bson.D) (bson.D, error) {
	for changed, err := range p.Run(pipeline.Of(old)) {
		if err != nil {
			return nil, err
		}
		id := first(old, "_id")
		switch now, there := value.Field(changed, "_id"); {
		case !there: // $project and $replaceRoot may drop it; the update keeps it
			return append(bson.D{{Key: "_id", Value: id}}, changed...), nil
		case value.Compare(now, id) != 0:
			return nil, fault.New(fault.ImmutableField, "Performing an update on the path '_id' would modify the immutable field '_id'")
		}
		return changed, nil
	}
	return nil, fault.New(fault.InternalError, "an update's stages yielded no document")
}

// replace writes the changed document over the old one.
func (s *session) replace(ctx context.Context, r request, old, changed bson.D) error {
	raw, err := s.backend.do(ctx, bson.D{
		{Key: "update", Value: r.coll},
		{Key: "updates", Value: bson.A{bson.D{
			{Key: "q", Value: bson.D{{Key: "_id", Value: first(old, "_id")}}},
			{Key: "u", Value: changed},
		}}},
		{Key: "$db", Value: r.db},
	})
	if err != nil {
		return asDuplicate(err)
	}
	var reply struct {
		N      int32 `bson:"n"`
		Errors []struct {
			Code    int32  `bson:"code"`
			Message string `bson:"errmsg"`
		} `bson:"writeErrors"`
	}
	if err := bson.Unmarshal(raw, &reply); err != nil {
		return err
	}
	if len(reply.Errors) > 0 {
		return asDuplicate(fault.New(reply.Errors[0].Code, "%s", reply.Errors[0].Message))
	}
	if reply.N != 1 {
		return fault.New(fault.InternalError, "the document to modify was gone when it was to be written")
	}
	return nil
}

// asDuplicate returns MongoDB's error for a duplicate value of a unique index. FerretDB reports it as an internal error of SQLite when an
// update causes it.
func asDuplicate(err error) error {
	var e *fault.Error
	if errors.As(err, &e) && strings.Contains(e.Message, "UNIQUE constraint failed") {
		return fault.New(fault.DuplicateKey, "E11000 duplicate key error: another document has this value of a unique index")
	}
	return err
}
