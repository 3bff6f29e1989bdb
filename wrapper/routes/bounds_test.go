package routes

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/bounds"
)

func TestEveryFieldOfAUsersBodyHasABound(t *testing.T) {
	g := NewWithT(t)
	g.Expect(fieldsWithoutBound).To(BeEmpty(), "add their bounds in bounds.go")
	form := &shape{fields: map[string]*shape{"count2": {scalar: "int64"}, "list2": {elem: &shape{scalar: scalarText}},
		"yes": {scalar: "bool"}}}
	g.Expect(form.bind("/no/such", "")).To(ConsistOf("count2", "list2", "list2[]"), "fields without bound are detected")
	for _, value := range []any{json.Number("1"), []any{"x"}} {
		_, err := form.project(map[string]any{"count2": value, "list2": value}, "")
		g.Expect(err).To(HaveOccurred(), "fields without bound are refused")
	}
}

// TestEveryBoundIsKept tests every field of every user's route at its bound and beyond it.
func TestEveryBoundIsKept(t *testing.T) {
	fields := 0
	for i := range Table {
		r := &Table[i]
		form := shapes[r.Upstream()]
		if !r.ForUsers() || form == nil {
			continue
		}
		t.Run(r.Name(), func(t *testing.T) { fields += tryBounds(t, form, form, "", func(v any) any { return v }) })
	}
	if fields < 300 {
		t.Fatalf("%d fields were tried", fields)
	}
}

// tryBounds tests the fields of a shape. wrap returns a body with a value in the field.
func tryBounds(t *testing.T, body, at *shape, field string, wrap func(any) any) (tried int) {
	fits := func(value any) error {
		_, err := body.project(wrap(value), "")
		return err
	}
	g := NewWithT(t)
	switch {
	case at.fields != nil:
		for name, member := range at.fields {
			tried += tryBounds(t, body, member, join(field, name), func(v any) any { return wrap(map[string]any{name: v}) })
		}
		return tried
	case at.elem != nil:
		var one any = map[string]any{}
		switch {
		case at.elem.scalar == scalarText:
			one = "x"
		case at.elem.scalar != "":
			one = json.Number("1")
		}
		list := make([]any, at.bound.entries+1)
		for i := range list {
			list[i] = one
		}
		g.Expect(fits(list[1:])).To(Succeed(), field)
		g.Expect(fits(list)).To(MatchError(ContainSubstring("at most")), field)
		return 1 + tryBounds(t, body, at.elem, field+"[]", func(v any) any { return wrap([]any{v}) })
	case at.values != nil:
		many := map[string]any{}
		for i := range at.bound.entries + 1 {
			many[fmt.Sprint(i)] = "x"
		}
		g.Expect(fits(many)).NotTo(Succeed(), field)
		g.Expect(fits(map[string]any{strings.Repeat("k", at.values.bound.bytes+1): "x"})).NotTo(Succeed(), field)
		return 1 + tryBounds(t, body, at.values, field+"{}", func(v any) any { return wrap(map[string]any{"k": v}) })
	case at.scalar == scalarText:
		g.Expect(fits(strings.Repeat("x", at.bound.bytes))).To(Succeed(), field)
		g.Expect(fits(strings.Repeat("x", at.bound.bytes+1))).To(MatchError(ContainSubstring("longer than")), field)
		g.Expect(at.bound.bytes).To(BeNumerically("<=", bounds.Content))
	case at.scalar == "bool":
		return 0
	case at.bound.whole:
		g.Expect(fits(json.Number("18446744073709551615"))).To(Succeed(), field)
		g.Expect(fits(json.Number("18446744073709551616"))).NotTo(Succeed(), field)
	default:
		g.Expect(fits(json.Number(fmt.Sprint(at.bound.max)))).To(Succeed(), field)
		g.Expect(fits(json.Number(fmt.Sprint(at.bound.min)))).To(Succeed(), field)
		g.Expect(fits(json.Number(fmt.Sprint(at.bound.max+1)))).NotTo(Succeed(), field)
		g.Expect(fits(json.Number(fmt.Sprint(at.bound.min-1)))).NotTo(Succeed(), field)
		g.Expect(fits(json.Number("18446744073709551615"))).NotTo(Succeed(), field)
	}
	return 1
}
