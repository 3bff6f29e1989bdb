package value

import (
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Field finds a field of a document by name.
func Field(doc bson.D, name string) (any, bool) {
	for i := range doc {
		if doc[i].Key == name {
			return doc[i].Value, true
		}
	}
	return nil, false
}

// At returns the value of the aggregation path "$a.b.c" in v. For an array it yields the array of the values in its documents. Without a
// value it returns Missing.
func At(v any, path []string) any {
	if len(path) == 0 {
		return v
	}
	switch x := v.(type) {
	case bson.D:
		if field, ok := Field(x, path[0]); ok {
			return At(field, path[1:])
		}
	case bson.A:
		found := bson.A{}
		for _, e := range x {
			doc, ok := e.(bson.D)
			if !ok {
				continue // an array within an array is not entered
			}
			if f := At(doc, path); f != (Missing{}) {
				found = append(found, f)
			}
		}
		return found
	}
	return Missing{}
}

// Each calls visit with every value that the query path "a.b.c" can mean in v, and stops when visit returns false. Arrays on the way are
// entered by index where the path has a number, and element by element; an array at the end is passed whole, then element by element with
// element true. A path that ends early yields Missing.
func Each(v any, path []string, visit func(v any, element bool) bool) bool {
	if len(path) == 0 {
		if !visit(v, false) {
			return false
		}
		for _, e := range array(v) {
			if !visit(e, true) {
				return false
			}
		}
		return true
	}
	switch x := v.(type) {
	case bson.D:
		field, ok := Field(x, path[0])
		if !ok {
			return visit(Missing{}, false)
		}
		return Each(field, path[1:], visit)
	case bson.A:
		if i, err := strconv.Atoi(path[0]); err == nil && i >= 0 && i < len(x) {
			if !Each(x[i], path[1:], visit) {
				return false
			}
		}
		for _, e := range x {
			if doc, ok := e.(bson.D); ok && !Each(doc, path, visit) {
				return false
			}
		}
		return true
	}
	return visit(Missing{}, false)
}

func array(v any) bson.A {
	a, _ := v.(bson.A)
	return a
}
