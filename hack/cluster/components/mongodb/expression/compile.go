package expression

import (
	"maps"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/fault"
	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/value"
)

// Expression is a compiled expression. It is safe for concurrent use.
type Expression struct{ eval evaluator }

// evaluator yields a value in a scope. It never yields bson.Null: null is nil, and a missing field is value.Missing.
type evaluator func(*scope) (any, error)

// scope holds the variables that an expression sees: the document, and what $map and $filter bind on the way.
type scope struct {
	root   bson.D
	name   string
	bound  any
	parent *scope
}

func (s *scope) with(name string, v any) *scope {
	return &scope{root: s.root, name: name, bound: v, parent: s}
}

func (s *scope) lookup(name string) any {
	for ; s != nil; s = s.parent {
		if s.name == name {
			return s.bound
		}
	}
	return value.Missing{}
}

// Compile checks and compiles an expression.
func Compile(spec any) (Expression, error) {
	eval, err := compiler{}.compile(spec)
	return Expression{eval}, err
}

// Eval returns the expression's value for one document, or value.Missing.
func (e Expression) Eval(doc bson.D) (any, error) {
	return e.eval(&scope{root: doc})
}

// compiler holds the variables in scope.
type compiler struct{ vars map[string]bool }

func (c compiler) with(name string) compiler {
	vars := map[string]bool{name: true}
	maps.Copy(vars, c.vars)
	return compiler{vars}
}

func (c compiler) compile(spec any) (evaluator, error) {
	switch x := spec.(type) {
	case string:
		return c.compileString(x)
	case bson.A:
		return c.compileArray(x)
	case bson.D:
		if len(x) > 0 && strings.HasPrefix(x[0].Key, "$") {
			return c.compileOperator(x)
		}
		return c.compileObject(x)
	case bson.Null:
		return constant(nil), nil
	}
	return constant(spec), nil
}

func constant(v any) evaluator {
	return func(*scope) (any, error) { return v, nil }
}

// compileString compiles "$a.b" as a path in the document, "$$v.b" as a path in a variable, and any other string as a literal.
func (c compiler) compileString(s string) (evaluator, error) {
	variable, isVariable := strings.CutPrefix(s, "$$")
	if isVariable {
		return c.compileVariable(variable)
	}
	field, isField := strings.CutPrefix(s, "$")
	if !isField {
		return constant(s), nil
	}
	path, err := Path(field)
	if err != nil {
		return nil, err
	}
	return func(sc *scope) (any, error) { return value.At(sc.root, path), nil }, nil
}

func (c compiler) compileVariable(s string) (evaluator, error) {
	path, err := Path(s)
	if err != nil {
		return nil, err
	}
	name, path := path[0], path[1:]
	switch {
	case name == "ROOT" || name == "CURRENT":
		return func(sc *scope) (any, error) { return value.At(sc.root, path), nil }, nil
	case name == "REMOVE":
		return constant(value.Missing{}), nil
	case c.vars[name]:
		return func(sc *scope) (any, error) { return value.At(sc.lookup(name), path), nil }, nil
	}
	return nil, fault.New(17276, "Use of undefined variable: %s", name)
}

// Path splits a dotted path and refuses invalid field names.
func Path(s string) ([]string, error) {
	path := strings.Split(s, ".")
	for _, part := range path {
		switch {
		case part == "":
			return nil, fault.New(15998, "FieldPath field names may not be empty strings: '%s'", s)
		case strings.HasPrefix(part, "$"):
			return nil, fault.New(16410, "FieldPath field names may not start with '$': '%s'", s)
		}
	}
	return path, nil
}

func (c compiler) compileList(specs bson.A) ([]evaluator, error) {
	evals := make([]evaluator, len(specs))
	for i, spec := range specs {
		eval, err := c.compile(spec)
		if err != nil {
			return nil, err
		}
		evals[i] = eval
	}
	return evals, nil
}

// compileArray yields an array in which missing values are null.
func (c compiler) compileArray(specs bson.A) (evaluator, error) {
	evals, err := c.compileList(specs)
	if err != nil {
		return nil, err
	}
	return func(sc *scope) (any, error) {
		values, err := evalList(evals, sc)
		if err != nil {
			return nil, err
		}
		for i, v := range values {
			if v == (value.Missing{}) {
				values[i] = nil
			}
		}
		return values, nil
	}, nil
}

func evalList(evals []evaluator, sc *scope) (bson.A, error) {
	values := make(bson.A, len(evals))
	for i, eval := range evals {
		v, err := eval(sc)
		if err != nil {
			return nil, err
		}
		values[i] = v
	}
	return values, nil
}

// compileObject yields a document without the fields that are missing.
func (c compiler) compileObject(spec bson.D) (evaluator, error) {
	evals := make([]evaluator, len(spec))
	for i, e := range spec {
		if strings.HasPrefix(e.Key, "$") {
			return nil, fault.New(15983, "an object that holds %s must hold nothing else: write the operator in a document of its own", e.Key)
		}
		if strings.Contains(e.Key, ".") {
			return nil, fault.New(16405, "dotted field name '%s' is not allowed within an expression: nest documents instead", e.Key)
		}
		eval, err := c.compile(e.Value)
		if err != nil {
			return nil, err
		}
		evals[i] = eval
	}
	return func(sc *scope) (any, error) {
		doc := make(bson.D, 0, len(spec))
		for i, eval := range evals {
			v, err := eval(sc)
			if err != nil {
				return nil, err
			}
			if v != (value.Missing{}) {
				doc = append(doc, bson.E{Key: spec[i].Key, Value: v})
			}
		}
		return doc, nil
	}, nil
}

// operators is filled by init: its entries call compile, which reads it.
var operators map[string]func(compiler, any) (evaluator, error)

func init() {
	operators = make(map[string]func(compiler, any) (evaluator, error))
	for _, table := range []map[string]func(compiler, any) (evaluator, error){logic, arrays, numbersAndDates, documents} {
		maps.Copy(operators, table)
	}
}

// Operators lists the known operators in alphabetical order.
func Operators() []string { return slices.Sorted(maps.Keys(operators)) }

func (c compiler) compileOperator(spec bson.D) (evaluator, error) {
	if len(spec) != 1 {
		return nil, fault.New(15983, "an expression must have exactly one operator, this one has %d: write each in a document of its own", len(spec))
	}
	compile, ok := operators[spec[0].Key]
	if !ok {
		return nil, fault.New(fault.UnknownOperator, "Unrecognized expression '%s'", spec[0].Key)
	}
	return compile(c, spec[0].Value)
}

// variadic makes an operator of a function over evaluated arguments, of which there must be from least to most. A lone
// argument need not stand in an array.
func variadic(name string, least, most int, apply func(bson.A) (any, error)) func(compiler, any) (evaluator, error) {
	return func(c compiler, arg any) (evaluator, error) {
		evals, err := c.arguments(name, least, most, arg)
		if err != nil {
			return nil, err
		}
		return func(sc *scope) (any, error) {
			args, err := evalList(evals, sc)
			if err != nil {
				return nil, err
			}
			return apply(args)
		}, nil
	}
}

func (c compiler) arguments(name string, least, most int, arg any) ([]evaluator, error) {
	specs, ok := arg.(bson.A)
	if !ok {
		specs = bson.A{arg}
	}
	if len(specs) < least || len(specs) > most {
		if least == most {
			return nil, fault.New(16020, "Expression %s takes exactly %d arguments. %d were passed in.", name, least, len(specs))
		}
		return nil, fault.New(28667, "Expression %s takes at least %d arguments, and at most %d, but %d were passed in.", name, least, most, len(specs))
	}
	return c.compileList(specs)
}

// any number of arguments
const unbounded = 1 << 20

// named reads an operator's argument that is a document of named parts.
func (c compiler) named(operator string, arg any, required, optional []string) (map[string]any, error) {
	doc, ok := arg.(bson.D)
	if !ok {
		return nil, fault.New(fault.FailedToParse, "%s needs a document with %s", operator, strings.Join(required, ", "))
	}
	parts := make(map[string]any, len(doc))
	for _, e := range doc {
		if !slices.Contains(required, e.Key) && !slices.Contains(optional, e.Key) {
			return nil, fault.New(fault.FailedToParse, "Unrecognized parameter to %s: %s", operator, e.Key)
		}
		parts[e.Key] = e.Value
	}
	for _, name := range required {
		if _, ok := parts[name]; !ok {
			return nil, fault.New(fault.FailedToParse, "Missing '%s' parameter to %s", name, operator)
		}
	}
	return parts, nil
}
