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
	// Secret that is missing, when it is one.
	Secret string
	// Stalled is true when only a change of the spec helps; false when the missing object may still appear.
	Stalled bool
}

// String is the sentence for people.
func (p Problem) String() string { return fmt.Sprintf("%s: %s", p.Field, p.Message) }

// Warning is something that works, and that a person should look at.
type Warning struct {
	// Reason for the condition, one of those of api/v1alpha1.
	Reason string
	// Field of the spec.
	Field string
	// Message says what is wrong and what to do.
	Message string
}

// String is the sentence for people.
func (w Warning) String() string { return fmt.Sprintf("%s: %s", w.Field, w.Message) }
