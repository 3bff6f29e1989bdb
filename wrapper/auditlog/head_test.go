package auditlog

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
)

// chains writes n chains of three events each, and returns their lines and heads.
func chains(t *testing.T, n int) (lines [][]string, heads []Head) {
	t.Helper()
	for range n {
		f := &faulty{take: -1}
		l := on(t, f, nil, 40)
		stop := start(t, l)
		if err := l.Emit(sent()); err != nil {
			t.Fatal(err)
		}
		stop()
		h, ok := l.Head()
		if !ok {
			t.Fatal("no head")
		}
		lines = append(lines, strings.SplitAfter(strings.TrimSuffix(f.text(), "\n"), "\n"))
		heads = append(heads, h)
	}
	return lines, heads
}

func check(g *WithT, text string, heads []Head) Report {
	v := Verifier{}
	v.Expect(heads)
	g.Expect(v.Read(strings.NewReader(text))).To(Succeed())
	return v.Report()
}

// TestAMissingChainIsDetected: only the registered head shows that the chain existed.
func TestAMissingChainIsDetected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		lines, heads := chains(t, 3)
		whole := func(n int) string { return strings.Join(lines[n], "") + "\n" }
		g.Expect(heads[0]).To(And(HaveField("Seq", uint64(2)), HaveField("Ended", true)))

		r := check(g, whole(0)+whole(1)+whole(2), heads)
		g.Expect(r.Good()).To(BeTrue(), fmt.Sprint(r.Problems))

		r = check(g, whole(0)+whole(2), nil)
		g.Expect(r.Good()).To(BeTrue(), "without the registered heads it is not detected")
		r = check(g, whole(0)+whole(2), heads)
		g.Expect(r.Problems).To(HaveLen(1))
		g.Expect(r.Problems[0].Text).To(And(ContainSubstring(heads[1].Chain), ContainSubstring("missing")))

		r = check(g, whole(0)+strings.Join(lines[1][:2], "")+whole(2), heads)
		g.Expect(r.Problems).To(HaveLen(1))
		g.Expect(r.Problems[0].Text).To(And(ContainSubstring(heads[1].Chain), ContainSubstring("cut off"),
			ContainSubstring("event 2 was registered"), ContainSubstring("is 1")))

		other := heads[1]
		other.Hash = heads[0].Hash
		r = check(g, whole(1), []Head{other})
		g.Expect(r.Problems).To(HaveLen(1), "another chain with the same id")

		r = check(g, "", heads)
		g.Expect(r.Good()).To(BeFalse(), "an empty audit log")
	})
}

// TestTheHeadIsTheLastWrittenEvent: events that wait in memory are not part of the head.
func TestTheHeadIsTheLastWrittenEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		f := &faulty{take: -1, block: make(chan struct{})}
		l := on(t, f, nil, 40)
		_, ok := l.Head()
		g.Expect(ok).To(BeFalse())
		stop := start(t, l)
		synctest.Wait()
		_, ok = l.Head()
		g.Expect(ok).To(BeFalse(), "the sink has accepted nothing yet")
		close(f.block)
		f.set(func(f *faulty) { f.block = nil })
		time.Sleep(time.Second) //nolint:forbidigo // the clock of synctest
		synctest.Wait()
		h, ok := l.Head()
		g.Expect(ok).To(BeTrue())
		g.Expect(h).To(And(HaveField("Seq", uint64(0)), HaveField("Ended", false)))
		g.Expect(h.Legal()).To(BeTrue())
		stop()
		h, _ = l.Head()
		g.Expect(h).To(And(HaveField("Seq", uint64(1)), HaveField("Ended", true)))
	})
}

func TestAListOfHeads(t *testing.T) {
	g := NewWithT(t)
	one := fmt.Sprintf(`{"chain":%q,"seq":5,"hash":%q,"program":"gateway v1","first":"2026-06-01T11:00:00Z"}`,
		strings.Repeat("a", 32), strings.Repeat("b", 64))
	want := Head{Chain: strings.Repeat("a", 32), Seq: 5, Hash: strings.Repeat("b", 64)}
	for _, text := range []string{`{"heads":[` + one + `]}`, `{"errCode":0,"errMsg":"","errDlt":"","data":{"heads":[` + one + `]}}`} {
		heads, err := ReadHeads(strings.NewReader(text))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(heads).To(Equal([]Head{want}))
	}
	heads, err := ReadHeads(strings.NewReader(`{"data":{"heads":[]}}`))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(heads).To(BeEmpty())
	for text, says := range map[string]string{
		"": "not JSON", "[]": "not JSON", "{}": `no member "heads"`, `{"errCode":1002,"errMsg":"no"}`: "errCode 1002",
		`{"heads":[{"chain":"x","seq":1,"hash":"y"}]}`:                   "heads[0] is malformed",
		strings.Replace(`{"heads":[`+one+`]}`, `"seq":5`, `"seq":-1`, 1): "not JSON",
	} {
		_, err := ReadHeads(strings.NewReader(text))
		g.Expect(err).To(MatchError(ContainSubstring(says)), text)
	}
}
