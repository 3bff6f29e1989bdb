package outcome

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Kind of a fault: what makes it go away. A greater kind is worse.
type Kind int

const (
	// Waiting: another process solves it. Try again after Fault.After.
	Waiting Kind = iota
	// Transient: the same request may succeed a moment later. Try again with backoff.
	Transient
	// Terminal: a user must act. Try again slowly, because the user's action may cause no event.
	Terminal
)

// String returns the name of the kind.
func (k Kind) String() string { return [...]string{"Waiting", "Transient", "Terminal"}[k] }

// Reasons of faults, for conditions. They equal those of api/v1alpha1, which this package does not import.
const (
	ReasonTransient            = "ApplyFailed"
	ReasonNamespaceTerminating = "NamespaceTerminating"
	ReasonRefusedByAdmission   = "RefusedByAdmission"
	ReasonInvalid              = "InvalidSpec"
	ReasonForbidden            = "Forbidden"
	ReasonQuotaExceeded        = "QuotaExceeded"
	ReasonTooLarge             = "TooLarge"
	ReasonKindNotServed        = "KindNotServed"
	ReasonNameConflict         = "NameConflict"
)

// Fault is one error of a reconciliation.
type Fault struct {
	Kind Kind
	// Reason for a condition.
	Reason string
	// Message for a condition: what was done, the cause, and for a terminal fault the remedy. On one line.
	Message string
	// After is when to try again, for a fault of kind Waiting. A terminal fault with it is tried again then, and not slowly: for one that
	// costs little to look at, and whose end causes no event.
	After time.Duration

	cause error
}

// Error returns the message.
func (f *Fault) Error() string { return f.Message }

// Unwrap returns the error that the fault was made from, which may be nil.
func (f *Fault) Unwrap() error { return f.cause }

// NewTerminal returns a fault that a user must solve. The message names the remedy.
func NewTerminal(reason, message string) *Fault {
	return &Fault{Kind: Terminal, Reason: reason, Message: message}
}

// NewConflict returns the terminal fault that an object of the name exists and belongs to somebody else. The informers do not hold what
// has no labels of the operator, so the removal of such an object causes no event: it is looked for every conflictRetry.
func NewConflict(message string) *Fault {
	return &Fault{Kind: Terminal, Reason: ReasonNameConflict, Message: message, After: conflictRetry}
}

// NewWaiting returns a fault that is solved by itself, to be looked at again after a time.
func NewWaiting(reason, message string, after time.Duration) *Fault {
	return &Fault{Kind: Waiting, Reason: reason, Message: message, After: after}
}

// Worst returns the first fault of the worst kind, nil when there is none.
func Worst(faults []*Fault) *Fault {
	if len(faults) == 0 {
		return nil
	}
	// MaxFunc returns the first of several that are equal.
	return slices.MaxFunc(faults, func(a, b *Fault) int { return cmp.Compare(a.Kind, b.Kind) })
}

// maxNamed is the number of faults that Summary repeats.
const maxNamed = 3

// Summary returns the messages of the worst faults, each once, and the number of further ones. It returns "" when there is none.
func Summary(faults []*Fault) string {
	worst := Worst(faults)
	var messages []string
	for _, f := range faults {
		if f.Kind == worst.Kind && !slices.Contains(messages, f.Message) {
			messages = append(messages, f.Message)
		}
	}
	named := messages[:min(len(messages), maxNamed)]
	return strings.Join(named, "; ") + more(len(messages)-len(named))
}
