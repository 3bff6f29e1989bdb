package pipeline

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/expression"
	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/fault"
	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/value"
)

// accumulator gathers one value from each document of a group.
type accumulator interface {
	take(v any) error
	result() any
}

var accumulators = map[string]func() accumulator{
	"$addToSet": func() accumulator { return &set{seen: map[string]bool{}, list: bson.A{}} },
	"$avg":      func() accumulator { return &average{total: sum{int32(0)}} },
	"$count":    func() accumulator { return &sum{int32(0)} },
	"$first":    func() accumulator { return &first{} },
	"$last":     func() accumulator { return &last{} },
	"$max":      func() accumulator { return &extreme{sign: 1} },
	"$min":      func() accumulator { return &extreme{sign: -1} },
	"$push":     func() accumulator { return &list{bson.A{}} },
	"$sum":      func() accumulator { return &sum{int32(0)} },
}

// column is one accumulated field of $group.
type column struct {
	name  string
	expr  expression.Expression
	start func() accumulator
}

// compileGroup makes one document for each value of _id, in the order in which the values first came. (MongoDB promises
// no order.)
func compileGroup(spec any) (stage, error) {
	doc, ok := spec.(bson.D)
	if !ok {
		return nil, fault.New(15947, "a group's fields must be specified in an object")
	}
	idSpec, ok := value.Field(doc, "_id")
	if !ok {
		return nil, fault.New(15955, "a group specification must include an _id")
	}
	id, err := expression.Compile(idSpec)
	if err != nil {
		return nil, err
	}
	var columns []column
	for _, e := range doc {
		if e.Key == "_id" {
			continue
		}
		c, err := compileColumn(e)
		if err != nil {
			return nil, err
		}
		columns = append(columns, c)
	}
	return whole("$group", func(docs []bson.D) ([]bson.D, error) { return group(docs, id, columns) }), nil
}

func compileColumn(e bson.E) (column, error) {
	if strings.ContainsAny(e.Key, ".$") {
		return column{}, fault.New(40235, "The field name '%s' cannot contain '.' or '$'", e.Key)
	}
	spec, ok := e.Value.(bson.D)
	if !ok || len(spec) != 1 {
		return column{}, fault.New(40234, "The field '%s' must be an accumulator object", e.Key)
	}
	name, arg := spec[0].Key, spec[0].Value
	start, ok := accumulators[name]
	if !ok {
		return column{}, fault.New(15952, "unknown group operator '%s'", name)
	}
	if name == "$count" {
		if empty, ok := arg.(bson.D); !ok || len(empty) > 0 {
			return column{}, fault.New(fault.TypeMismatch, "$count takes no arguments, i.e. $count:{}")
		}
		arg = int32(1)
	}
	expr, err := expression.Compile(arg)
	return column{name: e.Key, expr: expr, start: start}, err
}

func group(docs []bson.D, id expression.Expression, columns []column) ([]bson.D, error) {
	type row struct {
		id           any
		accumulators []accumulator
	}
	rows := map[string]*row{}
	var order []*row
	for _, doc := range docs {
		v, err := id.Eval(doc)
		if err != nil {
			return nil, err
		}
		if v == (value.Missing{}) {
			v = nil
		}
		key := value.Key(v)
		r, there := rows[key]
		if !there {
			r = &row{id: v}
			for _, c := range columns {
				r.accumulators = append(r.accumulators, c.start())
			}
			rows[key] = r
			order = append(order, r)
		}
		for i, c := range columns {
			v, err := c.expr.Eval(doc)
			if err != nil {
				return nil, err
			}
			if err := r.accumulators[i].take(v); err != nil {
				return nil, err
			}
		}
	}

	out := make([]bson.D, len(order))
	for i, r := range order {
		out[i] = bson.D{{Key: "_id", Value: r.id}}
		for j, c := range columns {
			out[i] = append(out[i], bson.E{Key: c.name, Value: r.accumulators[j].result()})
		}
	}
	return out, nil
}

// sum adds numbers and passes over the rest.
type sum struct{ total any }

func (s *sum) take(v any) error {
	if _, ok := v.(bson.Decimal128); ok {
		return fault.New(fault.TypeMismatch, "$sum and $avg of Decimal128 are not answered by this stand-in")
	}
	if total, ok := expression.Plus(s.total, v); ok {
		s.total = total
	}
	return nil
}

func (s *sum) result() any { return s.total }

// average is null if there was no number.
type average struct {
	total sum
	n     int
}

func (a *average) take(v any) error {
	if value.IsNumber(v) {
		a.n++
	}
	return a.total.take(v)
}

func (a *average) result() any {
	if a.n == 0 {
		return nil
	}
	total, _ := expression.Plus(a.total.total, float64(0))
	return total.(float64) / float64(a.n)
}

// list leaves out what is missing.
type list struct{ values bson.A }

func (l *list) take(v any) error {
	if v != (value.Missing{}) {
		l.values = append(l.values, v)
	}
	return nil
}

func (l *list) result() any { return l.values }

type set struct {
	seen map[string]bool
	list bson.A
}

func (s *set) take(v any) error {
	if key := value.Key(v); v != (value.Missing{}) && !s.seen[key] {
		s.seen[key] = true
		s.list = append(s.list, v)
	}
	return nil
}

func (s *set) result() any { return s.list }

type first struct {
	v     any
	taken bool
}

func (f *first) take(v any) error {
	if !f.taken {
		f.v, f.taken = orNull(v), true
	}
	return nil
}

func (f *first) result() any { return f.v }

type last struct{ v any }

func (l *last) take(v any) error { l.v = orNull(v); return nil }
func (l *last) result() any      { return l.v }

func orNull(v any) any {
	if v == (value.Missing{}) {
		return nil
	}
	return v
}

// extreme is the greatest value, or the least, of those that are not null or missing; null if there are none.
type extreme struct {
	v    any
	sign int
}

func (e *extreme) take(v any) error {
	if !value.IsNullish(v) && (e.v == nil || value.Compare(v, e.v)*e.sign > 0) {
		e.v = v
	}
	return nil
}

func (e *extreme) result() any { return e.v }
