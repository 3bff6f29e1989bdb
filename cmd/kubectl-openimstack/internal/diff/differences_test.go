package diff

import (
	"testing"

	. "github.com/onsi/gomega"
)

func TestDifferencesOfObjects(t *testing.T) {
	object := func(pairs ...any) map[string]any {
		m := map[string]any{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i].(string)] = pairs[i+1]
		}
		return m
	}
	for name, c := range map[string]struct {
		live, wanted any
		how          strictness
		says         []string
	}{
		"the same":                   {object("a", int64(1)), object("a", int64(1)), exactly, nil},
		"another value":              {object("a", int64(1)), object("a", int64(2)), exactly, []string{"spec.a: 1, 2"}},
		"more":                       {object("a", "x", "b", "y"), object("a", "x"), exactly, []string{`spec.b: "y", nothing`}},
		"more, which others may add": {object("a", "x", "clusterIP", "y"), object("a", "x"), atLeast, nil},
		"less":                       {object(), object("a", "x"), atLeast, []string{`spec.a: nothing, "x"`}},
		"within a list": {
			object("l", []any{object("p", int64(1))}), object("l", []any{object("p", int64(2))}), exactly, []string{"spec.l[0].p: 1, 2"},
		},
		"a longer list": {object("l", []any{"a", "b"}), object("l", []any{"a"}), atLeast, []string{`spec.l: ["a","b"], ["a"]`}},
		"another type":  {object("a", "1"), object("a", object()), exactly, []string{`spec.a: "1", {}`}},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(differences("spec", c.live, c.wanted, c.how)).To(Equal(c.says))
		})
	}
	g := NewWithT(t)
	found := differencesOfLabels(map[string]string{"a": "x", "more": "y"}, map[string]string{"a": "z", "b": ""})
	g.Expect(found).To(Equal(
		[]string{`label a: "x", "z"`, `label b: nothing, ""`}))
}
