package auditlog

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
)

// buffer is a standard output that a test may read during writes.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// run opens an audit log and writes it until stop, which waits for the end of the writer.
func run(t testing.TB, o Options) (l *Log, stop func()) {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Path == "" {
		o.Path = Stdout
	}
	o.Reg = prometheus.NewPedanticRegistry()
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return l, start(t, l)
}

func start(t testing.TB, l *Log) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.Run(ctx)
	}()
	stop = sync.OnceFunc(func() { cancel(); <-ended })
	t.Cleanup(stop)
	return stop
}

// sent returns the event of alice's message to bob.
func sent(change ...func(*Event)) Event {
	e := Event{
		Kind: KindMessage,
		Actor: Actor{
			Role: "user", Subject: "alice", Issuer: "openim-wrapper-sessions", UserID: "alice", DeviceID: "d-1", PlatformID: 2,
			Session: "s-1", IP: netip.MustParseAddr("192.0.2.7"),
		},
		Action: Action{
			Route: "ws/send_msg", Identifier: 1003, Class: "write", RequestID: "r-1", Users: []string{"bob"},
			Conversations: []string{"si_alice_bob"},
		},
		Outcome: Outcome{Verdict: Refused, Reason: "forbidden", Rule: "no-media", Status: 200, ErrCode: 1002,
			Took: 1500 * time.Microsecond},
	}
	for _, c := range change {
		c(&e)
	}
	return e
}

// written returns the lines of an audit log of n events, with the start event and the end event.
func written(t testing.TB, n int) []string {
	t.Helper()
	var out buffer
	l, stop := run(t, Options{Stdout: &out, Program: "gateway v1"})
	for range n {
		if err := l.Emit(sent()); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	lines := strings.SplitAfter(out.String(), "\n")
	return lines[:len(lines)-1]
}

func verify(t testing.TB, texts ...string) Report {
	t.Helper()
	v := Verifier{}
	for _, text := range texts {
		if err := v.Read(strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	return v.Report()
}

func TestAnEventIsOneLineWithCallerActionAndOutcome(t *testing.T) {
	g := NewWithT(t)
	var out buffer
	at := time.Date(2026, 6, 1, 12, 0, 0, 123456789, time.FixedZone("x", 3600))
	l, stop := run(t, Options{Stdout: &out, Program: "gateway v1", Now: func() time.Time { return at }})
	g.Expect(l.Emit(sent())).To(Succeed())
	stop()
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	g.Expect(lines).To(HaveLen(3), "start, the event, end")
	var first, second map[string]any
	g.Expect(json.Unmarshal([]byte(lines[0]), &first)).To(Succeed())
	g.Expect(json.Unmarshal([]byte(lines[1]), &second)).To(Succeed())
	g.Expect(first).To(And(HaveKeyWithValue("kind", "start"), HaveKeyWithValue("program", "gateway v1"),
		HaveKeyWithValue("prev", noHash), HaveKeyWithValue("seq", 0.0)))
	g.Expect(second).To(And(HaveKeyWithValue("prev", first["hash"]), HaveKeyWithValue("chain", first["chain"])))
	for _, name := range []string{"prev", "hash", "chain"} {
		delete(second, name)
	}
	g.Expect(second).To(Equal(map[string]any{
		"audit": 1.0, "seq": 1.0, "time": "2026-06-01T11:00:00.123456Z", "kind": "message",
		"role": "user", "subject": "alice", "issuer": "openim-wrapper-sessions", "userID": "alice", "deviceID": "d-1", "platformID": 2.0,
		"session": "s-1", "ip": "192.0.2.7", "route": "ws/send_msg", "identifier": 1003.0, "class": "write", "requestID": "r-1",
		"users": []any{"bob"}, "conversations": []any{"si_alice_bob"},
		"verdict": "refused", "reason": "forbidden", "rule": "no-media", "status": 200.0, "errCode": 1002.0, "milliseconds": 1.5,
	}))
	g.Expect(lines[2]).To(ContainSubstring(`"kind":"end"`))
	report := verify(t, out.String())
	g.Expect(report.Good()).To(BeTrue())
	g.Expect(report.Events).To(Equal(3))
	g.Expect(report.Chains).To(HaveExactElements(HaveField("Ended", true)))
}

func TestANameFieldHoldsNamesOnly(t *testing.T) {
	const text = "a whole sentence, as a user might have typed it"
	const token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
	for name, change := range map[string]func(*Event, string){
		"kind":    func(e *Event, s string) { e.Kind = Kind(s) },
		"role":    func(e *Event, s string) { e.Actor.Role = s },
		"route":   func(e *Event, s string) { e.Action.Route = s },
		"class":   func(e *Event, s string) { e.Action.Class = s },
		"request": func(e *Event, s string) { e.Action.RequestID = s },
		"verdict": func(e *Event, s string) { e.Outcome.Verdict = Verdict(s) },
		"reason":  func(e *Event, s string) { e.Outcome.Reason = s },
		"rule":    func(e *Event, s string) { e.Outcome.Rule = s },
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			for _, s := range []string{text, token} {
				e := sent(func(e *Event) { change(e, s) })
				f := e.record()
				g.Expect(string(f.encode())).NotTo(ContainSubstring(s[:20]))
			}
		})
	}
}

func TestEveryTextIsBounded(t *testing.T) {
	g := NewWithT(t)
	long := strings.Repeat("é", 40000)
	many := make([]string, 1000)
	for i := range many {
		many[i] = long
	}
	e := sent(func(e *Event) {
		e.Actor = Actor{Role: long, Subject: long, Issuer: long, UserID: long, DeviceID: long, Session: long}
		e.Action = Action{
			Route: long, Class: long, RequestID: long, Users: many, Groups: many, Conversations: many,
			Sessions: []string{long}, SessionCount: 512, // what the backend returns is bounded
		}
		e.Outcome.Reason, e.Outcome.Rule = long, long
	})
	f := e.record()
	g.Expect(len(f.encode())).To(BeNumerically("<", 8<<10))
	g.Expect(f.Users).To(HaveLen(8))
	g.Expect(f.UserCount).To(Equal(1000))
	g.Expect(f.UserID).To(Equal(strings.Repeat("é", 64)))
	g.Expect(clip("é", 1)).To(BeEmpty(), "characters are not cut in half")
	g.Expect(clip("a\x1b[2Jb\u0085c\u2028d\ne", 99)).To(Equal("a?[2Jb?c?d?e"))
}

// TestAnEventHasNoOtherMembers lists all members, so that adding a member requires a decision about what it may contain.
func TestAnEventHasNoOtherMembers(t *testing.T) {
	g := NewWithT(t)
	e := sent(func(e *Event) {
		e.Action.Groups, e.Action.UserCount, e.Action.Sessions, e.Action.SessionCount = []string{"g"}, 9, []string{"s"}, 2
	})
	f := e.record()
	f.Program, f.PreviousChain, f.PreviousSeq, f.Lost = "p", "c", 1, 1
	members := map[string]any{}
	g.Expect(json.Unmarshal([]byte("{"+string(f.encode())+"}"), &members)).To(Succeed())
	var names []string
	for name := range members {
		names = append(names, name)
	}
	g.Expect(names).To(ConsistOf(strings.Fields(`time kind role subject issuer userID deviceID platformID session ip route identifier class
		requestID users userCount groups conversations sessions sessionCount verdict reason rule status errCode milliseconds program
		previousChain previousSeq lost`)))
}

func TestTheLogRepeatsTheHeadOfTheChain(t *testing.T) {
	g := NewWithT(t)
	var out buffer
	l, stop := run(t, Options{Stdout: &out, Log: slog.New(slog.NewJSONHandler(&out, nil))})
	g.Expect(l.Emit(sent())).To(Succeed())
	stop()
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	g.Expect(lines[len(lines)-1]).To(And(ContainSubstring(`"msg":"audit head"`), ContainSubstring(`"seq":2,`)))
	report := verify(t, out.String())
	g.Expect(report.Problems).To(BeEmpty(), "the audit log may be mixed with other lines of a log")
	g.Expect(report.Events).To(Equal(3))
}
