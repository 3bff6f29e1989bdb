package query

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/expression"
	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/fault"
	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/value"
)

// Filter is a compiled filter. It is safe for concurrent use.
type Filter struct{ holds predicate }

type predicate func(bson.D) (bool, error)

// Compile checks and compiles a filter.
func Compile(spec bson.D) (Filter, error) {
	holds, err := compile(spec)
	return Filter{holds}, err
}

// Matches reports whether the document satisfies the filter. An error can only come from an $expr.
func (f Filter) Matches(doc bson.D) (bool, error) { return f.holds(doc) }

func compile(spec bson.D) (predicate, error) {
	var all []predicate
	for _, e := range spec {
		p, err := compileCondition(e)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return every(all), nil
}

func compileCondition(e bson.E) (predicate, error) {
	switch e.Key {
	case "$and", "$or", "$nor":
		return compileJunction(e)
	case "$expr":
		return compileExpr(e.Value)
	case "$comment":
		return every(nil), nil
	}
	if strings.HasPrefix(e.Key, "$") {
		return nil, fault.New(fault.BadValue, "unknown top level operator: %s", e.Key)
	}
	return compileField(strings.Split(e.Key, "."), e.Value)
}

func compileJunction(e bson.E) (predicate, error) {
	specs, ok := e.Value.(bson.A)
	if !ok || len(specs) == 0 {
		return nil, fault.New(fault.BadValue, "%s must be a nonempty array", e.Key)
	}
	parts := make([]predicate, len(specs))
	for i, spec := range specs {
		doc, ok := spec.(bson.D)
		if !ok {
			return nil, fault.New(fault.BadValue, "%s argument's entries must be objects", e.Key)
		}
		var err error
		if parts[i], err = compile(doc); err != nil {
			return nil, err
		}
	}
	switch e.Key {
	case "$and":
		return every(parts), nil
	case "$or":
		return some(parts), nil
	}
	return not(some(parts)), nil
}

func compileExpr(spec any) (predicate, error) {
	e, err := expression.Compile(spec)
	if err != nil {
		return nil, err
	}
	return func(doc bson.D) (bool, error) {
		v, err := e.Eval(doc)
		return value.Truthy(v), err
	}, nil
}

func every(parts []predicate) predicate {
	return func(doc bson.D) (bool, error) {
		for _, p := range parts {
			if ok, err := p(doc); err != nil || !ok {
				return false, err
			}
		}
		return true, nil
	}
}

func some(parts []predicate) predicate {
	return func(doc bson.D) (bool, error) {
		for _, p := range parts {
			if ok, err := p(doc); err != nil || ok {
				return ok, err
			}
		}
		return false, nil
	}
}

func not(p predicate) predicate {
	return func(doc bson.D) (bool, error) {
		ok, err := p(doc)
		return !ok, err
	}
}

// compileField takes {path: {$op: arg, ...}} and {path: value}.
func compileField(path []string, condition any) (predicate, error) {
	ops, ok := condition.(bson.D)
	if !ok || len(ops) == 0 || !strings.HasPrefix(ops[0].Key, "$") {
		test, err := equals(condition)
		if err != nil {
			return nil, err
		}
		return anywhere(path, test), nil
	}
	return compileOperators(path, ops)
}

func compileOperators(path []string, ops bson.D) (predicate, error) {
	var all []predicate
	for _, op := range ops {
		p, err := compileOperator(path, op, ops)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return every(all), nil
}

// test checks one value of a path; element is true for an element of an array at the path's end.
type test func(v any, element bool) bool

// anywhere is true if the test is true for any value of the path.
func anywhere(path []string, t test) predicate {
	return func(doc bson.D) (bool, error) {
		return !value.Each(doc, path, func(v any, element bool) bool { return !t(v, element) }), nil
	}
}
