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

// maxReadLine bounds a line that is looked at; a longer one is none of ours.
const maxReadLine = 1 << 20

// rememberedHashes is how many of a chain's last hashes are kept to be compared with what a log says of its head later.
const rememberedHashes = 4096

// maxFindings bounds what a report lists.
const maxFindings = 1000

// Finding is one thing that a report says.
type Finding struct {
	Line int // of the input, from 1; 0: it is about the whole
	Text string
}

func (f Finding) String() string {
	if f.Line == 0 {
		return f.Text
	}
	return fmt.Sprintf("line %d: %s", f.Line, f.Text)
}

// Report is what Verify found.
type Report struct {
	Events   int       // whole events, good or bad
	Chains   []Chain   // in the order in which they were met
	Problems []Finding // each means that the trail is not as it was written
	Notes    []Finding // worth knowing, and no sign of a change
	More     int       // problems and notes beyond those listed
}

// Good reports whether every chain is whole as far as it can be told.
func (r *Report) Good() bool { return len(r.Problems) == 0 }

// Chain is one chain of a report: one start of the program.
type Chain struct {
	ID          string
	First, Last uint64 // sequence numbers
	Head        string // the hash of the last event
	Ended       bool   // by the program, in good order
}

// claim is what something outside a chain says of it: that an event was there.
type claim struct {
	chain string
	seq   uint64
	hash  string
	line  int
	log   bool // a head in the log, not the start of the next chain
	// registered: the program has left its head elsewhere while it ran.
	registered bool
}

type state struct {
	Chain
	hashes [rememberedHashes]string // by sequence number
}

// Verifier reads a trail.
type Verifier struct {
	// Partial accepts that the beginning of a chain is missing: a container's log of which only the end was kept.
	Partial bool

	report Report
	chains map[string]*state
	order  []*state
	claims []claim
	line   int
}

// Read takes in one file or stream. Those of one trail are read in their order. It fails when r does.
func (v *Verifier) Read(r io.Reader) error {
	if v.chains == nil {
		v.chains = map[string]*state{}
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
			v.look(text)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// Report says what was found once everything was read.
func (v *Verifier) Report() Report {
	for _, c := range v.claims {
		v.settle(c)
	}
	v.claims = nil
	r := v.report
	for _, s := range v.order {
		r.Chains = append(r.Chains, s.Chain)
	}
	return r
}

func (v *Verifier) problem(format string, args ...any) {
	v.find(&v.report.Problems, v.line, format, args...)
}

func (v *Verifier) note(format string, args ...any) {
	v.find(&v.report.Notes, v.line, format, args...)
}

func (v *Verifier) find(list *[]Finding, line int, format string, args ...any) {
	if len(*list) >= maxFindings {
		v.report.More++
		return
	}
	*list = append(*list, Finding{line, fmt.Sprintf(format, args...)})
}

func (v *Verifier) look(text []byte) {
	l, err := readLine(text)
	switch {
	case errors.Is(err, errNoEvent):
		v.lookForHead(text)
		return
	case errors.Is(err, errTorn):
		// Whatever is missing shows as a gap. What is not missing was written again, whole.
		v.note("an event breaks off: the program or the disk stopped in the middle of it")
		return
	case err != nil:
		v.problem("%s", err)
		return
	}
	v.report.Events++
	if l.changed {
		v.problem("event %d of chain %s was changed: its bytes do not give its hash", l.Seq, short(l.Chain))
	}
	s := v.chains[l.Chain]
	if s == nil {
		s = v.begin(l)
	} else if !v.follows(s, l) {
		return
	}
	s.Last, s.Head = l.Seq, l.Hash
	s.hashes[l.Seq%rememberedHashes] = l.Hash
	switch l.Kind {
	case kindLost:
		v.note("%d events were lost before event %d of chain %s: the sink took nothing and the spool was full", l.Lost, l.Seq, short(l.Chain))
	case kindEnd:
		s.Ended = true
	case kindStart:
		if l.PreviousChain != "" {
			v.claims = append(v.claims, claim{chain: l.PreviousChain, seq: l.PreviousSeq, hash: l.Prev, line: v.line})
		}
	}
}

// begin takes in the first event of a chain.
func (v *Verifier) begin(l *line) *state {
	s := &state{Chain: Chain{ID: l.Chain, First: l.Seq}}
	v.chains[l.Chain] = s
	v.order = append(v.order, s)
	switch {
	case l.Seq == 0 && l.Kind != kindStart:
		v.problem("chain %s does not begin with its start", short(l.Chain))
	case l.Seq == 0:
	case l.Kind == kindRotated:
		v.note("chain %s goes on from an earlier file: its event %d has the hash %s", short(l.Chain), l.Seq-1, l.Prev)
	case v.Partial:
		v.note("the first %d events of chain %s are not here", l.Seq, short(l.Chain))
	default:
		v.problem("the first %d events of chain %s are missing", l.Seq, short(l.Chain))
	}
	return s
}

// follows checks an event against the one before it. It is false for an event that belongs to an earlier place.
func (v *Verifier) follows(s *state, l *line) bool {
	next := s.Last + 1
	switch {
	case l.Seq < next:
		if s.hashes[l.Seq%rememberedHashes] == l.Hash {
			v.problem("event %d of chain %s stands here again", l.Seq, short(l.Chain))
		} else {
			v.problem("event %d of chain %s stands behind event %d: it was moved or put in", l.Seq, short(l.Chain), s.Last)
		}
		return false
	case l.Seq > next:
		v.problem("of chain %s the events %d to %d are missing", short(l.Chain), next, l.Seq-1)
	case l.Prev != s.Head:
		v.problem("event %d of chain %s does not follow from event %d: one of the two was exchanged", l.Seq, short(l.Chain), s.Last)
	}
	if s.Ended {
		v.problem("chain %s goes on behind its end", short(l.Chain))
	}
	return true
}

// lookForHead finds what the program's log says of a head. It is believed no more than anything else: it can only show
// that something is missing.
func (v *Verifier) lookForHead(text []byte) {
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
	if json.Unmarshal(bytes.TrimSpace(text[at:]), &head) != nil || head.Msg != HeadMessage || !isHex(head.Chain, 2*chainBytes) || !isHex(head.Hash, hashHex) {
		return
	}
	c := claim{chain: head.Chain, seq: head.Seq, hash: head.Hash, line: v.line, log: true}
	// Of a chain the head that is farthest is kept: it says the most. One that the chain has passed is compared at once.
	if s := v.chains[c.chain]; s != nil && c.seq <= s.Last {
		v.settle(c)
		return
	}
	if i := slices.IndexFunc(v.claims, func(o claim) bool { return o.log && o.chain == c.chain }); i < 0 {
		v.claims = append(v.claims, c)
	} else if v.claims[i].seq <= c.seq {
		v.claims[i] = c
	}
}

// settle compares a claim with what was read.
func (v *Verifier) settle(c claim) {
	s := v.chains[c.chain]
	switch {
	case s == nil && c.registered:
		v.find(&v.report.Problems, c.line, "chain %s is missing: its event %d was registered, and nothing of the chain is here", c.chain, c.seq)
	case c.registered && c.seq > s.Last:
		v.find(&v.report.Problems, c.line, "the end of chain %s was cut off: event %d was registered, and the last one here is %d", c.chain, c.seq, s.Last)
	case s == nil && c.log:
		v.find(&v.report.Problems, c.line, "the log names event %d of chain %s, of which nothing is here", c.seq, short(c.chain))
	case s == nil:
		v.find(&v.report.Notes, c.line, "the chain before this one, %s, is not here; its event %d has the hash %s", short(c.chain), c.seq, c.hash)
	case c.seq > s.Last:
		v.find(&v.report.Problems, c.line, "the end of chain %s was cut off: event %d was there, and the last one here is %d", short(c.chain), c.seq, s.Last)
	case c.seq+rememberedHashes <= s.Last || c.seq < s.First:
		// Too far back to compare. Later heads say the same of all that is before them.
	case s.hashes[c.seq%rememberedHashes] != c.hash:
		v.find(&v.report.Problems, c.line, "event %d of chain %s is not the one that was there when this was written", c.seq, short(c.chain))
	}
}

// short is enough of a chain's name to tell it from others.
func short(id string) string { return id[:12] }

// Write prints a report for people.
func (r *Report) Write(w io.Writer) error {
	var b strings.Builder
	for _, f := range r.Problems {
		fmt.Fprintf(&b, "broken: %s\n", f)
	}
	for _, f := range r.Notes {
		fmt.Fprintf(&b, "note: %s\n", f)
	}
	if r.More > 0 {
		fmt.Fprintf(&b, "and %d findings more\n", r.More)
	}
	for _, c := range r.Chains {
		end := "it has no end: the program runs still, was killed, or its last events were taken away"
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
