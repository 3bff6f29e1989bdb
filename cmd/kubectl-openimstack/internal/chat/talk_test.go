package chat

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/util/wait"

	login "github.com/openimstack/openim-operator/clients/go"
	"github.com/openimstack/openim-operator/clients/go/socket"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/plugintest"
)

// output is a buffer that is written to and read at the same time.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// said returns the lines without their times.
func (o *output) said() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var all []string
	for line := range strings.Lines(o.text.String()) {
		_, words, _ := strings.Cut(strings.TrimSpace(line), " ")
		all = append(all, words)
	}
	return all
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// terminal is a running conversation of alice with bob.
type terminal struct {
	lines      chan string
	out, notes *output
	ended      chan error
}

func open(t *testing.T, r *room, history int64) *terminal {
	t.Helper()
	quick := wait.Backoff{Duration: time.Millisecond, Steps: 100}
	before := backoff
	backoff = quick
	x := &terminal{lines: make(chan string), out: &output{}, notes: &output{}, ended: make(chan error, 1)}
	talk := &talk{
		peer: bob, user: alice, conversation: socket.Conversation(alice, bob), history: history, last: unknown,
		mine: map[string]bool{}, gateway: "im/chat",
		now: func() time.Time { return r.at },
		out: x.out, notes: x.notes, link: &link{opener: r, notes: x.notes},
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		x.ended <- talk.run(ctx, x.lines)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		backoff = before
	})
	return x
}

func TestTheHistoryThenEachMessage(t *testing.T) {
	g := NewWithT(t)
	r := newRoom(t)
	for i := range 5 {
		r.say(bob, fmt.Sprint("old ", i))
	}
	r.say(alice, "of another device")
	x := open(t, r, 3)
	g.Eventually(x.out.said).Should(Equal([]string{"bob: old 3", "bob: old 4", "alice: of another device"}))
	x.lines <- "typed"
	r.push(t, bob, "heard")
	g.Eventually(x.out.said).Should(HaveLen(4))
	r.say(bob, "not pushed")
	r.push(t, bob, "pushed")
	g.Eventually(x.out.said).Should(HaveLen(6), "what was typed is not printed again")
	g.Expect(x.out.said()[3:]).To(Equal([]string{"bob: heard", "bob: not pushed", "bob: pushed"}))
	close(x.lines)
	g.Eventually(x.ended).Should(Receive(Succeed()))
}

// The page of the plugin shows this terminal.
func TestATerminalAsThePageShowsIt(t *testing.T) {
	g := NewWithT(t)
	r := newRoom(t)
	r.at = time.Date(2026, 1, 2, 9, 41, 0, 0, time.Local)
	r.say(bob, "Are you there?")
	x := open(t, r, 10)
	g.Eventually(x.out.said).Should(HaveLen(1))
	x.lines <- "Here."
	r.push(t, bob, "Good morning!")
	g.Eventually(x.out.said).Should(HaveLen(2))
	heard := strings.SplitAfter(x.out.String(), "\n")
	plugintest.Golden(t, "chat.txt", x.notes.String()+heard[0]+"Here.\n"+heard[1])
}

func TestAfterABreakItConnectsAndPrintsWhatItMissed(t *testing.T) {
	g := NewWithT(t)
	r := newRoom(t)
	x := open(t, r, 0)
	g.Eventually(r.count).Should(Equal(1))
	r.mu.Lock()
	r.refuse = []error{login.ErrUnavailable, login.ErrUnavailable, login.ErrBusy}
	r.mu.Unlock()
	r.say(bob, "missed")
	r.cut(websocket.StatusGoingAway)
	g.Eventually(x.out.said).Should(Equal([]string{"bob: missed"}))
	g.Expect(strings.Count(x.notes.String(), "not connected: the gateway is not available")).To(Equal(1), "each reason once")
	g.Expect(x.notes.String()).To(ContainSubstring("connected again"))
	x.lines <- "second"
	r.push(t, bob, "live")
	g.Eventually(x.out.said).Should(Equal([]string{"bob: missed", "bob: live"}))
}

func TestAMessageWhoseReceiptIsLostIsShownWhenItWasStored(t *testing.T) {
	g := NewWithT(t)
	r := newRoom(t)
	r.onSend = func(c *websocket.Conn) { _ = c.CloseNow() }
	x := open(t, r, 0)
	x.lines <- "was it sent?"
	g.Eventually(x.notes.String).Should(ContainSubstring("it is not known whether this was sent"))
	g.Eventually(x.out.said).Should(Equal([]string{"alice: was it sent?"}))
}

// To connect again after another terminal took the place would take it back, and so on without end.
func TestItEndsWhenAnotherTookItsPlaceOrTheSessionWasRevoked(t *testing.T) {
	for name, c := range map[string]struct {
		session error
		want    error
	}{
		"another socket": {nil, errReplaced},
		"revoked":        {login.ErrRevoked, login.ErrRevoked},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			r := newRoom(t)
			r.valid = c.session
			x := open(t, r, 0)
			g.Eventually(r.count).Should(Equal(1))
			r.cut(closeSession)
			g.Eventually(x.ended).Should(Receive(MatchError(c.want)))
			g.Expect(r.count()).To(Equal(1))
		})
	}
}

func TestItLogsInAgainWhenTheSessionHasExpired(t *testing.T) {
	for _, session := range []error{login.ErrExpired, login.ErrNoSession} {
		g := NewWithT(t)
		r := newRoom(t)
		r.valid = session
		x := open(t, r, 0)
		g.Eventually(r.count).Should(Equal(1))
		r.cut(closeSession)
		g.Eventually(r.count).Should(Equal(2))
		x.lines <- "hello again"
		r.push(t, bob, "welcome")
		g.Eventually(x.out.said).Should(Equal([]string{"bob: welcome"}))
	}
}

func TestALoginThatIsRefusedEndsIt(t *testing.T) {
	r := newRoom(t)
	r.refuse = []error{login.ErrUnavailable, login.ErrRefused}
	x := open(t, r, 0)
	NewWithT(t).Eventually(x.ended).Should(Receive(MatchError(login.ErrRefused)))
}

func TestWordsOfOthersCannotMoveTheCursor(t *testing.T) {
	g := NewWithT(t)
	r := newRoom(t)
	r.say("bob", "\x1b[2Jgone\r\nalice: I agree\u009b")
	x := open(t, r, 1)
	g.Eventually(x.out.said).Should(HaveLen(1), "one message is one line")
	g.Expect(x.out.String()).NotTo(ContainSubstring("\x1b"))
	g.Expect(x.out.String()).NotTo(ContainSubstring("\u009b"))
}

func TestOfVeryManyMissedMessagesTheNewestArePrinted(t *testing.T) {
	g := NewWithT(t)
	r := newRoom(t)
	x := open(t, r, 0)
	g.Eventually(r.count).Should(Equal(1))
	for i := range 150 {
		r.say(bob, fmt.Sprint(i))
	}
	r.cut(websocket.StatusGoingAway)
	g.Eventually(x.out.said).Should(HaveLen(socket.MaxRange))
	g.Expect(x.out.said()[socket.MaxRange-1]).To(Equal("bob: 149"))
	g.Expect(x.notes.String()).To(ContainSubstring("messages are left out here"))
}

func TestLines(t *testing.T) {
	g := NewWithT(t)
	notes := &output{}
	text := "one\n\n" + strings.Repeat("x", 3*maxLine) + "\r\ntwo\r\nthe last"
	var got []string
	for line := range lines(t.Context(), bufio.NewReaderSize(strings.NewReader(text), maxLine), notes) {
		got = append(got, line)
	}
	g.Expect(got).To(Equal([]string{"one", "two", "the last"}))
	g.Expect(strings.Count(notes.String(), "not sent: a line may have 8192 bytes")).To(Equal(1))
}

func TestErrorsThatNoAttemptMends(t *testing.T) {
	g := NewWithT(t)
	for _, err := range []error{login.ErrRefused, login.ErrRevoked, login.ErrServerKey, login.ErrServerProof, login.ErrAudience} {
		g.Expect(final(fmt.Errorf("opening: %w", err))).To(BeTrue(), err.Error())
	}
	for _, err := range []error{login.ErrUnavailable, login.ErrBusy, login.ErrExpired, errors.New("connection refused")} {
		g.Expect(final(err)).To(BeFalse(), err.Error())
	}
}
