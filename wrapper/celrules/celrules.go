package celrules

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/ext"
	"cel.dev/cel-go/interpreter"

	"github.com/openimstack/openim-operator/wrapper/config"
)

// Bounds of a set.
const (
	MaxRules           = 64
	MaxExpressionBytes = 4096
	MaxMessageBytes    = 256
	// maxCost is what one evaluation may cost in CEL's units, each a step or so: some milliseconds of work. A simple
	// rule costs less than twenty, one that looks at each of a thousand user ids some thousands.
	maxCost = 100_000
	// interruptEvery is how many turns of a loop go by between two looks at the deadline.
	interruptEvery = 64
	maxNesting     = 2
)

// Rule is one condition. A call that does not meet it is refused.
type Rule = config.Rule

// Refusal is what a call did not meet.
type Refusal struct {
	Rule    string
	Message string // for the caller
	// Detail says for the log why a rule could not be evaluated. Empty: it gave false. It repeats nothing of the call.
	Detail string
}

// Set is a compiled list of rules. It never changes and may be used by many at once. A nil Set has no rules.
type Set struct {
	rules     []compiled
	readsBody bool
}

type compiled struct {
	name, message string
	program       cel.Program
}

// ReadsBody reports whether any rule looks at the body: when none does, nobody need decode it.
func (s *Set) ReadsBody() bool { return s != nil && s.readsBody }

// Len is the number of rules.
func (s *Set) Len() int {
	if s == nil {
		return 0
	}
	return len(s.rules)
}

// Check asks the rules in their order and gives the first that the call does not meet, or nil. ctx bounds the work.
func (s *Set) Check(ctx context.Context, call *Call) *Refusal {
	if s.Len() == 0 {
		return nil
	}
	in := &activation{call: call}
	for i := range s.rules {
		r := &s.rules[i]
		value, _, err := r.program.ContextEval(ctx, in)
		switch {
		case err != nil:
			return &Refusal{Rule: r.name, Message: r.message, Detail: explain(ctx, err)}
		case value != types.True:
			return &Refusal{Rule: r.name, Message: r.message}
		}
	}
	return nil
}

// explain puts an error of CEL's into fixed words: its own can repeat what the client sent.
func explain(ctx context.Context, err error) string {
	var cancelled interpreter.EvalCancelledError
	switch {
	case ctx.Err() != nil:
		return "the time for the call ended during its evaluation"
	case errors.As(err, &cancelled):
		return "it cost more than a rule may: make it look at less"
	case strings.HasPrefix(err.Error(), "no such key"):
		return "it reads a member that is not there: ask has() first"
	}
	return "it could not be evaluated, for the types of the values that it met do not fit"
}

// activation gives CEL the values of a call as they are asked for.
type activation struct {
	call *Call
	body any // shared by the rules, so that a body is looked through once
}

// ResolveName implements interpreter.Activation.
func (a *activation) ResolveName(name string) (any, bool) {
	if name == bodyVariable && a.body != nil {
		return a.body, true
	}
	i, ok := index[name]
	if !ok {
		return nil, false
	}
	value := variables[i].value(a.call)
	if name == bodyVariable {
		a.body = value
	}
	return value, true
}

// Parent implements interpreter.Activation.
func (a *activation) Parent() interpreter.Activation { return nil }

// environment is the language of the rules: CEL's standard functions and macros, addresses and networks, our variables.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	options := []cel.EnvOption{
		cel.CustomTypeAdapter(json),
		ext.Network(),
		cel.CrossTypeNumericComparisons(true),
		cel.DefaultUTCTimeZone(true),
		cel.ParserExpressionSizeLimit(MaxExpressionBytes),
		cel.ParserRecursionLimit(64),
		cel.ParserErrorRecoveryLimit(4),
		cel.ASTValidators(
			cel.ValidateRegexLiterals(), cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals(),
			cel.ValidateComprehensionNestingLimit(maxNesting),
		),
	}
	for _, v := range variables {
		options = append(options, cel.Variable(v.name, v.kind))
	}
	return cel.NewEnv(options...)
})

var legalName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// Compile checks and compiles all rules. The error names every rule that will not do, and where in it the reason lies.
func Compile(list []Rule) (*Set, error) {
	if len(list) > MaxRules {
		return nil, fmt.Errorf("there are %d rules: write at most %d", len(list), MaxRules)
	}
	env, err := environment()
	if err != nil {
		return nil, fmt.Errorf("prepare the language of the rules: %w", err)
	}
	set := &Set{}
	var problems []error
	for i, rule := range list {
		at := fmt.Sprintf("rules[%d] %q", i, rule.Name)
		if slices.ContainsFunc(list[:i], func(r Rule) bool { return r.Name == rule.Name }) {
			problems = append(problems, fmt.Errorf("%s: its name stands twice: give each rule its own", at))
			continue
		}
		one, readsBody, err := compile(env, rule)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", at, err))
			continue
		}
		set.rules = append(set.rules, one)
		set.readsBody = set.readsBody || readsBody
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return set, nil
}

func compile(env *cel.Env, rule Rule) (_ compiled, readsBody bool, err error) {
	none := compiled{}
	// A rule is written by hand and taken over while sockets are open: what the compiler does not survive, they must.
	defer func() {
		if recover() != nil {
			err = errors.New("expression: the compiler of CEL breaks on it: write it in another way")
		}
	}()
	if !legalName.MatchString(rule.Name) {
		return none, false, errors.New("name: write 1 to 63 lower-case letters, digits and hyphens, with no hyphen at either end")
	}
	if len(rule.Message) > MaxMessageBytes || !utf8.ValidString(rule.Message) || strings.ContainsFunc(rule.Message, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return none, false, fmt.Errorf("message: write at most %d bytes without control characters", MaxMessageBytes)
	}
	if strings.TrimSpace(rule.Expression) == "" || len(rule.Expression) > MaxExpressionBytes {
		return none, false, fmt.Errorf("expression: write 1 to %d bytes of CEL that give a bool", MaxExpressionBytes)
	}
	checked, issues := env.Compile(rule.Expression)
	if issues.Err() != nil {
		return none, false, located(issues)
	}
	if checked.OutputType() != cel.BoolType {
		return none, false, fmt.Errorf("expression: it gives %s, and must give bool: compare it with something", checked.OutputType())
	}
	program, err := env.Program(checked, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(maxCost), cel.InterruptCheckFrequency(interruptEvery))
	if err != nil {
		return none, false, fmt.Errorf("expression: %w", err)
	}
	message := rule.Message
	if message == "" {
		message = "the rule " + rule.Name + " of this service refuses the call"
	}
	for _, reference := range checked.NativeRep().ReferenceMap() {
		readsBody = readsBody || reference.Name == bodyVariable
	}
	return compiled{rule.Name, message, program}, readsBody, nil
}

// located says each issue with the place where it is.
func located(issues *cel.Issues) error {
	var problems []error
	for _, e := range issues.Errors() {
		text, _, _ := strings.Cut(e.Message, "\n")
		text = strings.TrimSuffix(text, " (in container '')")
		problems = append(problems, fmt.Errorf("expression, line %d, column %d: %s", e.Location.Line(), e.Location.Column()+1, text))
	}
	return errors.Join(problems...)
}
