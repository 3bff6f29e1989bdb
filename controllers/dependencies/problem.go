package dependencies

import (
	"errors"
	"fmt"
	"slices"
)

// Problem is a reference that does not resolve.
type Problem struct {
	// Reason for the condition, one of those of api/v1alpha1.
	Reason string
	// Field of the spec, for example spec.dependencies.redis.credentialsRef.
	Field string
	// Message says what is wrong and what to do.
	Message string
	// Secret is the name of a Secret that does not exist or holds other keys than it must. Empty for other problems.
	Secret string
	// Stalled is true when only a change of the spec helps; false when the missing object may still appear.
	Stalled bool
	// Components that read the reference, and that can be built without it never. Empty for all components.
	Components []string
}

// String returns the field and the message.
func (p Problem) String() string { return fmt.Sprintf("%s: %s", p.Field, p.Message) }

// Concerns reports whether a component cannot be built while the problem lasts.
func (p Problem) Concerns(component string) bool {
	return len(p.Components) == 0 || slices.Contains(p.Components, component)
}

// Warning is about a reference that works and that the user should check.
type Warning struct {
	// Reason for the condition, one of those of api/v1alpha1.
	Reason string
	// Field of the spec.
	Field string
	// Message says what is wrong and what to do.
	Message string
}

// String returns the field and the message.
func (w Warning) String() string { return fmt.Sprintf("%s: %s", w.Field, w.Message) }

// ReadError reports reads that failed and may be retried. The facts of the other references are valid.
type ReadError struct {
	// Components that read what could not be read. Empty for all components.
	Components []string
	Err        error
}

// Error returns the text of the failed read.
func (e *ReadError) Error() string { return e.Err.Error() }

// Unwrap returns the failed read.
func (e *ReadError) Unwrap() error { return e.Err }

// Unread reports whether an error of Resolve concerns a component. An error of another kind concerns every component.
func Unread(err error, component string) bool {
	if err == nil {
		return false
	}
	if all, joined := err.(interface{ Unwrap() []error }); joined {
		return slices.ContainsFunc(all.Unwrap(), func(e error) bool { return Unread(e, component) })
	}
	read, ok := errors.AsType[*ReadError](err)
	return !ok || len(read.Components) == 0 || slices.Contains(read.Components, component)
}
