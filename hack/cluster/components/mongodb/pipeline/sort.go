package pipeline

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/fault"
	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/value"
)

// by is one key of a sort.
type by struct {
	path       []string
	descending bool
}

func compileSort(spec any) (stage, error) {
	doc, ok := spec.(bson.D)
	if !ok || len(doc) == 0 {
		return nil, fault.New(15976, "$sort stage must have at least one sort key")
	}
	keys := make([]by, len(doc))
	for i, e := range doc {
		direction, err := count("$sort", e.Value, -1)
		if err != nil || direction == 0 || direction > 1 {
			return nil, fault.New(15975, "$sort key ordering must be 1 (for ascending) or -1 (for descending)")
		}
		keys[i] = by{path: strings.Split(e.Key, "."), descending: direction < 0}
	}
	return whole("$sort", func(docs []bson.D) ([]bson.D, error) { return sorted(docs, keys), nil }), nil
}

// sorted is stable: documents with equal keys keep their order.
func sorted(docs []bson.D, keys []by) []bson.D {
	type row struct {
		doc  bson.D
		keys []any
	}
	rows := make([]row, len(docs))
	for i, doc := range docs {
		rows[i] = row{doc: doc, keys: make([]any, len(keys))}
		for j, key := range keys {
			rows[i].keys[j] = key.of(doc)
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int {
		for j, key := range keys {
			if c := value.Compare(a.keys[j], b.keys[j]); c != 0 {
				if key.descending {
					return -c
				}
				return c
			}
		}
		return 0
	})
	out := make([]bson.D, len(rows))
	for i, r := range rows {
		out[i] = r.doc
	}
	return out
}

// of returns a document's sort key: for an array its least element, or its greatest in descending order. A missing field sorts as null, an
// empty array before null.
func (k by) of(doc bson.D) any {
	var best any
	found := false
	value.Each(doc, k.path, func(v any, element bool) bool {
		if array, ok := v.(bson.A); ok && !element {
			if len(array) > 0 {
				return true // its elements follow
			}
			v = bson.Undefined{}
		}
		if v == (value.Missing{}) {
			v = nil
		}
		c := value.Compare(v, best)
		if !found || (c < 0) != k.descending && c != 0 {
			best, found = v, true
		}
		return true
	})
	return best
}
