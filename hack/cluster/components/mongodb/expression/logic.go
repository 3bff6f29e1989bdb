package expression

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/value"
)

// logic: comparisons, truth and choice.
var logic = map[string]func(compiler, any) (evaluator, error){
	"$cmp": variadic("$cmp", 2, 2, func(a bson.A) (any, error) { return int32(value.Compare(a[0], a[1])), nil }),
	"$eq":  comparison("$eq", func(c int) bool { return c == 0 }),
	"$ne":  comparison("$ne", func(c int) bool { return c != 0 }),
	"$gt":  comparison("$gt", func(c int) bool { return c > 0 }),
	"$gte": comparison("$gte", func(c int) bool { return c >= 0 }),
	"$lt":  comparison("$lt", func(c int) bool { return c < 0 }),
	"$lte": comparison("$lte", func(c int) bool { return c <= 0 }),
	"$not": variadic("$not", 1, 1, func(a bson.A) (any, error) { return !value.Truthy(a[0]), nil }),
	"$and": junction("$and", false),
	"$or":  junction("$or", true),

	"$ifNull":  compileIfNull,
	"$cond":    compileCond,
	"$literal": func(_ compiler, arg any) (evaluator, error) { return constant(arg), nil },
}

func comparison(name string, holds func(int) bool) func(compiler, any) (evaluator, error) {
	return variadic(name, 2, 2, func(a bson.A) (any, error) { return holds(value.Compare(a[0], a[1])), nil })
}

// junction evaluates its arguments until one of them is decisive, and no further.
func junction(name string, decisive bool) func(compiler, any) (evaluator, error) {
	return func(c compiler, arg any) (evaluator, error) {
		evals, err := c.arguments(name, 0, unbounded, arg)
		if err != nil {
			return nil, err
		}
		return func(sc *scope) (any, error) {
			for _, eval := range evals {
				v, err := eval(sc)
				if err != nil {
					return nil, err
				}
				if value.Truthy(v) == decisive {
					return decisive, nil
				}
			}
			return !decisive, nil
		}, nil
	}
}

// compileIfNull yields the first argument that is not null or missing, else the last one.
func compileIfNull(c compiler, arg any) (evaluator, error) {
	evals, err := c.arguments("$ifNull", 2, unbounded, arg)
	if err != nil {
		return nil, err
	}
	return func(sc *scope) (any, error) {
		var v any
		for _, eval := range evals {
			var err error // local to the call: this function runs on many connections concurrently
			if v, err = eval(sc); err != nil {
				return nil, err
			}
			if !value.IsNullish(v) {
				return v, nil
			}
		}
		return v, nil
	}, nil
}

// compileCond takes both forms, {if, then, else} and [if, then, else], and evaluates only the branch that it chooses.
func compileCond(c compiler, arg any) (evaluator, error) {
	if _, ok := arg.(bson.D); ok {
		parts, err := c.named("$cond", arg, []string{"if", "then", "else"}, nil)
		if err != nil {
			return nil, err
		}
		arg = bson.A{parts["if"], parts["then"], parts["else"]}
	}
	evals, err := c.arguments("$cond", 3, 3, arg)
	if err != nil {
		return nil, err
	}
	return func(sc *scope) (any, error) {
		v, err := evals[0](sc)
		if err != nil {
			return nil, err
		}
		if value.Truthy(v) {
			return evals[1](sc)
		}
		return evals[2](sc)
	}, nil
}
