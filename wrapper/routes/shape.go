package routes

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// bodiesText has the shapes of all bodies, generated from OpenIM's protocol module.
//
//go:embed bodies.txt
var bodiesText string

// shape is the shape of a JSON value. Exactly one of scalar, fields, elem and values is set.
type shape struct {
	scalar string            // text, bool, int32, int64, uint32, uint64
	fields map[string]*shape // an object's members, by OpenIM's spelling
	elem   *shape            // a list's elements
	values *shape            // a map's values, under any key
	bound  bound             // of the value itself; for users' routes only
}

const scalarText = "text"

var shapes = parseShapes(bodiesText)

// parseShapes parses bodies.txt: a line that begins with a slash is a path, and the indented lines below it are its fields.
func parseShapes(text string) map[string]*shape {
	all := map[string]*shape{}
	var body *shape
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case line == "", line[0] == '#':
		case line[0] == '/':
			body = &shape{fields: map[string]*shape{}}
			all[line] = body
		default:
			field, scalar, _ := strings.Cut(strings.TrimSpace(line), " ")
			body.add(strings.Split(field, "."), scalar)
		}
	}
	return all
}

func (s *shape) add(steps []string, scalar string) {
	name, list := strings.CutSuffix(steps[0], "[]")
	name, dict := strings.CutSuffix(name, "{}")
	member := s.fields[name]
	if member == nil {
		member = &shape{}
		s.fields[name] = member
	}
	inner := member
	switch {
	case list && member.elem == nil:
		member.elem = &shape{}
		inner = member.elem
	case list:
		inner = member.elem
	case dict:
		member.values = &shape{}
		inner = member.values
	}
	if len(steps) == 1 {
		inner.scalar = scalar
		return
	}
	if inner.fields == nil {
		inner.fields = map[string]*shape{}
	}
	inner.add(steps[1:], scalar)
}

// project copies the known members of a value, in OpenIM's own spelling. It omits unknown members, and null, which OpenIM treats as
// absent. A value of another type, and a member in two spellings of case, are errors. The result shares no memory with the value.
func (s *shape) project(value any, field string) (any, error) {
	switch {
	case s.fields != nil:
		object, ok := value.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%s must be an object", orBody(field))
		}
		return s.projectObject(object, field)
	case s.elem != nil:
		list, ok := value.([]any)
		if !ok {
			return nil, fmt.Errorf("%s must be a list", field)
		}
		if err := s.bound.list(field, len(list)); err != nil {
			return nil, err
		}
		out := make([]any, 0, len(list))
		for _, e := range list {
			v, err := s.elem.project(e, field+"[]")
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		return out, nil
	case s.values != nil:
		object, ok := value.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%s must be an object", field)
		}
		if err := s.bound.list(field, len(object)); err != nil {
			return nil, err
		}
		out := make(map[string]any, len(object))
		for key, v := range object {
			err := s.values.bound.text(field+"'s keys", key)
			if err != nil {
				return nil, err
			}
			if out[key], err = s.values.project(v, field+"{}"); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return s.projectScalar(value, field)
}

func (s *shape) projectObject(object map[string]any, field string) (any, error) {
	out := make(map[string]any, len(object))
	for key, value := range object {
		name, member := s.member(key)
		if member == nil {
			continue
		}
		if _, there := out[name]; there {
			return nil, fmt.Errorf("%s occurs twice in different spellings: write it once", join(field, name))
		}
		if value == nil {
			out[name] = nil // removed below; needed to detect a second spelling
			continue
		}
		v, err := member.project(value, join(field, name))
		if err != nil {
			return nil, err
		}
		out[name] = v
	}
	for name, v := range out {
		if v == nil {
			delete(out, name)
		}
	}
	return out, nil
}

// member finds a field as OpenIM's decoder does: without regard to case.
func (s *shape) member(key string) (string, *shape) {
	if m := s.fields[key]; m != nil {
		return key, m
	}
	for name, m := range s.fields {
		if strings.EqualFold(name, key) {
			return name, m
		}
	}
	return "", nil
}

func (s *shape) projectScalar(value any, field string) (any, error) {
	switch s.scalar {
	case scalarText:
		if text, ok := value.(string); ok {
			return text, s.bound.text(field, text)
		}
		return nil, fmt.Errorf("%s must be a text", field)
	case "bool":
		if yes, ok := value.(bool); ok {
			return yes, nil
		}
		return nil, fmt.Errorf("%s must be true or false", field)
	}
	number, ok := value.(json.Number)
	if !ok {
		return nil, fmt.Errorf("%s must be a whole number", field)
	}
	var err error
	bits := 64
	if strings.HasSuffix(s.scalar, "32") {
		bits = 32
	}
	signed, unfit := strconv.ParseInt(number.String(), 10, 64)
	if strings.HasPrefix(s.scalar, "uint") {
		_, err = strconv.ParseUint(number.String(), 10, bits)
	} else {
		_, err = strconv.ParseInt(number.String(), 10, bits)
	}
	if err != nil {
		return nil, fmt.Errorf("%s must be a whole number of type %s", field, s.scalar)
	}
	return number, s.bound.number(field, signed, unfit == nil)
}

// Fields returns all fields of a route's body in OpenIM's protocol, in the notation of Route.Users, sorted.
func Fields(r Route) []string {
	var all []string
	if form := shapes[r.Upstream()]; form != nil {
		form.walk("", &all)
	}
	slices.Sort(all)
	return all
}

func (s *shape) walk(field string, all *[]string) {
	switch {
	case s.fields != nil:
		for name, member := range s.fields {
			member.walk(join(field, name), all)
		}
	case s.elem != nil:
		s.elem.walk(field+"[]", all)
	default:
		*all = append(*all, field)
	}
}

func join(field, name string) string {
	if field == "" {
		return name
	}
	return field + "." + name
}

func orBody(field string) string {
	if field == "" {
		return "the body"
	}
	return field
}
