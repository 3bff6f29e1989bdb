package sdk

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// callsFile lists the calls that the SDK makes. The wrapper must admit all of them for users.
const callsFile = "testdata/calls.txt"

// recordEnv, when set, rewrites the file.
const recordEnv = "IM_RECORD"

// TestCallsAreThoseListed runs last: it checks the calls of all other tests.
func TestCallsAreThoseListed(t *testing.T) {
	if tape == nil {
		t.Skip("nothing stands between the SDK and the wrapper: calls are recorded when OpenIM stands alone")
	}
	tape.mu.Lock()
	used := slices.Sorted(maps.Keys(tape.calls))
	tape.mu.Unlock()
	NewWithT(t).Expect(used).NotTo(BeEmpty())
	if os.Getenv(recordEnv) != "" {
		if err := os.WriteFile(callsFile, []byte(strings.Join(used, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	listed, err := os.ReadFile(callsFile)
	if err != nil {
		t.Fatal(err)
	}
	NewWithT(t).Expect(strings.Fields(strings.ReplaceAll(string(listed), " ", "_"))).To(ContainElements(
		strings.Fields(strings.ReplaceAll(strings.Join(used, "\n"), " ", "_"))), "set %s=1 to write the list anew, and look whether the wrapper lets it all through", recordEnv)
}
