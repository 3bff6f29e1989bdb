package dependencies

import "fmt"

// Problem is a reference that does not resolve.
type Problem struct {
	// Reason for the condition, one of those of api/v1alpha1.
	Reason string
	// Field of the spec, for example spec.dependencies.redis.credentialsRef.
	Field string
	// Message says what is wrong and what to do.
	Message string
	// Secret is the name of a Secret that does not exist, empty for other problems.
	Secret string
	// Stalled is true when only a change of the spec helps; false when the missing object may still appear.
	Stalled bool
}

// String returns the field and the message.
func (p Problem) String() string { return fmt.Sprintf("%s: %s", p.Field, p.Message) }

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
