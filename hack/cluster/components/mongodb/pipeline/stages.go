package pipeline

import (
	"math/rand/v2"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/expression"
	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/fault"
	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/query"
	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/value"
)

func compileMatch(spec any) (stage, error) {
	doc, ok := spec.(bson.D)
	if !ok {
		return nil, fault.New(15959, "the match filter must be an expression in an object")
	}
	filter, err := query.Compile(doc)
	if err != nil {
		return nil, err
	}
	return each(func(doc bson.D) (bson.D, error) {
		if ok, err := filter.Matches(doc); !ok {
			return nil, err
		}
		return doc, nil
	}), nil
}

// count reads the argument of $limit and $skip.
func count(name string, spec any, least int64) (int64, error) {
	n, ok := value.Int(spec)
	if f, isFloat := spec.(float64); isFloat && f == float64(int64(f)) {
		n, ok = int64(f), true
	}
	if !ok || n < least {
		return 0, fault.New(15957, "%s needs a whole number of at least %d", name, least)
	}
	return n, nil
}

func compileLimit(spec any) (stage, error) {
	limit, err := count("$limit", spec, 1)
	if err != nil {
		return nil, err
	}
	return func(in Documents) Documents {
		return func(yield func(bson.D, error) bool) {
			left := limit
			for doc, err := range in {
				if left--; !yield(doc, err) || err != nil || left == 0 {
					return
				}
			}
		}
	}, nil
}

func compileSkip(spec any) (stage, error) {
	skip, err := count("$skip", spec, 0)
	if err != nil {
		return nil, err
	}
	return func(in Documents) Documents {
		return func(yield func(bson.D, error) bool) {
			left := skip
			for doc, err := range in {
				if left > 0 && err == nil {
					left--
					continue
				}
				if !yield(doc, err) || err != nil {
					return
				}
			}
		}
	}, nil
}

func compileCount(spec any) (stage, error) {
	name, ok := spec.(string)
	if !ok || name == "" || strings.HasPrefix(name, "$") || strings.Contains(name, ".") {
		return nil, fault.New(40156, "the count field must be a non-empty string without '.' and a leading '$'")
	}
	return func(in Documents) Documents {
		return func(yield func(bson.D, error) bool) {
			var n any = int32(0)
			for _, err := range in {
				if err != nil {
					yield(nil, err)
					return
				}
				n, _ = expression.Plus(n, int32(1))
			}
			if n != int32(0) { // without documents there is no result
				yield(bson.D{{Key: name, Value: n}}, nil)
			}
		}
	}, nil
}

// compileSample picks documents at random; each set of the requested size is equally likely.
func compileSample(spec any) (stage, error) {
	doc, ok := spec.(bson.D)
	if !ok || len(doc) != 1 || doc[0].Key != "size" {
		return nil, fault.New(28745, "$sample needs {size: n}")
	}
	size, err := count("$sample", doc[0].Value, 1)
	if err != nil {
		return nil, fault.New(28747, "size argument to $sample must be a positive number")
	}
	return whole("$sample", func(docs []bson.D) ([]bson.D, error) {
		picked := slices.Clone(docs)
		rand.Shuffle(len(picked), func(i, j int) { picked[i], picked[j] = picked[j], picked[i] })
		return picked[:min(int64(len(picked)), size)], nil
	}), nil
}

func compileReplaceRoot(spec any) (stage, error) {
	doc, ok := spec.(bson.D)
	if !ok || len(doc) != 1 || doc[0].Key != "newRoot" {
		return nil, fault.New(40229, "$replaceRoot needs {newRoot: expression}")
	}
	return compileReplaceWith(doc[0].Value)
}

func compileReplaceWith(spec any) (stage, error) {
	e, err := expression.Compile(spec)
	if err != nil {
		return nil, err
	}
	return each(func(doc bson.D) (bson.D, error) {
		v, err := e.Eval(doc)
		if err != nil {
			return nil, err
		}
		root, ok := v.(bson.D)
		if !ok {
			return nil, fault.New(40228, "'newRoot' expression must evaluate to an object")
		}
		return root, nil
	}), nil
}

// compileUnwind yields one document for each element of an array. Another value counts as an array of one element; null, missing and empty
// arrays yield no document, unless they are to be preserved.
func compileUnwind(spec any) (stage, error) {
	options := bson.D{{Key: "path", Value: spec}}
	if doc, ok := spec.(bson.D); ok {
		options = doc
	}
	var path []string
	var index string
	var keep bool
	for _, o := range options {
		switch o.Key {
		case "path":
			text, ok := o.Value.(string)
			field, isPath := strings.CutPrefix(text, "$")
			if !ok || !isPath {
				return nil, fault.New(28818, "path option to $unwind stage should be prefixed with a '$'")
			}
			var err error
			if path, err = expression.Path(field); err != nil {
				return nil, err
			}
		case "includeArrayIndex":
			if index, _ = o.Value.(string); index == "" || strings.ContainsAny(index, "$.") {
				return nil, fault.New(28810, "expected a plain field name for the includeArrayIndex option to $unwind")
			}
		case "preserveNullAndEmptyArrays":
			var ok bool
			if keep, ok = o.Value.(bool); !ok {
				return nil, fault.New(28809, "expected a boolean for the preserveNullAndEmptyArrays option to $unwind")
			}
		default:
			return nil, fault.New(28811, "unrecognized option to $unwind stage: %s", o.Key)
		}
	}
	if path == nil {
		return nil, fault.New(28812, "no path specified to $unwind stage")
	}

	return func(in Documents) Documents {
		return func(yield func(bson.D, error) bool) {
			for doc, err := range in {
				if err != nil {
					yield(nil, err)
					return
				}
				for _, out := range unwind(doc, path, index, keep) {
					if !yield(out, nil) {
						return
					}
				}
			}
		}
	}, nil
}

func unwind(doc bson.D, path []string, index string, keep bool) []bson.D {
	numbered := func(doc bson.D, i any) bson.D {
		if index == "" {
			return doc
		}
		return expression.With(slices.Clone(doc), index, i)
	}
	v := field(doc, path)
	array, isArray := v.(bson.A)
	switch {
	case isArray && len(array) > 0:
		out := make([]bson.D, len(array))
		for i, e := range array {
			out[i] = numbered(put(doc, path, e), int64(i))
		}
		return out
	case !isArray && !value.IsNullish(v):
		return []bson.D{numbered(doc, nil)}
	case !keep:
		return nil
	case isArray: // an empty array leaves no field behind
		doc = put(doc, path, value.Missing{})
	}
	return []bson.D{numbered(doc, nil)}
}

// field follows a path through documents only, as $unwind does.
func field(doc bson.D, path []string) any {
	v, ok := value.Field(doc, path[0])
	if !ok {
		return value.Missing{}
	}
	if len(path) == 1 {
		return v
	}
	inner, ok := v.(bson.D)
	if !ok {
		return value.Missing{}
	}
	return field(inner, path[1:])
}

// put returns a copy of doc with another value at a path that field can follow; Missing removes the field.
func put(doc bson.D, path []string, v any) bson.D {
	out := make(bson.D, 0, len(doc))
	for _, e := range doc {
		if e.Key == path[0] {
			if len(path) > 1 {
				e.Value = put(e.Value.(bson.D), path[1:], v)
			} else if v == (value.Missing{}) {
				continue
			} else {
				e.Value = v
			}
		}
		out = append(out, e)
	}
	return out
}
