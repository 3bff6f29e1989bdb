package session

import (
	"testing"

	"go.uber.org/goleak"
)

// No test leaves a goroutine behind: a replica that stops, stops whole.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
