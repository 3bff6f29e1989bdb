package proxy

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/fault"
	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/value"
)

// namespaceNotFound is what FerretDB answers to listIndexes of a collection that does not exist.
const namespaceNotFound = 26

// createIndexes passes only new indexes to FerretDB, which panics on several existing ones. The caller holds the collection's lock.
func (s *session) createIndexes(ctx context.Context, r request) ([]byte, error) {
	body, err := r.body()
	if err != nil {
		return nil, err
	}
	wanted, ok := first(body, "indexes").(bson.A)
	if !ok || len(wanted) == 0 {
		return nil, fault.New(fault.BadValue, "Must specify at least one index to create")
	}
	existing, err := s.indexes(ctx, r)
	if err != nil {
		return nil, err
	}

	before := len(existing)
	missing := bson.A{}
	for _, spec := range wanted {
		index, ok := spec.(bson.D)
		if !ok {
			return nil, fault.New(fault.TypeMismatch, "The elements of the 'indexes' array must be objects")
		}
		there, err := among(existing, index)
		if err != nil {
			return nil, err
		}
		if !there {
			missing = append(missing, index)
			existing = append(existing, index)
		}
	}
	if len(missing) == 0 {
		return s.reply(r, bson.D{
			{Key: "numIndexesBefore", Value: int32(before)},
			{Key: "numIndexesAfter", Value: int32(before)},
			{Key: "note", Value: "all indexes already exist"},
		})
	}
	for i := range body {
		if body[i].Key == "indexes" {
			body[i].Value = missing
		}
	}
	raw, err := s.backend.do(ctx, body)
	if err != nil {
		return nil, err
	}
	var reply bson.D
	if err := bson.Unmarshal(raw, &reply); err != nil {
		return nil, err
	}
	return s.encode(r.msg, reply)
}

// indexes lists the collection's indexes. The list is empty if the collection does not exist.
func (s *session) indexes(ctx context.Context, r request) ([]bson.D, error) {
	raw, err := s.backend.do(ctx, bson.D{{Key: "listIndexes", Value: r.coll}, {Key: "$db", Value: r.db}})
	var refusal *fault.Error
	if errors.As(err, &refusal) && refusal.Code == namespaceNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var reply struct {
		Cursor struct {
			Batch []bson.D `bson:"firstBatch"`
			ID    int64    `bson:"id"`
		} `bson:"cursor"`
	}
	if err := bson.Unmarshal(raw, &reply); err != nil {
		return nil, err
	}
	if reply.Cursor.ID != 0 {
		return nil, fault.New(fault.CommandNotSupported, "the collection has more indexes than the stand-in for MongoDB compares")
	}
	return reply.Cursor.Batch, nil
}

// among reports whether an index exists. An index that agrees only in part is refused, as in MongoDB.
func among(existing []bson.D, index bson.D) (bool, error) {
	name, key, unique := describe(index)
	for _, e := range existing {
		n, k, u := describe(e)
		sameKey := value.Compare(k, key) == 0
		switch {
		case n == name && sameKey && u == unique:
			return true, nil
		case n == name:
			return false, fault.New(fault.IndexKeySpecsConflict, "An existing index has the same name as the requested index but other keys or options: give the index another name")
		case sameKey:
			return false, fault.New(fault.IndexOptionsConflict, "Index already exists with a different name: drop it first")
		}
	}
	return false, nil
}

func describe(index bson.D) (name any, key any, unique bool) {
	return first(index, "name"), first(index, "key"), value.Truthy(first(index, "unique"))
}
