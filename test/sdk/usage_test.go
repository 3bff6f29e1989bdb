package sdk

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// callsFile lists what the SDK uses. The wrapper must let a user do all of it.
const callsFile = "testdata/calls.txt"

// recordEnv, when set, writes the file anew.
const recordEnv = "IM_RECORD"

// TestCallsAreThoseListed comes last: it is about all that the others did.
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
