package wire

import (
	"net/http"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

func TestAnOperationIDIsBoundedAndUnchangedIfShort(t *testing.T) {
	g := NewWithT(t)
	for _, id := range []string{"op1", "1764432000000000000,1764432000000000001", strings.Repeat("x", MaxPassedOperationIDBytes)} {
		g.Expect(BoundOperationID(id)).To(Equal(id))
	}
	for _, id := range []string{strings.Repeat("x", MaxPassedOperationIDBytes+1), strings.Repeat("0123456789abcdef,", 4000), "a\nb", "a b",
		"é", "a\x00", strings.Repeat("é", 150)} {
		got := BoundOperationID(id)
		g.Expect(len(got)).To(BeNumerically("<=", MaxPassedOperationIDBytes))
		g.Expect(holdsOnlyBytes(got, isPrintable)).To(BeTrue(), "%q", got)
		g.Expect(BoundOperationID(id)).To(Equal(got), "the same for the same")
		g.Expect(BoundOperationID(id+"x")).NotTo(Equal(got), "another for another")
		g.Expect(BoundOperationID(got)).To(Equal(got))
	}
}

func TestALongOperationIDIsFoundAgainByItsBeginning(t *testing.T) {
	g := NewWithT(t)
	long := strings.Repeat("0123456789abcdef,", 3000)
	id := RequestID(http.Header{"Operationid": {long}})
	g.Expect(LegalRequestID(id)).To(BeTrue(), id)
	g.Expect(id).To(HavePrefix("0123456789abcdef_0123456789abcd"))
	g.Expect(RequestID(http.Header{"Operationid": {long}})).To(Equal(id))
	g.Expect(RequestID(http.Header{"Operationid": {strings.Repeat("x", MaxOperationIDBytes+1)}})).NotTo(HavePrefix("xx"))
}

// FuzzBoundOperationID checks that the result is short and printable, and the same for the same id.
func FuzzBoundOperationID(f *testing.F) {
	f.Add("op1")
	f.Add(strings.Repeat("é,", 300))
	f.Fuzz(func(t *testing.T, id string) {
		got := BoundOperationID(id)
		if len(got) > MaxPassedOperationIDBytes || !holdsOnlyBytes(got, isPrintable) || BoundOperationID(got) != got {
			t.Fatalf("%q", got)
		}
	})
}
