package auditlog

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"
)

// rehash sets the hash of a line to the hash of its bytes, as an attacker would.
func rehash(line string) string {
	body := line[:strings.LastIndex(line, hashMember)]
	sum := sha256.Sum256([]byte(body))
	return body + hashMember + hex.EncodeToString(sum[:]) + lineSuffix + "\n"
}

func headLine(t testing.TB, line string) string {
	t.Helper()
	l, err := readLine([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`{"time":"2026-06-01T12:00:00Z","level":"INFO","msg":"audit head","chain":%q,"seq":%d,"hash":%q}`+"\n", l.Chain,
		l.Seq, l.Hash)
}

func TestEveryKindOfTamperingIsFound(t *testing.T) {
	good, other := written(t, 6), written(t, 6) // lines 0 (start) to 7 (end)
	for _, c := range []struct {
		name   string
		change func(lines []string) []string
		says   string
	}{
		{"a word is changed", func(l []string) []string { l[3] = strings.Replace(l[3], "alice", "mallo", 1); return l },
			"line 4: event 3 of chain .* was changed"},
		{"the verdict is turned", func(l []string) []string { l[3] = strings.Replace(l[3], "refused", "allowed", 1); return l },
			"line 4: event 3 of chain .* was changed"},
		{"a blank is inserted", func(l []string) []string { l[3] = strings.Replace(l[3], `"kind":`, `"kind": `, 1); return l },
			"line 4: event 3 of chain .* was changed"},
		{"a member is added", func(l []string) []string {
			l[3] = strings.Replace(l[3], `"kind"`, `"status":500,"kind"`, 1)
			return l
		}, "was changed"},
		{"a word and the hash are changed",
			func(l []string) []string {
				l[3] = rehash(strings.Replace(l[3], "alice", "mallo",
					1))
				return l
			}, "line 5: event 4 of chain .* does not continue event 3"},
		{"the hash is changed", func(l []string) []string {
			l[3] = l[3][:len(l[3])-10] + "0000000" + l[3][len(l[3])-3:]
			return l
		}, "event 3 of chain .* was changed"},
		{"the line is not JSON", func(l []string) []string { l[3] = strings.Replace(l[3], `"seq":`, `"seq":x`, 1); return l },
			"line 4: the line was changed: it is not a valid event"},
		{"the first is deleted", func(l []string) []string { return l[1:] }, "line 1: the first 1 events of chain .* are missing"},
		{"the first three are deleted", func(l []string) []string { return l[3:] }, "the first 3 events of chain .* are missing"},
		{"one is deleted", func(l []string) []string { return slices.Delete(l, 3, 4) }, "line 4: chain .*: events 3 to 3 are missing"},
		{"three are deleted", func(l []string) []string { return slices.Delete(l, 2, 5) }, "events 2 to 4 are missing"},
		{"one is deleted and the numbers closed up", func(l []string) []string {
			l = slices.Delete(l, 3, 4)
			l[3] = rehash(strings.Replace(l[3], `"seq":4`, `"seq":3`, 1))
			return l
		}, "event 3 of chain .* does not continue event 2"},
		{"two are swapped", func(l []string) []string { l[3], l[4] = l[4], l[3]; return l },
			"line 5: event 3 of chain .* follows event 4: it was moved or inserted"},
		{"one is written twice", func(l []string) []string { return slices.Insert(l, 4, l[3]) },
			"line 5: event 3 of chain .* is duplicated"},
		{"a forged one is inserted", func(l []string) []string {
			return slices.Insert(l, 4, rehash(strings.Replace(l[4], "alice", "mallo", 1)))
		}, "line 6: event 4 of chain .* follows event .*: it was moved or inserted"},
		{"one of another chain is inserted under this chain's id", func(l []string) []string {
			a, _ := readLine([]byte(l[3]))
			b, _ := readLine([]byte(other[4]))
			l[4] = rehash(strings.NewReplacer(b.Chain, a.Chain, b.Prev, a.Hash).Replace(other[4]))
			return l
		}, "event 5 of chain .* does not continue event 4"},
		{"the second half is another chain's", func(l []string) []string { return append(l[:4], other[4:]...) },
			"the first 4 events of chain .* are missing"},
		{"the second half is another chain's, renamed", func(l []string) []string {
			a, _ := readLine([]byte(l[3]))
			b, _ := readLine([]byte(other[4]))
			out := l[:4]
			for _, o := range other[4:] {
				out = append(out, rehash(strings.ReplaceAll(o, b.Chain, a.Chain)))
			}
			return out
		}, "event 4 of chain .* does not continue event 3"},
		{"an event follows the end", func(l []string) []string {
			end, _ := readLine([]byte(l[7]))
			return append(l, rehash(strings.NewReplacer(`"seq":7`, `"seq":8`, end.Prev, end.Hash).Replace(l[7])))
		}, "continues after its end"},
		{"a chain without a start", func(l []string) []string {
			return []string{rehash(strings.Replace(l[0], `"kind":"start"`, `"kind":"call"`, 1))}
		}, "does not begin with a start event"},
		{"the last are cut off, and the log names the head", func(l []string) []string { return append(l[:5], headLine(t, good[6])) },
			"the end of chain .* was cut off: event 6 existed, and the last one in the input is 4"},
		{"the same, with the log before the trail", func(l []string) []string {
			return append([]string{headLine(t, good[2]), headLine(t, good[6])}, l[:5]...)
		}, "the end of chain .* was cut off"},
		{"a chain is removed, and the log names its head", func([]string) []string { return []string{headLine(t, good[6]), other[0]} },
			"chain .* is missing: the log names its event 6"},
		{"all is rewritten from an event on, with matching hashes", func(l []string) []string {
			prev, _ := readLine([]byte(l[2]))
			head := prev.Hash
			for i := 3; i < len(l); i++ {
				was, _ := readLine([]byte(l[i]))
				l[i] = rehash(strings.NewReplacer("alice", "mallo", was.Prev, head).Replace(l[i]))
				now, _ := readLine([]byte(l[i]))
				head = now.Hash
			}
			return append(l, headLine(t, good[7]))
		}, "event 7 of chain .* differs from the event that this line names"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			report := verify(t, strings.Join(c.change(slices.Clone(good)), ""))
			g.Expect(report.Good()).To(BeFalse())
			var said []string
			for _, p := range report.Problems {
				said = append(said, p.String())
			}
			g.Expect(said).To(ContainElement(MatchRegexp(c.says)))
		})
	}
	NewWithT(t).Expect(verify(t, strings.Join(good, "")).Problems).To(BeEmpty(), "the unchanged audit log")
}

func TestHarmlessDifferences(t *testing.T) {
	a, b := written(t, 3), written(t, 3)
	var mixed []string
	for i := range a {
		mixed = append(mixed, a[i], `{"level":"INFO","msg":"request"}`+"\n", b[i], "panic: {\"audit\"\n", "\n")
	}
	var prefixed []string
	for _, line := range a {
		prefixed = append(prefixed, "2026-06-01T12:00:00.000000000Z stdout F "+line)
	}
	for _, c := range []struct {
		name, text string
		chains     int
		notes      string
	}{
		{"two replicas in one stream", strings.Join(mixed, ""), 2, ""},
		{"a container runtime's prefix", strings.Join(prefixed, ""), 1, ""},
		{"Windows line ends", strings.ReplaceAll(strings.Join(a, ""), "\n", "\r\n"), 1, ""},
		{"no line break at the end", strings.TrimSuffix(strings.Join(a, ""), "\n"), 1, ""},
		{"killed: there is no end", strings.Join(a[:4], ""), 1, ""},
		{"killed in the middle of a line", strings.Join(a[:4], "") + a[4][:40], 1, "is incomplete"},
		{"heads that are right", headLine(t, a[2]) + strings.Join(a, "") + headLine(t, a[1]) + headLine(t, a[4]), 1, ""},
		{"a line of two megabytes", strings.Repeat("x", 2<<20) + "\n" + strings.Join(a, ""), 1, ""},
		{"nothing", "", 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			report := verify(t, c.text)
			g.Expect(report.Problems).To(BeEmpty())
			g.Expect(report.Chains).To(HaveLen(c.chains))
			g.Expect(fmt.Sprint(report.Notes)).To(ContainSubstring(c.notes))
		})
	}
}

func TestWithPartialTheBeginningMayBeMissing(t *testing.T) {
	g := NewWithT(t)
	v := Verifier{Partial: true}
	g.Expect(v.Read(strings.NewReader(strings.Join(written(t, 5)[3:], "")))).To(Succeed())
	report := v.Report()
	g.Expect(report.Problems).To(BeEmpty())
	g.Expect(report.Notes).To(HaveExactElements(HaveField("Text", ContainSubstring("the first 3 events"))))
}

// TestNoChangeOfAByteGoesUnseen changes, removes or inserts one random byte. The audit log is then broken, or its end is missing compared
// with the head in the log.
func TestNoChangeOfAByteGoesUnseen(t *testing.T) {
	lines := written(t, 8)
	text, head := strings.Join(lines, ""), headLine(t, lines[len(lines)-1])
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.IntRange(0, len(text)-1).Draw(t, "at")
		b := byte(rapid.IntRange(0, 255).Draw(t, "byte"))
		var changed string
		switch rapid.SampledFrom([]string{"change", "delete", "insert"}).Draw(t, "how") {
		case "change":
			changed = text[:at] + string([]byte{b}) + text[at+1:]
		case "delete":
			changed = text[:at] + text[at+1:]
		case "insert":
			changed = text[:at] + string([]byte{b}) + text[at:]
		}
		var v Verifier
		if err := v.Read(strings.NewReader(changed + head)); err != nil {
			t.Fatal(err)
		}
		report := v.Report()
		// Line ends and bytes between two events are not part of the audit log.
		if report.Good() && !slices.Equal(events(changed), events(text)) {
			t.Fatalf("not detected: byte %d", at)
		}
	})
}

// events returns the complete events of a text.
func events(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if at := strings.Index(line, linePrefix); at >= 0 {
			out = append(out, strings.TrimRight(line[at:], "\r\n"))
		}
	}
	return out
}

// TestNoRearrangementGoesUnseen omits, repeats and reorders lines at random. Only the complete audit log in its order is good.
func TestNoRearrangementGoesUnseen(t *testing.T) {
	lines := written(t, 6)
	head := headLine(t, lines[len(lines)-1])
	rapid.Check(t, func(t *rapid.T) {
		order := rapid.SliceOfN(rapid.IntRange(0, len(lines)-1), 0, 10).Draw(t, "order")
		var text strings.Builder
		for _, i := range order {
			text.WriteString(lines[i])
		}
		var v Verifier
		if err := v.Read(strings.NewReader(text.String() + head)); err != nil {
			t.Fatal(err)
		}
		report := v.Report()
		whole := len(order) == len(lines) && slices.IsSorted(order) && len(slices.Compact(slices.Clone(order))) == len(lines)
		if report.Good() != whole {
			t.Fatalf("order %v: good is %v: %v", order, report.Good(), report.Problems)
		}
	})
}

func FuzzVerify(f *testing.F) {
	lines := written(f, 3)
	f.Add(strings.Join(lines, ""))
	f.Add(headLine(f, lines[2]) + lines[0])
	f.Add(linePrefix + `"chain":"x","seq":18446744073709551615`)
	f.Fuzz(func(t *testing.T, text string) {
		v := Verifier{}
		if err := v.Read(strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		report := v.Report()
		var b strings.Builder
		if err := report.Write(&b); err != nil || b.Len() == 0 {
			t.Fatal("no report")
		}
	})
}
