package auditlog

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// maxReadLine limits the lines that are inspected. A longer line is not an event.
const maxReadLine = 1 << 20

// rememberedHashes is the number of a chain's last hashes that are kept, for comparison with heads that follow in the log.
const rememberedHashes = 4096

// maxFindings limits the findings of a report.
const maxFindings = 1000

// Finding is one statement of a report.
type Finding struct {
	Line int // of the input, from 1; 0: about the whole input
	Text string
}

func (f Finding) String() string {
	if f.Line == 0 {
		return f.Text
	}
	return fmt.Sprintf("line %d: %s", f.Line, f.Text)
}

// Report is the result of a Verifier.
type Report struct {
	Events   int       // complete events, valid or not
	Chains   []Chain   // in the order of their first events
	Problems []Finding // each proves that the audit log was changed
	Notes    []Finding // information that proves no change
	More     int       // findings beyond the listed ones
}

// Good reports whether no problem was found.
func (r *Report) Good() bool { return len(r.Problems) == 0 }

// Chain is the summary of one chain. Each start of the program begins a chain.
type Chain struct {
	ID          string
	First, Last uint64 // sequence numbers
	Head        string // the hash of the last event
	Ended       bool   // the program ended the chain
}

// claim is the statement of a source outside a chain that the chain has a certain event.
type claim struct {
	chain      string
	seq        uint64
	hash       string
	line       int
	log        bool // the source is a head in the program's log, not the start of the next chain
	registered bool // the source is a head that the program registered with the backend
}

type chainState struct {
	Chain
	hashes [rememberedHashes]string // by sequence number modulo their count
}

// Verifier checks an audit log.
type Verifier struct {
	// Partial accepts that the beginning of a chain is missing, as in a container's log that was truncated.
	Partial bool

	report Report
	chains map[string]*chainState
	order  []*chainState
	claims []claim
	line   int
}

// Read checks one file or stream. Read the files of one audit log in their order. Read fails only when r does.
func (v *Verifier) Read(r io.Reader) error {
	if v.chains == nil {
		v.chains = map[string]*chainState{}
	}
	in := bufio.NewReaderSize(r, maxReadLine)
	for {
		text, err := in.ReadSlice('\n')
		long := errors.Is(err, bufio.ErrBufferFull)
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = in.ReadSlice('\n')
		}
		if len(text) > 0 {
			v.line++
		}
		if !long {
			v.checkLine(text)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// Report returns the result. Call it after the last Read.
func (v *Verifier) Report() Report {
	for _, c := range v.claims {
		v.checkClaim(c)
	}
	v.claims = nil
	r := v.report
	for _, s := range v.order {
		r.Chains = append(r.Chains, s.Chain)
	}
	return r
}

func (v *Verifier) problem(format string, args ...any) {
	v.add(&v.report.Problems, v.line, format, args...)
}

func (v *Verifier) note(format string, args ...any) {
	v.add(&v.report.Notes, v.line, format, args...)
}

func (v *Verifier) add(list *[]Finding, line int, format string, args ...any) {
	if len(*list) >= maxFindings {
		v.report.More++
		return
	}
	*list = append(*list, Finding{line, fmt.Sprintf(format, args...)})
}

func (v *Verifier) checkLine(text []byte) {
	l, err := readLine(text)
	switch {
	case errors.Is(err, errNotAnEvent):
		v.checkHead(text)
		return
	case errors.Is(err, errTorn):
		// Missing events show as a gap in the sequence numbers. The writer has written a partial line again, completely.
		v.note("an event is incomplete: the program or the disk stopped while writing it")
		return
	case err != nil:
		v.problem("%s", err)
		return
	}
	v.report.Events++
	if l.changed {
		v.problem("event %d of chain %s was changed: its hash does not match its bytes", l.Seq, short(l.Chain))
	}
	s := v.chains[l.Chain]
	if s == nil {
		s = v.startChain(l)
	} else if !v.follows(s, l) {
		return
	}
	s.Last, s.Head = l.Seq, l.Hash
	s.hashes[l.Seq%rememberedHashes] = l.Hash
	switch l.Kind {
	case kindLost:
		v.note("%d events were lost before event %d of chain %s: the queue was full", l.Lost, l.Seq, short(l.Chain))
	case kindEnd:
		s.Ended = true
	case kindStart:
		if l.PreviousChain != "" {
			v.claims = append(v.claims, claim{chain: l.PreviousChain, seq: l.PreviousSeq, hash: l.Prev, line: v.line})
		}
	}
}

// startChain records the first event of a chain.
func (v *Verifier) startChain(l *line) *chainState {
	s := &chainState{Chain: Chain{ID: l.Chain, First: l.Seq}}
	v.chains[l.Chain] = s
	v.order = append(v.order, s)
	switch {
	case l.Seq == 0 && l.Kind != kindStart:
		v.problem("chain %s does not begin with a start event", short(l.Chain))
	case l.Seq == 0:
	case l.Kind == kindRotated:
		v.note("chain %s continues from an earlier file: its event %d has the hash %s", short(l.Chain), l.Seq-1, l.Prev)
	case v.Partial:
		v.note("the first %d events of chain %s are not in the input", l.Seq, short(l.Chain))
	default:
		v.problem("the first %d events of chain %s are missing", l.Seq, short(l.Chain))
	}
	return s
}

// follows checks an event against its predecessor. It returns false for an event that belongs before the last one.
func (v *Verifier) follows(s *chainState, l *line) bool {
	next := s.Last + 1
	switch {
	case l.Seq < next:
		if s.hashes[l.Seq%rememberedHashes] == l.Hash {
			v.problem("event %d of chain %s is duplicated", l.Seq, short(l.Chain))
		} else {
			v.problem("event %d of chain %s follows event %d: it was moved or inserted", l.Seq, short(l.Chain), s.Last)
		}
		return false
	case l.Seq > next:
		v.problem("chain %s: events %d to %d are missing", short(l.Chain), next, l.Seq-1)
	case l.Prev != s.Head:
		v.problem("event %d of chain %s does not continue event %d: one of the two was replaced", l.Seq, short(l.Chain), s.Last)
	}
	if s.Ended {
		v.problem("chain %s continues after its end", short(l.Chain))
	}
	return true
}

// checkHead reads a head from the program's log. A forged head does no harm: it can only report that events are missing.
func (v *Verifier) checkHead(text []byte) {
	at := bytes.IndexByte(text, '{')
	if at < 0 || !bytes.Contains(text, []byte(`"`+HeadMessage+`"`)) {
		return
	}
	var head struct {
		Msg   string `json:"msg"`
		Chain string `json:"chain"`
		Seq   uint64 `json:"seq"`
		Hash  string `json:"hash"`
	}
	if json.Unmarshal(bytes.TrimSpace(text[at:]), &head) != nil || head.Msg != HeadMessage ||
		!isHex(head.Chain, 2*chainBytes) || !isHex(head.Hash, hashHex) {
		return
	}
	c := claim{chain: head.Chain, seq: head.Seq, hash: head.Hash, line: v.line, log: true}
	// For each chain the latest head is kept: it implies the earlier ones. A head of an event that was already read is checked at once.
	if s := v.chains[c.chain]; s != nil && c.seq <= s.Last {
		v.checkClaim(c)
		return
	}
	if i := slices.IndexFunc(v.claims, func(o claim) bool { return o.log && o.chain == c.chain }); i < 0 {
		v.claims = append(v.claims, c)
	} else if v.claims[i].seq <= c.seq {
		v.claims[i] = c
	}
}

// checkClaim compares a claim with the input.
func (v *Verifier) checkClaim(c claim) {
	s := v.chains[c.chain]
	switch {
	case s == nil && c.registered:
		v.add(&v.report.Problems, c.line, "chain %s is missing: its event %d was registered, and the input has none of the chain", c.chain,
			c.seq)
	case c.registered && c.seq > s.Last:
		v.add(&v.report.Problems, c.line, "the end of chain %s was cut off: event %d was registered, and the last one in the input is %d",
			c.chain, c.seq, s.Last)
	case s == nil && c.log:
		v.add(&v.report.Problems, c.line, "chain %s is missing: the log names its event %d", short(c.chain), c.seq)
	case s == nil:
		v.add(&v.report.Notes, c.line, "the preceding chain %s is not in the input; its event %d has the hash %s", short(c.chain), c.seq,
			c.hash)
	case c.seq > s.Last:
		v.add(&v.report.Problems, c.line, "the end of chain %s was cut off: event %d existed, and the last one in the input is %d",
			short(c.chain), c.seq, s.Last)
	case c.seq+rememberedHashes <= s.Last || c.seq < s.First:
		// The hash of the event is no longer remembered. Later heads imply all earlier events.
	case s.hashes[c.seq%rememberedHashes] != c.hash:
		v.add(&v.report.Problems, c.line, "event %d of chain %s differs from the event that this line names", c.seq, short(c.chain))
	}
}

// short returns the beginning of a chain's id.
func short(id string) string { return id[:12] }

// Write writes a report as text.
func (r *Report) Write(w io.Writer) error {
	var b strings.Builder
	for _, f := range r.Problems {
		fmt.Fprintf(&b, "broken: %s\n", f)
	}
	for _, f := range r.Notes {
		fmt.Fprintf(&b, "note: %s\n", f)
	}
	if r.More > 0 {
		fmt.Fprintf(&b, "and %d more findings\n", r.More)
	}
	for _, c := range r.Chains {
		end := "no end event: the program is running, was killed, or its last events were removed"
		if c.Ended {
			end = "ended in good order"
		}
		fmt.Fprintf(&b, "chain %s: events %d to %d, head %s; %s\n", c.ID, c.First, c.Last, c.Head, end)
	}
	verdict := "good"
	if !r.Good() {
		verdict = "BROKEN"
	}
	fmt.Fprintf(&b, "%s: %d events in %d chains, %d problems\n", verdict, r.Events, len(r.Chains), len(r.Problems))
	_, err := io.WriteString(w, b.String())
	return err
}
