package expression

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/fault"
	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/value"
)

// arrays: operators that take or make arrays.
var arrays = map[string]func(compiler, any) (evaluator, error){
	"$arrayElemAt":  variadic("$arrayElemAt", 2, 2, arrayElemAt),
	"$concatArrays": variadic("$concatArrays", 0, unbounded, concatArrays),
	"$in":           variadic("$in", 2, 2, in),
	"$indexOfArray": variadic("$indexOfArray", 2, 4, indexOfArray),
	"$isArray":      variadic("$isArray", 1, 1, func(a bson.A) (any, error) { _, ok := a[0].(bson.A); return ok, nil }),
	"$size":         variadic("$size", 1, 1, size),
	"$slice":        variadic("$slice", 2, 3, slice),
	"$filter":       compileFilter,
	"$map":          compileMap,
}

// arrayElemAt counts from the end for a negative index; out of bounds yields no field.
func arrayElemAt(args bson.A) (any, error) {
	if value.IsNullish(args[0]) || value.IsNullish(args[1]) {
		return nil, nil
	}
	array, ok := args[0].(bson.A)
	if !ok {
		return nil, fault.New(28689, "$arrayElemAt's first argument must be an array")
	}
	i, ok := whole(args[1])
	if !ok {
		return nil, fault.New(28690, "$arrayElemAt's second argument must be a whole number of 32 bits")
	}
	if i < 0 {
		i += len(array)
	}
	if i < 0 || i >= len(array) {
		return value.Missing{}, nil
	}
	return array[i], nil
}

// whole reads an argument that counts or indexes: any numeric type, if its value is a whole number of 32 bits.
func whole(v any) (int, bool) {
	if f, ok := v.(float64); ok && f == float64(int32(f)) {
		return int(f), true
	}
	i, ok := value.Int(v)
	return int(i), ok && i == int64(int32(i))
}

func concatArrays(args bson.A) (any, error) {
	joined := bson.A{}
	for _, arg := range args {
		if value.IsNullish(arg) {
			return nil, nil
		}
		array, ok := arg.(bson.A)
		if !ok {
			return nil, fault.New(28664, "$concatArrays only supports arrays")
		}
		joined = append(joined, array...)
	}
	return joined, nil
}

func in(args bson.A) (any, error) {
	array, ok := args[1].(bson.A)
	if !ok {
		return nil, fault.New(40081, "$in requires an array as a second argument")
	}
	return indexOf(array, args[0], 0, len(array)) >= 0, nil
}

func indexOf(array bson.A, v any, start, end int) int {
	for i := start; i < min(end, len(array)); i++ {
		if value.Compare(array[i], v) == 0 {
			return i
		}
	}
	return -1
}

// indexOfArray searches from an optional start up to, and without, an optional end.
func indexOfArray(args bson.A) (any, error) {
	if value.IsNullish(args[0]) {
		return nil, nil
	}
	array, ok := args[0].(bson.A)
	if !ok {
		return nil, fault.New(40090, "$indexOfArray requires an array as a first argument")
	}
	bounds := []int{0, len(array)}
	for i, arg := range args[2:] {
		n, ok := whole(arg)
		if !ok || n < 0 {
			return nil, fault.New(40096, "$indexOfArray requires whole, non-negative numbers as start and end")
		}
		bounds[i] = n
	}
	return int32(indexOf(array, args[1], bounds[0], bounds[1])), nil
}

func size(args bson.A) (any, error) {
	array, ok := args[0].(bson.A)
	if !ok {
		return nil, fault.New(17124, "The argument to $size must be an array")
	}
	return int32(len(array)), nil
}

// slice is [array, n] or [array, position, n]: n elements from the start, from the end for a negative n, or from a
// position, which counts from the end if it is negative.
func slice(args bson.A) (any, error) {
	if slices.ContainsFunc(args, value.IsNullish) {
		return nil, nil
	}
	array, ok := args[0].(bson.A)
	if !ok {
		return nil, fault.New(28724, "First argument to $slice must be an array")
	}
	n, ok := whole(args[1])
	if !ok {
		return nil, fault.New(28725, "Second argument to $slice must be a whole number of 32 bits")
	}
	if len(args) == 2 {
		if n >= 0 {
			return array[:min(n, len(array))], nil
		}
		return array[max(len(array)+n, 0):], nil
	}

	position := n
	if n, ok = whole(args[2]); !ok {
		return nil, fault.New(28727, "Third argument to $slice must be a whole number of 32 bits")
	}
	if n <= 0 {
		return nil, fault.New(28729, "Third argument to $slice must be positive: %d", n)
	}
	if position < 0 {
		position = max(len(array)+position, 0)
	}
	position = min(position, len(array))
	return array[position:min(position+n, len(array))], nil
}

// element is the name that $map and $filter bind when "as" is absent.
const element = "this"

func compileFilter(c compiler, arg any) (evaluator, error) {
	parts, err := c.named("$filter", arg, []string{"input", "cond"}, []string{"as", "limit"})
	if err != nil {
		return nil, err
	}
	each, err := c.overElements("$filter", parts, "cond")
	if err != nil {
		return nil, err
	}
	limit, err := c.compile(parts["limit"])
	if err != nil {
		return nil, err
	}
	return func(sc *scope) (any, error) {
		most := unbounded
		n, err := limit(sc)
		if err != nil {
			return nil, err
		}
		if !value.IsNullish(n) {
			var ok bool
			if most, ok = whole(n); !ok || most < 1 {
				return nil, fault.New(327391, "$filter: limit must be a whole number of at least 1")
			}
		}
		return each(sc, func(kept bson.A, element, cond any) bson.A {
			if value.Truthy(cond) && len(kept) < most {
				return append(kept, element)
			}
			return kept
		})
	}, nil
}

func compileMap(c compiler, arg any) (evaluator, error) {
	parts, err := c.named("$map", arg, []string{"input", "in"}, []string{"as"})
	if err != nil {
		return nil, err
	}
	each, err := c.overElements("$map", parts, "in")
	if err != nil {
		return nil, err
	}
	return func(sc *scope) (any, error) {
		return each(sc, func(mapped bson.A, _, v any) bson.A {
			if v == (value.Missing{}) {
				v = nil
			}
			return append(mapped, v)
		})
	}, nil
}

// overElements compiles what $map and $filter share: an input, a name for its elements, and an expression for each.
func (c compiler) overElements(
	operator string,
	parts map[string]any,
	body string,
) (func(*scope, func(result bson.A, element, v any) bson.A) (any, error), error) {
	name := element
	if as, given := parts["as"]; given {
		var ok bool
		if name, ok = as.(string); !ok || name == "" {
			return nil, fault.New(fault.FailedToParse, "%s needs a name in 'as', for example as: \"item\"", operator)
		}
	}
	input, err := c.compile(parts["input"])
	if err != nil {
		return nil, err
	}
	eval, err := c.with(name).compile(parts[body])
	if err != nil {
		return nil, err
	}

	return func(sc *scope, add func(bson.A, any, any) bson.A) (any, error) {
		v, err := input(sc)
		if err != nil {
			return nil, err
		}
		if value.IsNullish(v) {
			return nil, nil
		}
		array, ok := v.(bson.A)
		if !ok {
			return nil, fault.New(16883, "input to %s must be an array", operator)
		}
		result := bson.A{}
		for _, e := range array {
			v, err := eval(sc.with(name, e))
			if err != nil {
				return nil, err
			}
			result = add(result, e, v)
		}
		return result, nil
	}, nil
}
