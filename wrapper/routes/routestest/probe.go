package routestest

import (
	"encoding/json"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/openimstack/openim-operator/wrapper/routes"
)

// Value is a kind of value with which a field is tested, whatever its name.
type Value string

// Values of Value. A field is tested with those that its JSON type permits.
const (
	// Absent: the field is missing.
	Absent Value = "absent"
	// Null: the field is JSON's null, which OpenIM's decoder treats as absent.
	Null Value = "null"
	// Empty: an empty text or list.
	Empty Value = "empty"
	// Prefix: the beginning of an id of the victim's.
	Prefix Value = "prefix"
	// Pattern: a regular expression that matches an id of the victim's.
	Pattern Value = "pattern"
	// Foreign: an id of the victim's.
	Foreign Value = "foreign"
	// Huge: a long text, a long list, or a number near the end of its type.
	Huge Value = "huge"
	// Negative: a number below zero, and zero.
	Negative Value = "negative"
)

// Probe is a valid call with one changed field or list.
type Probe struct {
	Route *routes.Route
	Field string
	Value Value
	Body  map[string]any
	// Named: the field may name any user, so that naming the victim is permitted.
	Named bool
}

// Lengths of huge values.
const (
	hugeText = 8 << 10
	hugeList = 2000
)

// Probes yields valid bodies of the attacker's in which one field has each kind of value that its type permits. It uses the protocol's
// fields, not the rules of the table, so that a field without a rule is tested as well.
func Probes(attacker, victim Identities) iter.Seq[Probe] {
	return func(yield func(Probe) bool) {
		for i := range routes.Table {
			r := &routes.Table[i]
			if !r.ForUsers() || r.Example == "" {
				continue
			}
			types := routes.FieldTypes(*r)
			for _, field := range slices.Sorted(maps.Keys(types)) {
				for kind, values := range values(types[field], victim) {
					for _, value := range values {
						if !yield(probe(r, attacker, field, kind, value)) {
							return
						}
					}
				}
				if !lists(r, attacker, field, types[field], victim, yield) {
					return
				}
			}
		}
	}
}

func probe(r *routes.Route, attacker Identities, field string, kind Value, value any) Probe {
	p := Probe{Route: r, Field: field, Value: kind, Body: attacker.Body(r), Named: named(r, field)}
	if kind == Absent {
		Unset(p.Body, field)
	} else {
		Set(p.Body, field, value)
	}
	return p
}

// named reports whether the table permits the field to name any user.
func named(r *routes.Route, field string) bool {
	for _, rule := range r.Identity {
		if rule.Field == field {
			return rule.Rule == routes.Other || rule.Rule == routes.Role || rule.Rule == routes.Public || rule.Rule == routes.AnyName
		}
	}
	return false
}

// values returns the values for one field, in a fixed order.
func values(scalar string, victim Identities) iter.Seq2[Value, []any] {
	return func(yield func(Value, []any) bool) {
		all := []struct {
			kind   Value
			values []any
		}{{Absent, []any{nil}}, {Null, []any{nil}}}
		switch scalar {
		case "text":
			all = append(all, []struct {
				kind   Value
				values []any
			}{
				{Empty, []any{""}},
				{Prefix, []any{victim.Self[:1], victim.Self[:len(victim.Self)-1], victim.Group[:len(victim.Group)-1], "si_", "sg_"}},
				{Pattern, []any{"^", ".*", "^" + victim.Group, "$|^" + victim.GroupChat(),
					"sg_$|^" + strings.ReplaceAll(victim.Pair(), "_", ".") + ":"}},
				{Foreign, []any{victim.Self, victim.Group, victim.Pair(), victim.GroupChat(), victim.Object()}},
				{Huge, []any{strings.Repeat("x", hugeText)}},
			}...)
		case "bool":
			all = append(all, struct {
				kind   Value
				values []any
			}{Foreign, []any{true, false}})
		default:
			all = append(all, []struct {
				kind   Value
				values []any
			}{
				{Negative, []any{json.Number("-1"), json.Number("0")}},
				{Huge, []any{json.Number("2147483647"), json.Number("9223372036854775807")}},
			}...)
		}
		for _, v := range all {
			if !yield(v.kind, v.values) {
				return
			}
		}
	}
}

// lists yields the innermost list of a field as empty, as null, and with very many elements.
func lists(r *routes.Route, attacker Identities, field, scalar string, victim Identities, yield func(Probe) bool) bool {
	name, ok := strings.CutSuffix(field, "[]")
	if !ok || strings.Contains(name, "[]") {
		return true
	}
	many := make([]any, hugeList)
	for i := range many {
		many[i] = any(json.Number("1"))
		if scalar == "text" {
			many[i] = victim.Self
		}
	}
	for _, v := range []struct {
		kind  Value
		value any
	}{{Empty, []any{}}, {Null, nil}, {Huge, many}} {
		if !yield(probe(r, attacker, name, v.kind, v.value)) {
			return false
		}
	}
	return true
}

// Unset removes a field of a body, of the first element of each list on its way.
func Unset(body map[string]any, field string) { unset(body, strings.Split(field, ".")) }

func unset(object map[string]any, steps []string) {
	name := strings.TrimSuffix(steps[0], "[]")
	if len(steps) == 1 {
		delete(object, name)
		return
	}
	inner, _ := object[name].(map[string]any)
	if list, ok := object[name].([]any); ok && len(list) > 0 {
		inner, _ = list[0].(map[string]any)
	}
	if inner != nil {
		unset(inner, steps[1:])
	}
}
