package outcome

import (
	"context"
	"errors"
	"net"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
)

const (
	textUnreachable = "the API server cannot be reached"
	textTimeout     = "no answer in time"
	textUnknown     = "unexpected error: see the operator's log"
)

// Of returns the faults of an error: one for each error that was joined, none for nil.
func Of(err error) []*Fault { return of("", err) }

// of walks down a chain of wrapped errors to the first one of a known type. doing is the text that the wrappers above err put before it.
func of(doing string, err error) []*Fault {
	if err == nil {
		return nil
	}
	outermost := doing
	for {
		if fault := classify(doing, err); fault != nil {
			return []*Fault{fault}
		}
		if parts := joined(err); parts != nil {
			var faults []*Fault
			for _, part := range parts {
				faults = append(faults, of(doing, part)...)
			}
			return faults
		}
		cause := errors.Unwrap(err)
		if cause == nil {
			break
		}
		before, wraps := strings.CutSuffix(err.Error(), cause.Error())
		if !wraps {
			break
		}
		doing += before
		if outermost == "" {
			outermost = before
		}
		err = cause
	}
	// Of the texts around an unknown error only the outermost is surely the operator's own. One of a library may hold an address.
	return []*Fault{transient(outermost, textUnknown, err)}
}

// joined returns the errors that errors.Join was given, nil for another error.
func joined(err error) []error {
	several, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	parts := several.Unwrap()
	texts := make([]string, 0, len(parts))
	for _, part := range parts {
		texts = append(texts, part.Error())
	}
	if strings.Join(texts, "\n") != err.Error() {
		return nil // one error with several causes
	}
	return parts
}

// classify returns the fault of an error of a known type, nil for others. It does not look at the errors that err wraps, except for kinds
// that the API server does not serve, which a failed discovery holds.
func classify(doing string, err error) *Fault {
	switch e := err.(type) { //nolint:errorlint // of walks down the chain
	case *Fault:
		return e.while(doing)
	case apierrors.APIStatus:
		return ofStatus(doing, err, e.Status())
	case net.Error: // *url.Error too, and context.DeadlineExceeded
		if e.Timeout() {
			return transient(doing, textTimeout, err)
		}
		return transient(doing, textUnreachable, err)
	case *meta.NoKindMatchError:
		return notServed(doing, e.GroupKind.String(), err)
	case *meta.NoResourceMatchError:
		return notServed(doing, e.PartialResource.GroupResource().String(), err)
	}
	switch {
	case err == context.Canceled: //nolint:errorlint // of walks down the chain
		return transient(doing, "the operator stops", err)
	case meta.IsNoMatchError(err) && errors.Unwrap(err) == nil:
		return notServed(doing, "", err)
	}
	return nil
}

// while returns the fault with a text of what was done before its message.
func (f *Fault) while(doing string) *Fault {
	if doing == "" {
		return f
	}
	of := *f
	of.Message, of.cause = line(doing+f.Message), f
	return &of
}

func transient(doing, what string, cause error) *Fault {
	return &Fault{Kind: Transient, Reason: ReasonTransient, Message: line(doing + what), cause: cause}
}

// terminal returns a fault whose message is in the form: doing, cause, remedy.
func terminal(doing, reason, what, remedy string, cause error) *Fault {
	return &Fault{Kind: Terminal, Reason: reason, Message: line(doing + what + ": " + remedy), cause: cause}
}

func notServed(doing, kind string, cause error) *Fault {
	what := "the API server does not serve a kind that the operator needs"
	if kind != "" {
		what = "the API server does not serve " + kind
	}
	const remedy = "install its CRD, or run a release of Kubernetes that the operator supports"
	return terminal(doing, ReasonKindNotServed, what, remedy, cause)
}
