package query

import (
	"regexp"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/fault"
	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/value"
)

// compileOperator takes one operator of a field; ops are all of that field, since $regex reads $options.
func compileOperator(path []string, op bson.E, ops bson.D) (predicate, error) {
	switch op.Key {
	case "$ne":
		t, err := equals(op.Value)
		return not(anywhere(path, t)), err
	case "$in":
		t, err := oneOf(op)
		return anywhere(path, t), err
	case "$nin":
		t, err := oneOf(op)
		return not(anywhere(path, t)), err
	case "$exists":
		there := anywhere(path, func(v any, _ bool) bool { return v != (value.Missing{}) })
		if !value.Truthy(op.Value) {
			return not(there), nil
		}
		return there, nil
	case "$not":
		return compileNot(path, op.Value)
	case "$elemMatch":
		return compileElemMatch(path, op.Value)
	}
	t, err := compileTest(op, ops)
	if err != nil {
		return nil, err
	}
	return anywhere(path, t), nil
}

func compileTest(op bson.E, ops bson.D) (test, error) {
	switch op.Key {
	case "$eq":
		return same(op.Value), nil
	case "$gt":
		return ordered(op.Value, func(c int) bool { return c > 0 }), nil
	case "$gte":
		return ordered(op.Value, func(c int) bool { return c >= 0 }), nil
	case "$lt":
		return ordered(op.Value, func(c int) bool { return c < 0 }), nil
	case "$lte":
		return ordered(op.Value, func(c int) bool { return c <= 0 }), nil
	case "$size":
		n, ok := value.Int(op.Value)
		if !ok || n < 0 {
			return nil, fault.New(fault.BadValue, "$size must be a whole number of at least 0")
		}
		return func(v any, element bool) bool {
			a, ok := v.(bson.A)
			return ok && !element && int64(len(a)) == n
		}, nil
	case "$regex":
		options, _ := value.Field(ops, "$options")
		return compileRegex(op.Value, options)
	case "$options":
		if _, ok := value.Field(ops, "$regex"); ok {
			return func(any, bool) bool { return true }, nil
		}
		return nil, fault.New(fault.BadValue, "$options needs a $regex")
	}
	return nil, fault.New(fault.BadValue, "unknown operator: %s", op.Key)
}

// equals is the test of {path: value}: a regular expression is matched, anything else compared.
func equals(v any) (test, error) {
	if re, ok := v.(bson.Regex); ok {
		return compileRegex(re, nil)
	}
	return same(v), nil
}

// same compares; null equals a missing field.
func same(want any) test {
	if value.IsNullish(want) {
		return func(v any, _ bool) bool { return value.IsNullish(v) }
	}
	return func(v any, _ bool) bool { return value.Compare(v, want) == 0 }
}

// ordered compares within one class of types only: no number is greater than a text.
func ordered(bound any, holds func(int) bool) test {
	class := value.Class(bound)
	return func(v any, _ bool) bool {
		if value.IsNullish(bound) {
			return value.IsNullish(v) && holds(0)
		}
		if nan(bound) || nan(v) {
			return nan(bound) && nan(v) && holds(0)
		}
		return value.Class(v) == class && holds(value.Compare(v, bound))
	}
}

func nan(v any) bool {
	f, ok := v.(float64)
	return ok && f != f
}

func oneOf(op bson.E) (test, error) {
	list, ok := op.Value.(bson.A)
	if !ok {
		return nil, fault.New(fault.BadValue, "%s needs an array", op.Key)
	}
	tests := make([]test, len(list))
	for i, v := range list {
		var err error
		if tests[i], err = equals(v); err != nil {
			return nil, err
		}
	}
	return func(v any, element bool) bool {
		for _, t := range tests {
			if t(v, element) {
				return true
			}
		}
		return false
	}, nil
}

func compileNot(path []string, arg any) (predicate, error) {
	if re, ok := arg.(bson.Regex); ok {
		t, err := compileRegex(re, nil)
		return not(anywhere(path, t)), err
	}
	ops, ok := arg.(bson.D)
	if !ok || len(ops) == 0 {
		return nil, fault.New(fault.BadValue, "$not needs a regex or a document with operators")
	}
	p, err := compileOperators(path, ops)
	if err != nil {
		return nil, err
	}
	return not(p), nil
}

// compileElemMatch returns a predicate for arrays: one element must satisfy all conditions of arg, which are operators for elements of any
// type, or a filter for documents.
func compileElemMatch(path []string, arg any) (predicate, error) {
	spec, ok := arg.(bson.D)
	if !ok {
		return nil, fault.New(fault.BadValue, "$elemMatch needs an Object")
	}
	p, documentsOnly, err := compileElement(spec)
	if err != nil {
		return nil, err
	}
	return func(doc bson.D) (bool, error) {
		var failure error
		missed := value.Each(doc, path, func(v any, element bool) bool {
			array, ok := v.(bson.A)
			if !ok || element {
				return true
			}
			for _, e := range array {
				inner, isDoc := e.(bson.D)
				if documentsOnly && !isDoc {
					continue
				}
				if !documentsOnly {
					inner = bson.D{{Key: "e", Value: e}}
				}
				if ok, err := p(inner); err != nil || ok {
					failure = err
					return false
				}
			}
			return true
		})
		return !missed && failure == nil, failure
	}, nil
}

func compileElement(spec bson.D) (p predicate, documentsOnly bool, err error) {
	if len(spec) > 0 && strings.HasPrefix(spec[0].Key, "$") {
		switch spec[0].Key {
		case "$and", "$or", "$nor", "$expr":
		default:
			p, err = compileOperators([]string{"e"}, spec)
			return p, false, err
		}
	}
	p, err = compile(spec)
	return p, true, err
}

// compileRegex matches text with Go's regexp. Patterns with look-around or back references are refused.
func compileRegex(pattern, options any) (test, error) {
	var text, flags string
	switch x := pattern.(type) {
	case string:
		text = x
	case bson.Regex:
		text, flags = x.Pattern, x.Options
	default:
		return nil, fault.New(fault.BadValue, "$regex has to be a string")
	}
	if s, ok := options.(string); ok {
		flags = s
	}
	for _, flag := range flags {
		if !strings.ContainsRune("ims", flag) {
			return nil, fault.New(fault.BadValue, "regular expression option %q is not answered by this stand-in: use i, m and s", flag)
		}
	}
	if flags != "" {
		text = "(?" + flags + ")" + text
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, fault.New(51091, "Regular expression is invalid or needs what this stand-in's engine lacks")
	}
	return func(v any, _ bool) bool {
		switch x := v.(type) {
		case string:
			return re.MatchString(x)
		case bson.Regex:
			r, ok := pattern.(bson.Regex)
			return ok && r == x
		}
		return false
	}, nil
}
