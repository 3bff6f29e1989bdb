package main

import (
	"io"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/hack/render"
)

// ruleWithin is a field with one rule on each of at most items texts.
func ruleWithin(items string) string {
	return `{type: array, description: d, maxItems: ` + items + `, x-kubernetes-list-type: atomic, items: {type: string, maxLength: 1024,
        x-kubernetes-validations: [{rule: "self.matches('^[a-z]+$')", message: lower case}]}}`
}

func TestCRDsReportsSizeAndCost(t *testing.T) {
	g := NewWithT(t)
	var figures strings.Builder
	found, err := crds(t.Context(), newTree(t, map[string]string{"config/crd/bases/widgets.yaml": crdWith(ruleWithin("10"))}), &figures)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(BeEmpty())
	g.Expect(figures.String()).To(MatchRegexp(`^widgets.yaml: 0 of 200 KB as JSON, 1 rules cost 0\.[0-9]{2} of 20.00 million $`))
}

func TestACostlyRuleFailsTheCheck(t *testing.T) {
	g := NewWithT(t)
	found, err := crds(t.Context(), newTree(t, map[string]string{"config/crd/bases/widgets.yaml": crdWith(ruleWithin("100000"))}), io.Discard)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(ConsistOf(
		MatchRegexp(`^config/crd/bases/widgets.yaml: the rule "self.matches\('\^\[a-z\]\+\$'\)" of spec.field\[\] costs [0-9.]+ million, over 2.00: bound`),
		MatchRegexp(`^config/crd/bases/widgets.yaml: all rules cost [0-9.]+ million, over 20.00: the most expensive are those of spec.field\[\] \(`),
	))
}

func TestARuleThatDoesNotCompileIsAnError(t *testing.T) {
	g := NewWithT(t)
	broken := strings.Replace(crdWith(ruleWithin("10")), "self.matches(", "self.matchs(", 1)
	_, err := crds(t.Context(), newTree(t, map[string]string{"config/crd/bases/widgets.yaml": broken}), io.Discard)
	g.Expect(err).To(MatchError(ContainSubstring("undeclared reference to 'matchs'")))
}

func TestCRDsBindsCompactJSON(t *testing.T) {
	g := NewWithT(t)
	// Indentation and line breaks do not count.
	fits := crdWith("{type: string, maxLength: 9, description: " + strings.Repeat("x", maxCRD-1000) + "}")
	found, err := crds(t.Context(), newTree(t, map[string]string{
		"config/crd/bases/small.yaml": fits + strings.Repeat("\n", maxCRD),
		"config/crd/bases/huge.yaml":  strings.Replace(fits, "xxx", "xxx"+strings.Repeat("x", 1000), 1),
	}), io.Discard)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(ConsistOf(
		MatchRegexp("^config/crd/bases/huge.yaml has [0-9]+ bytes as compact JSON, over 200000: shorten descriptions or types in api/$"),
	))
}

func TestManyRulesAreTooMuchTogether(t *testing.T) {
	g := NewWithT(t)
	var costs []ruleCost
	for range 11 {
		costs = append(costs, ruleCost{Field: "spec.small", Cost: maxRule})
	}
	costs = append(costs, ruleCost{Field: "spec.large", Rule: "a\n  && b", Cost: maxRule + 1})
	sum, found := judgeCosts("a.yaml", costs)
	g.Expect(sum).To(BeEquivalentTo(12*maxRule + 1))
	g.Expect(found).To(Equal([]string{
		`a.yaml: the rule "a && b" of spec.large costs 2.00 million, over 2.00: bound the lists, maps and text around it, or simplify it`,
		"a.yaml: all rules cost 24.00 million, over 20.00: the most expensive are those of spec.large (2.00 million), " +
			"spec.small (2.00 million), spec.small (2.00 million)",
	}))

	sum, found = judgeCosts("a.yaml", []ruleCost{{Cost: math.MaxUint64}, {Cost: math.MaxUint64}})
	g.Expect(sum).To(BeEquivalentTo(uint64(math.MaxUint64)), "a rule without bounds does not become cheap by an overflow")
	g.Expect(found).To(HaveLen(3))
}

// An exception that is needed no longer hides the next costly rule of its field.
func TestEachExceptionIsNeeded(t *testing.T) {
	g := NewWithT(t)
	root, err := render.Root()
	g.Expect(err).NotTo(HaveOccurred())
	files, err := filepath.Glob(filepath.Join(root, "config/crd/bases/*.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	needed := map[string]bool{}
	for _, file := range files {
		costs, err := ruleCosts(t.Context(), file)
		g.Expect(err).NotTo(HaveOccurred())
		for _, c := range costs {
			if c.Cost > maxRule {
				needed[c.Field] = true
			}
		}
	}
	g.Expect(slices.Sorted(maps.Keys(needed))).To(Equal(slices.Sorted(maps.Keys(costlyRules))))
}
