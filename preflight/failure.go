package preflight

import (
	"github.com/openimstack/openim-operator/supervisor/termination"
)

// failure is why a store cannot be used. Its message is a fixed text of this package: what a server or a library says may hold
// credentials, and anybody may have written it.
type failure struct {
	reason  termination.StoreReason
	message string
}

func failed(reason termination.StoreReason, message string) *failure {
	return &failure{reason: reason, message: message}
}

// worse returns the failure that says more about a store with several addresses: one that needs a person, before one that says what the
// store waits for, before one without any answer.
func worse(a, b *failure) *failure {
	if rank(b) > rank(a) {
		return b
	}
	return a
}

func rank(f *failure) int {
	switch {
	case f == nil:
		return 0
	case f.reason.Terminal():
		return 3
	case f.reason != termination.Unreachable:
		return 2
	}
	return 1
}
