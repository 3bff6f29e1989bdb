package celrules_test

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/celrules"
)

func TestFaultyRulesAreReportedWithLineAndColumn(t *testing.T) {
	for _, c := range []struct {
		name string
		rule celrules.Rule
		says string
	}{
		{"a name in capitals", celrules.Rule{Name: "NoMedia", Expression: "true"}, "lower-case letters"},
		{"no name", celrules.Rule{Expression: "true"}, "name: write 1 to 63"},
		{"a name of 64", celrules.Rule{Name: strings.Repeat("a", 64), Expression: "true"}, "name: write 1 to 63"},
		{"a name that would break a log line", celrules.Rule{Name: "a\nb", Expression: "true"}, "name: write"},
		{"no expression", celrules.Rule{Name: "a", Expression: "  "}, "1 to 4096 bytes of CEL of type bool"},
		{"an expression of 4097", celrules.Rule{Name: "a", Expression: "true" + strings.Repeat(" ", 4093)}, "1 to 4096 bytes"},
		{"a message of 257", celrules.Rule{Name: "a", Expression: "true", Message: strings.Repeat("m", 257)}, "message: write at most 256"},
		{"a message that moves a cursor", celrules.Rule{Name: "a", Expression: "true", Message: "a\u009b2Jb"}, "message: write"},
		{"a message that turns its direction", celrules.Rule{Name: "a", Expression: "true", Message: "a\u202eb"}, "message: write"},
		{"a message with a line break", celrules.Rule{Name: "a", Expression: "true", Message: "a\nb"}, "message: write"},
		{"a syntax error", celrules.Rule{Name: "a", Expression: `identity.role == `}, "line 1, column 18"},
		{"a syntax error on the second line", celrules.Rule{Name: "a", Expression: "true &&\n  && true"}, "line 2, column 3"},
		{"a misspelt variable", celrules.Rule{Name: "a", Expression: `true && identity.userId == "x"`},
			"line 1, column 9: undeclared reference to 'identity'"},
		{"an unknown variable", celrules.Rule{Name: "a", Expression: `identity == "x"`}, "undeclared reference to 'identity'"},
		{"an unknown function", celrules.Rule{Name: "a", Expression: `secret("x") == "y"`}, "undeclared reference to 'secret'"},
		{"types that do not fit", celrules.Rule{Name: "a", Expression: `identity.platformID == "x"`},
			"column 21: found no matching overload"},
		{"a text", celrules.Rule{Name: "a", Expression: `identity.role`}, "it gives string, and must give bool: compare it with a value"},
		{"anything", celrules.Rule{Name: "a", Expression: `body.flag`}, "it gives dyn, and must give bool"},
		{"an invalid regular expression", celrules.Rule{Name: "a", Expression: `identity.userID.matches("(")`}, "column 25"},
		{"a regular expression that is huge", celrules.Rule{Name: "a", Expression: `identity.userID.matches("((a{100}){100}){100}")`},
			"column 25: invalid matches argument"},
		{"three nested loops", celrules.Rule{Name: "a", Expression: `body.a.all(x, body.b.all(y, body.c.all(z, x + y == z)))`}, "nesting"},
		{"parentheses without end", celrules.Rule{Name: "a", Expression: strings.Repeat("(", 2000) + "true" + strings.Repeat(")", 2000)},
			"recursion"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			set, err := celrules.Compile([]celrules.Rule{{Name: "good", Expression: "true"}, c.rule})
			g.Expect(err).To(MatchError(And(ContainSubstring("rules[1]"), ContainSubstring(c.says))))
			g.Expect(err.Error()).NotTo(ContainSubstring("rules[0]"))
			g.Expect(set).To(BeNil())
		})
	}
}

func TestAllFaultsAreReportedAtOnce(t *testing.T) {
	_, err := celrules.Compile([]celrules.Rule{{Name: "a", Expression: "1"}, {Name: "b", Expression: "true"},
		{Name: "b", Expression: "true"}, {Name: "c", Expression: "x"}})
	NewWithT(t).Expect(err).To(MatchError(And(
		ContainSubstring(`rules[0] "a": expression: it gives int`), ContainSubstring(`rules[2] "b": duplicate name`),
		ContainSubstring(`rules[3] "c"`))))
}

func TestTheNumberOfRulesIsBounded(t *testing.T) {
	g := NewWithT(t)
	var list []celrules.Rule
	for i := range celrules.MaxRules + 1 {
		list = append(list, celrules.Rule{Name: fmt.Sprint("r", i), Expression: "true"})
	}
	set, err := celrules.Compile(list[:celrules.MaxRules])
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(set.Check(t.Context(), call())).To(BeNil())
	_, err = celrules.Compile(list)
	g.Expect(err).To(MatchError("compiling the rules: 65 rules: write at most 64"))
}
