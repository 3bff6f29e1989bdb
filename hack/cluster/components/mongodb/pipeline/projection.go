package pipeline

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/expression"
	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/fault"
	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/value"
)

// node is a field in a tree of fields: kept, left out, calculated, or a document whose fields are treated one by one.
type node struct {
	kind     kind
	expr     expression.Expression // if calculated
	names    []string              // of the children, in the order of the specification
	children map[string]*node
}

type kind int

const (
	inner kind = iota
	kept
	leftOut
	calculated
)

// add puts a leaf into the tree.
func (n *node) add(path []string, leaf *node) error {
	for i, name := range path {
		child, there := n.children[name]
		last := i == len(path)-1
		switch {
		case there && (last || child.kind != inner):
			return fault.New(31250, "Path collision at %s", strings.Join(path, "."))
		case !there:
			child = &node{children: map[string]*node{}}
			if last {
				child = leaf
			}
			n.names = append(n.names, name)
			n.children[name] = child
		}
		n = child
	}
	return nil
}

// calculates reports whether anything at or below the node is calculated.
func (n *node) calculates() bool {
	if n.kind == calculated {
		return true
	}
	for _, child := range n.children {
		if child.calculates() {
			return true
		}
	}
	return false
}

// Projection is a compiled list of fields to keep, to leave out or to calculate. It is safe for concurrent use.
type Projection struct {
	tree    *node
	exclude bool
}

// CompileProjection compiles the argument of $project, or "fields" of findAndModify.
func CompileProjection(spec bson.D) (Projection, error) {
	if len(spec) == 0 {
		return Projection{}, fault.New(51272, "projection specification must have at least one field")
	}
	p := Projection{tree: &node{children: map[string]*node{}}}
	if err := p.add(nil, spec); err != nil {
		return Projection{}, err
	}

	id := p.tree.children["_id"]
	includes, excludes := "", ""
	p.tree.leaves(nil, func(path string, leaf *node) {
		switch {
		case leaf == id:
		case leaf.kind == leftOut:
			excludes = path
		default:
			includes = path
		}
	})
	if includes != "" && excludes != "" {
		return Projection{}, fault.New(31254, "Cannot do exclusion on field %s in inclusion projection", excludes)
	}
	p.exclude = includes == "" && (excludes != "" || id.kind == leftOut)
	switch {
	case p.exclude && id != nil && id.kind == calculated:
		return Projection{}, fault.New(31252, "Cannot use an expression for _id in an exclusion projection")
	case !p.exclude && id == nil: // _id is kept by default
		_ = p.tree.add([]string{"_id"}, &node{kind: kept})
	}
	return p, nil
}

// leaves visits all leaves in order.
func (n *node) leaves(path []string, visit func(path string, leaf *node)) {
	for _, name := range n.names {
		child, at := n.children[name], append(slices.Clone(path), name)
		if child.kind == inner {
			child.leaves(at, visit)
			continue
		}
		visit(strings.Join(at, "."), child)
	}
}

func (p Projection) add(prefix []string, spec bson.D) error {
	for _, e := range spec {
		path, err := expression.Path(e.Key)
		if err != nil {
			return err
		}
		path = append(slices.Clone(prefix), path...)

		if doc, ok := e.Value.(bson.D); ok && (len(doc) == 0 || !strings.HasPrefix(doc[0].Key, "$")) {
			if len(doc) == 0 {
				return fault.New(51270, "An empty sub-projection is not a valid value. Found empty object at path")
			}
			if err := p.add(path, doc); err != nil {
				return err
			}
			continue
		}
		leaf := &node{kind: leftOut}
		_, isBool := e.Value.(bool)
		switch {
		case !isBool && !value.IsNumber(e.Value):
			leaf.kind = calculated
			if leaf.expr, err = expression.Compile(e.Value); err != nil {
				return err
			}
		case value.Truthy(e.Value):
			leaf.kind = kept
		}
		if err := p.tree.add(path, leaf); err != nil {
			return err
		}
	}
	return nil
}

// Apply returns the projection of a document.
func (p Projection) Apply(doc bson.D) (bson.D, error) {
	if p.exclude {
		return p.tree.without(doc), nil
	}
	return p.tree.calculate(doc, p.tree.only(doc))
}

// without leaves fields out.
func (n *node) without(doc bson.D) bson.D {
	out := make(bson.D, 0, len(doc))
	for _, e := range doc {
		child := n.children[e.Key]
		switch {
		case child == nil:
		case child.kind == leftOut:
			continue
		default:
			e.Value = child.withoutIn(e.Value)
		}
		out = append(out, e)
	}
	return out
}

func (n *node) withoutIn(v any) any {
	switch x := v.(type) {
	case bson.D:
		return n.without(x)
	case bson.A:
		out := make(bson.A, len(x))
		for i, e := range x {
			out[i] = n.withoutIn(e)
		}
		return out
	}
	return v
}

// only keeps the named fields, in the document's order.
func (n *node) only(doc bson.D) bson.D {
	out := bson.D{}
	for _, e := range doc {
		child := n.children[e.Key]
		if child == nil || child.kind == leftOut || child.kind == calculated {
			continue
		}
		if child.kind == inner {
			if e.Value = child.onlyIn(e.Value); e.Value == (value.Missing{}) {
				continue
			}
		}
		out = append(out, e)
	}
	return out
}

// onlyIn descends into arrays; other values than documents have none of the fields and are dropped.
func (n *node) onlyIn(v any) any {
	switch x := v.(type) {
	case bson.D:
		return n.only(x)
	case bson.A:
		out := bson.A{}
		for _, e := range x {
			if kept := n.onlyIn(e); kept != (value.Missing{}) {
				out = append(out, kept)
			}
		}
		return out
	}
	return value.Missing{}
}

// calculate sets the calculated fields in out, which the caller owns. Expressions see root.
func (n *node) calculate(root, out bson.D) (bson.D, error) {
	for _, name := range n.names {
		child := n.children[name]
		var v any
		var err error
		switch {
		case child.kind == calculated:
			v, err = child.expr.Eval(root)
		case child.kind == inner && child.calculates():
			old, there := value.Field(out, name)
			if !there {
				old = value.Missing{}
			}
			v, err = child.calculateIn(root, old)
		default:
			continue
		}
		if err != nil {
			return nil, err
		}
		if v != (value.Missing{}) {
			out = expression.With(out, name, v)
		} else if child.kind == calculated {
			out = slices.DeleteFunc(out, func(e bson.E) bool { return e.Key == name })
		}
	}
	return out, nil
}

// calculateIn descends into arrays; other values become documents that hold the calculated fields.
func (n *node) calculateIn(root bson.D, v any) (any, error) {
	switch x := v.(type) {
	case bson.D:
		return n.calculate(root, slices.Clone(x))
	case bson.A:
		out := make(bson.A, len(x))
		for i, e := range x {
			var err error
			if out[i], err = n.calculateIn(root, e); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return n.calculate(root, bson.D{})
}

func compileProject(spec any) (stage, error) {
	doc, ok := spec.(bson.D)
	if !ok {
		return nil, fault.New(15969, "$project specification must be an object")
	}
	p, err := CompileProjection(doc)
	if err != nil {
		return nil, err
	}
	return each(p.Apply), nil
}

func compileUnset(spec any) (stage, error) {
	names, ok := spec.(bson.A)
	if !ok {
		names = bson.A{spec}
	}
	var without bson.D
	for _, name := range names {
		text, ok := name.(string)
		if !ok {
			return nil, fault.New(31002, "$unset specification must be a string or an array of strings")
		}
		without = append(without, bson.E{Key: text, Value: int32(0)})
	}
	return compileProject(without)
}

// compileAddFields keeps all fields and adds calculated ones. Numbers and booleans are values here, not inclusions.
func compileAddFields(spec any) (stage, error) {
	doc, ok := spec.(bson.D)
	if !ok || len(doc) == 0 {
		return nil, fault.New(40272, "$addFields specification stage must be an object with at least one field")
	}
	tree := &node{children: map[string]*node{}}
	if err := tree.addCalculated(nil, doc); err != nil {
		return nil, err
	}
	return each(func(doc bson.D) (bson.D, error) { return tree.calculate(doc, slices.Clone(doc)) }), nil
}

func (n *node) addCalculated(prefix []string, spec bson.D) error {
	for _, e := range spec {
		path, err := expression.Path(e.Key)
		if err != nil {
			return err
		}
		path = append(slices.Clone(prefix), path...)
		if doc, ok := e.Value.(bson.D); ok && len(doc) > 0 && !strings.HasPrefix(doc[0].Key, "$") {
			if err := n.addCalculated(path, doc); err != nil {
				return err
			}
			continue
		}
		leaf := &node{kind: calculated}
		if leaf.expr, err = expression.Compile(e.Value); err != nil {
			return err
		}
		if err := n.add(path, leaf); err != nil {
			return err
		}
	}
	return nil
}
