package bounds

import (
	"testing"

	. "github.com/onsi/gomega"
)

func TestListed(t *testing.T) {
	for _, c := range []struct {
		name            string
		begin, end, num int64
		queue           bool
		want            int64
	}{
		{"the requested number", 1, 40_000_000, 20, false, 20},
		{"no number", 1, 40_000_000, 0, false, 40_000_000},
		{"a queue, whatever the number", 1, 40_000_000, 20, true, 40_000_000},
		{"one message", 7, 7, 0, false, 1},
		{"backwards", 9, 7, 0, true, 0},
		{"the largest numbers", 0, Seq, 0, true, Seq + 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			NewWithT(t).Expect(Listed(c.begin, c.end, c.num, c.queue)).To(Equal(c.want))
		})
	}
}

// TestAPulledDocumentHoldsItsMessages: 100 messages of the largest content fit into a document together with the fields around them.
func TestAPulledDocumentHoldsItsMessages(t *testing.T) {
	g := NewWithT(t)
	const document = 16 << 20
	g.Expect(100 * (Content + 3*Note)).To(BeNumerically("<", document))
	g.Expect(100*7*(3*Notice+4*(Short+Address))).To(BeNumerically("<", document),
		"a group's notice, description and extension, with names and faces")
}
