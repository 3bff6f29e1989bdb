package gateway

import (
	"os"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// TestMain gives conditions a minute, also on a slow machine. Gomega's own bound is one second.
func TestMain(m *testing.M) {
	SetDefaultEventuallyTimeout(time.Minute)
	os.Exit(m.Run())
}
