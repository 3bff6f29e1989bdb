package auth

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestSeenIsBoundedAndRefusesWhatItCannotRemember(t *testing.T) {
	g := NewWithT(t)
	at := time.Unix(1000, 0)
	s := newReplayCache(time.Minute, 3)
	for i := range 3 {
		first, full := s.first(fmt.Sprint(i), at)
		g.Expect([]bool{first, full}).To(Equal([]bool{true, false}))
	}
	first, full := s.first("one too many", at)
	g.Expect([]bool{first, full}).To(Equal([]bool{false, true}))
	first, full = s.first("0", at)
	g.Expect([]bool{first, full}).To(Equal([]bool{false, false}), "a known one is still known")

	first, _ = s.first("later", at.Add(time.Minute))
	g.Expect(first).To(BeTrue(), "a new window has a free entry")
	first, _ = s.first("0", at.Add(time.Minute))
	g.Expect(first).To(BeFalse(), "the window before is remembered")
	first, _ = s.first("0", at.Add(4*time.Minute))
	g.Expect(first).To(BeTrue(), "after two windows it is forgotten")
	g.Expect(len(s.now) + len(s.old)).To(BeNumerically("<=", 6))
}
