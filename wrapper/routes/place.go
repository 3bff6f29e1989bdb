package routes

import "strings"

// place is where a rule's field stands in a body: a member of an object, present or not, or an element of a list.
type place struct {
	field   string // as the row writes it
	value   any    // nil when it is not there
	element bool
	set     func(any)
	remove  func()
}

// text returns the value of a text, empty when there is none.
func (p place) text() string {
	s, _ := p.value.(string)
	return s
}

// each visits every place of a field. Objects on the way are made when they are missing, lists are not: a rule about the
// elements of a list has nothing to say about a missing one.
func (e *enforcement) each(field string, do func(place) error) error {
	return visit(e.body, strings.Split(field, "."), field, do)
}

func visit(object map[string]any, steps []string, field string, do func(place) error) error {
	name, list := strings.CutSuffix(steps[0], "[]")
	if list {
		elements, _ := object[name].([]any)
		for i, element := range elements {
			if len(steps) > 1 {
				if err := visit(element.(map[string]any), steps[1:], field, do); err != nil {
					return err
				}
				continue
			}
			if err := do(place{field: field, value: element, element: true, set: func(v any) { elements[i] = v }}); err != nil {
				return err
			}
		}
		return nil
	}
	if len(steps) == 1 {
		return do(place{
			field: field, value: object[name],
			set:    func(v any) { object[name] = v },
			remove: func() { delete(object, name) },
		})
	}
	inner, there := object[name].(map[string]any)
	if !there {
		inner = map[string]any{}
	}
	if err := visit(inner, steps[1:], field, do); err != nil {
		return err
	}
	if !there && len(inner) > 0 {
		object[name] = inner
	}
	return nil
}
