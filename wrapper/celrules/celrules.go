package celrules

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/ext"
	"cel.dev/cel-go/interpreter"

	"github.com/openimstack/openim-operator/wrapper/config"
)

// Limits of a set.
const (
	MaxRules           = 64
	MaxExpressionBytes = 4096
	MaxMessageBytes    = 256
	// maxCost limits one evaluation, in CEL's cost units of roughly one step each: some milliseconds of work. A simple rule
	// costs less than twenty; a rule that inspects each of a thousand user ids costs some thousands.
	maxCost = 100_000
	// interruptEvery is the number of loop iterations between two checks of the deadline.
	interruptEvery = 64
	maxNesting     = 2
)

// Rule is one condition. A call that does not meet it is refused.
type Rule = config.Rule

// Refusal is the result for a call that a rule refuses.
type Refusal struct {
	Rule    string
	Message string // for the caller
	// Detail is the reason why the rule could not be evaluated, for the log. Empty: the rule gave false. It contains nothing of
	// the call.
	Detail string
}

// Set is a compiled list of rules. It is immutable and safe for concurrent use. A nil Set has no rules.
type Set struct {
	rules     []compiled
	readsBody bool
}

type compiled struct {
	name, message string
	program       cel.Program
}

// ReadsBody reports whether a rule reads the body. If none does, the body need not be decoded.
func (s *Set) ReadsBody() bool { return s != nil && s.readsBody }

// Len returns the number of rules.
func (s *Set) Len() int {
	if s == nil {
		return 0
	}
	return len(s.rules)
}

// Check evaluates the rules in their order. It returns the first refusal, or nil. ctx limits the time.
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

// explain returns a fixed text for an error of CEL's, because the error's own text can contain data of the client.
func explain(ctx context.Context, err error) string {
	var cancelled interpreter.EvalCancelledError
	switch {
	case ctx.Err() != nil:
		return "evaluating the rule: the deadline of the call has passed"
	case errors.As(err, &cancelled):
		return "evaluating the rule: the cost limit is exceeded: make the rule inspect less"
	case strings.HasPrefix(err.Error(), "no such key"):
		return "evaluating the rule: it reads a missing member: test with has() first"
	}
	return "evaluating the rule: a value has the wrong type"
}

// activation gives CEL the values of a call on demand.
type activation struct {
	call *Call
	body any // shared by all rules, so that the body is indexed once
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

// environment is the language of the rules: CEL's standard functions and macros, addresses and networks, and variables.
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

// Compile checks and compiles all rules. The error names every faulty rule, and line and column of each fault.
func Compile(list []Rule) (*Set, error) {
	if len(list) > MaxRules {
		return nil, fmt.Errorf("compiling the rules: %d rules: write at most %d", len(list), MaxRules)
	}
	env, err := environment()
	if err != nil {
		return nil, fmt.Errorf("preparing CEL: %w", err)
	}
	set := &Set{}
	var problems []error
	for i, rule := range list {
		at := fmt.Sprintf("rules[%d] %q", i, rule.Name)
		if slices.ContainsFunc(list[:i], func(r Rule) bool { return r.Name == rule.Name }) {
			problems = append(problems, fmt.Errorf("%s: duplicate name: give each rule its own", at))
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
	// A rule is compiled while sockets are open. A panic of the compiler must not end the process.
	defer func() {
		if recover() != nil {
			err = errors.New("expression: CEL's compiler panics: write it in another way")
		}
	}()
	if !legalName.MatchString(rule.Name) {
		return none, false, errors.New("name: write 1 to 63 lower-case letters, digits and hyphens, with no hyphen at either end")
	}
	isControl := func(r rune) bool {
		return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
	}
	if len(rule.Message) > MaxMessageBytes || !utf8.ValidString(rule.Message) || strings.ContainsFunc(rule.Message, isControl) {
		return none, false, fmt.Errorf("message: write at most %d bytes without control characters", MaxMessageBytes)
	}
	if strings.TrimSpace(rule.Expression) == "" || len(rule.Expression) > MaxExpressionBytes {
		return none, false, fmt.Errorf("expression: write 1 to %d bytes of CEL of type bool", MaxExpressionBytes)
	}
	checked, issues := env.Compile(rule.Expression)
	if issues.Err() != nil {
		return none, false, located(issues)
	}
	if checked.OutputType() != cel.BoolType {
		return none, false, fmt.Errorf("expression: it gives %s, and must give bool: compare it with a value", checked.OutputType())
	}
	program, err := env.Program(checked, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(maxCost),
		cel.InterruptCheckFrequency(interruptEvery))
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

// located returns the compiler's issues with line and column.
func located(issues *cel.Issues) error {
	var problems []error
	for _, e := range issues.Errors() {
		text, _, _ := strings.Cut(e.Message, "\n")
		text = strings.TrimSuffix(text, " (in container '')")
		problems = append(problems, fmt.Errorf("expression, line %d, column %d: %s", e.Location.Line(), e.Location.Column()+1, text))
	}
	return errors.Join(problems...)
}
