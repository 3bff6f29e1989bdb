package rules_test

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/rules"
)

func TestRulesThatWillNotDoAreSaidWithTheirPlace(t *testing.T) {
	for _, c := range []struct {
		name string
		rule rules.Rule
		says string
	}{
		{"a name in capitals", rules.Rule{Name: "NoMedia", Expression: "true"}, "lower-case letters"},
		{"no name", rules.Rule{Expression: "true"}, "name: write 1 to 63"},
		{"a name of 64", rules.Rule{Name: strings.Repeat("a", 64), Expression: "true"}, "name: write 1 to 63"},
		{"a name that would break a log line", rules.Rule{Name: "a\nb", Expression: "true"}, "name: write"},
		{"no expression", rules.Rule{Name: "a", Expression: "  "}, "1 to 4096 bytes of CEL that give a bool"},
		{"an expression of 4097", rules.Rule{Name: "a", Expression: "true" + strings.Repeat(" ", 4093)}, "1 to 4096 bytes"},
		{"a message of 257", rules.Rule{Name: "a", Expression: "true", Message: strings.Repeat("m", 257)}, "message: write at most 256"},
		{"a message with a line break", rules.Rule{Name: "a", Expression: "true", Message: "a\nb"}, "message: write"},
		{"a syntax error", rules.Rule{Name: "a", Expression: `identity.role == `}, "line 1, column 18"},
		{"a syntax error on the second line", rules.Rule{Name: "a", Expression: "true &&\n  && true"}, "line 2, column 3"},
		{"a misspelt variable", rules.Rule{Name: "a", Expression: `true && identity.userId == "x"`}, "line 1, column 9: undeclared reference to 'identity'"},
		{"a variable that is none", rules.Rule{Name: "a", Expression: `identity == "x"`}, "undeclared reference to 'identity'"},
		{"a function that is none", rules.Rule{Name: "a", Expression: `secret("x") == "y"`}, "undeclared reference to 'secret'"},
		{"types that do not fit", rules.Rule{Name: "a", Expression: `identity.platformID == "x"`}, "column 21: found no matching overload"},
		{"a text", rules.Rule{Name: "a", Expression: `identity.role`}, "it gives string, and must give bool: compare it with something"},
		{"anything", rules.Rule{Name: "a", Expression: `body.flag`}, "it gives dyn, and must give bool"},
		{"a regular expression that is none", rules.Rule{Name: "a", Expression: `identity.userID.matches("(")`}, "column 25"},
		{"a regular expression that is huge", rules.Rule{Name: "a", Expression: `identity.userID.matches("((a{100}){100}){100}")`}, "column 25: invalid matches argument"},
		{"three loops in one another", rules.Rule{Name: "a", Expression: `body.a.all(x, body.b.all(y, body.c.all(z, x + y == z)))`}, "nesting"},
		{"parentheses without end", rules.Rule{Name: "a", Expression: strings.Repeat("(", 2000) + "true" + strings.Repeat(")", 2000)}, "recursion"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			set, err := rules.Compile([]rules.Rule{{Name: "good", Expression: "true"}, c.rule})
			g.Expect(err).To(MatchError(And(ContainSubstring("rules[1]"), ContainSubstring(c.says))))
			g.Expect(err.Error()).NotTo(ContainSubstring("rules[0]"))
			g.Expect(set).To(BeNil())
		})
	}
}

func TestAllThatIsWrongIsSaidAtOnce(t *testing.T) {
	_, err := rules.Compile([]rules.Rule{{Name: "a", Expression: "1"}, {Name: "b", Expression: "true"}, {Name: "b", Expression: "true"}, {Name: "c", Expression: "x"}})
	NewWithT(t).Expect(err).To(MatchError(And(
		ContainSubstring(`rules[0] "a": expression: it gives int`), ContainSubstring(`rules[2] "b": its name stands twice`), ContainSubstring(`rules[3] "c"`))))
}

func TestTheNumberOfRulesIsBounded(t *testing.T) {
	g := NewWithT(t)
	var list []rules.Rule
	for i := range rules.MaxRules + 1 {
		list = append(list, rules.Rule{Name: fmt.Sprint("r", i), Expression: "true"})
	}
	set, err := rules.Compile(list[:rules.MaxRules])
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(set.Check(t.Context(), call())).To(BeNil())
	_, err = rules.Compile(list)
	g.Expect(err).To(MatchError("there are 65 rules: write at most 64"))
}
