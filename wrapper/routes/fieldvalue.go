package routes

import "strings"

// fieldValue is one occurrence of a rule's field in a body: a member of an object, present or not, or an element of a list.
type fieldValue struct {
	field   string // in the notation of the row
	value   any    // nil if it is absent
	element bool
	set     func(any)
	remove  func()
}

// text returns the value if it is a text, and "" otherwise.
func (p fieldValue) text() string {
	s, _ := p.value.(string)
	return s
}

// each calls do for every occurrence of a field. It creates missing objects on the path, but no lists: a rule about the elements of a
// list does not apply if the list is missing.
func (e *enforcement) each(field string, do func(fieldValue) error) error {
	return visit(e.body, strings.Split(field, "."), field, do)
}

func visit(object map[string]any, steps []string, field string, do func(fieldValue) error) error {
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
			if err := do(fieldValue{field: field, value: element, element: true, set: func(v any) { elements[i] = v }}); err != nil {
				return err
			}
		}
		return nil
	}
	if len(steps) == 1 {
		return do(fieldValue{
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
