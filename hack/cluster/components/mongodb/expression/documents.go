package expression

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/fault"
	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/value"
)

// documents: operators that take or make documents.
var documents = map[string]func(compiler, any) (evaluator, error){
	"$mergeObjects":  variadic("$mergeObjects", 0, unbounded, mergeObjects),
	"$objectToArray": variadic("$objectToArray", 1, 1, objectToArray),
}

// mergeObjects lets later fields win but stay in the place of the first; null and missing count as empty.
func mergeObjects(args bson.A) (any, error) {
	merged := bson.D{}
	for _, arg := range args {
		if value.IsNullish(arg) {
			continue
		}
		doc, ok := arg.(bson.D)
		if !ok {
			return nil, fault.New(40400, "$mergeObjects requires object inputs")
		}
		for _, e := range doc {
			merged = With(merged, e.Key, e.Value)
		}
	}
	return merged, nil
}

// With gives doc with one field set, in its old place or at the end. It may write into doc, never into what doc's fields
// hold.
func With(doc bson.D, name string, v any) bson.D {
	for i := range doc {
		if doc[i].Key == name {
			doc[i].Value = v
			return doc
		}
	}
	return append(doc, bson.E{Key: name, Value: v})
}

func objectToArray(args bson.A) (any, error) {
	if value.IsNullish(args[0]) {
		return nil, nil
	}
	doc, ok := args[0].(bson.D)
	if !ok {
		return nil, fault.New(40390, "$objectToArray requires a document input")
	}
	pairs := make(bson.A, len(doc))
	for i, e := range doc {
		pairs[i] = bson.D{{Key: "k", Value: e.Key}, {Key: "v", Value: e.Value}}
	}
	return pairs, nil
}
