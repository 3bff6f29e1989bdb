package check

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/ids"
	"github.com/openimstack/openim-operator/wrapper/websocket/sdkws"
)

// within gives a check a deadline.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func (o *fakeOpenIM) check(t *testing.T) []Finding {
	t.Helper()
	return messages(within(t, 20*time.Second), o.client(t), o.ws.URL(), fast)
}

var allSteps = []string{"users", "login", "message sent", "message pushed", "message pulled", "message deleted", "logout"}

func TestAMessageThatArrives(t *testing.T) {
	g := NewWithT(t)
	o := newFakeOpenIM(t)
	for range 2 { // the second time the users exist
		findings := o.check(t)
		g.Expect(namesOf(findings)).To(Equal(allSteps), "%v", findings)
		g.Expect(o.nothingLeft()).To(BeTrue())
	}
	g.Expect(o.stored).To(HaveLen(2))
	g.Expect(o.stored[0].ClientMsgID).NotTo(Equal(o.stored[1].ClientMsgID))
	g.Expect(o.State.Users).To(HaveLen(2))
	g.Expect(o.Seen("/auth/force_logout")).To(HaveLen(4))
	g.Expect(o.Valid).To(HaveLen(2), "the two clients' admin tokens are left")
	for _, call := range o.All() {
		g.Expect(call.Path).NotTo(ContainSubstring("phys"))
		if call.Path == pathDelete {
			g.Expect(call.Body).To(MatchRegexp(`^{"conversationID":"si_openimstack_check_a_openimstack_check_b","seqs":\[[12]\],"userID":"openimstack_check_[ab]"}$`))
		}
	}
	encodings := map[string]bool{}
	for _, q := range o.ws.Queries() {
		encodings[q.Get("sdkType")] = true
	}
	g.Expect(encodings).To(HaveLen(2), "gob and JSON")
}

// While openim-push does not know that the receiver is online, it pushes nothing.
func TestTheFirstMessageIsNotPushed(t *testing.T) {
	g := NewWithT(t)
	o := newFakeOpenIM(t)
	o.onSend = func(seq int) (int, bool) { return 0, seq > 1 }
	findings := o.check(t)
	g.Expect(namesOf(findings)).To(Equal(allSteps), "%v", findings)
	g.Expect(o.stored).To(HaveLen(2))
	g.Expect(o.nothingLeft()).To(BeTrue(), "the one that was not pushed is found and deleted, too")
}

// Each case is an OpenIM that does something wrong.
func TestMessagesThatDoNotArrive(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*fakeOpenIM)
		steps   string
		problem string
		left    bool
	}{
		"nothing is pushed": {func(o *fakeOpenIM) { o.onSend = func(int) (int, bool) { return 0, false } },
			"users,login,message sent,!message pushed,message deleted,logout", "accepted 3 messages and pushed none", false},
		"sending is refused": {func(o *fakeOpenIM) { o.onSend = func(int) (int, bool) { return 1303, false } },
			"users,login,!message sent,message deleted,logout", "errCode 1303", false},
		"deleting has no effect": {func(o *fakeOpenIM) { o.keeps = true },
			"users,login,message sent,message pushed,message pulled,!message deleted,logout", "still visible to openimstack_check_a", true},
		"nothing is stored": {func(o *fakeOpenIM) { o.lost, o.onSend = true, func(int) (int, bool) { return 0, false } },
			"users,login,message sent,!message pushed,!message deleted,logout", "accepted it and does not have it", false},
		"msggateway is gone": {func(o *fakeOpenIM) { o.ws.Stop() }, "users,!login,logout", "connecting to msggateway", false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			o := newFakeOpenIM(t)
			c.change(o)
			findings := o.check(t)
			g.Expect(strings.Join(namesOf(findings), ",")).To(Equal(c.steps), "%v", findings)
			g.Expect(findings).To(ContainElement(HaveField("Problem", ContainSubstring(c.problem))))
			g.Expect(o.nothingLeft()).To(Equal(!c.left))
			g.Expect(secretsIn(findings)).To(BeEmpty())
		})
	}
}

// A message reaches MongoDB after Redis. Until then nothing proves that it is deleted.
func TestAMessageIsDeletedUntilItsMarkIsSeen(t *testing.T) {
	g := NewWithT(t)
	o := newFakeOpenIM(t)
	o.hidden = 4
	patient := fast
	patient.settle, patient.cleanup = 20*time.Second, 30*time.Second
	g.Expect(namesOf(messages(within(t, time.Minute), o.client(t), o.ws.URL(), patient))).To(Equal(allSteps))
	g.Expect(len(o.Seen(pathDelete))).To(BeNumerically(">", 4))
}

// A store that is slow for longer than what is kept free for deleting: the rest of the check's time is used, too.
func TestASlowStoreIsWaitedForWhileThereIsTime(t *testing.T) {
	g := NewWithT(t)
	o := newFakeOpenIM(t)
	o.hidden = 100
	short := fast
	short.settle, short.cleanup = 20*time.Second, 150*time.Millisecond
	g.Expect(namesOf(messages(within(t, time.Minute), o.client(t), o.ws.URL(), short))).To(Equal(allSteps))
	g.Expect(o.nothingLeft()).To(BeTrue())

	o.hidden = 1 << 30
	began := time.Now()
	findings := messages(within(t, 3*time.Second), o.client(t), o.ws.URL(), short)
	g.Expect(findings).To(ContainElement(HaveField("Problem", ContainSubstring("it is not in the store of"))))
	g.Expect(time.Since(began)).To(And(BeNumerically(">=", 2*time.Second), BeNumerically("<", 10*time.Second)), "no longer than the check")
}

// A release that returns nothing for a deleted message never shows the mark.
func TestWithoutAMarkTheCheckWaits(t *testing.T) {
	g := NewWithT(t)
	o := newFakeOpenIM(t)
	o.hidden = 1 << 30
	began := time.Now()
	g.Expect(namesOf(o.check(t))).To(Equal(allSteps))
	g.Expect(time.Since(began)).To(BeNumerically(">=", fast.settle))
}

// Another login of the same user on the same platform ends the first.
func TestAnotherLoginOnThePlatform(t *testing.T) {
	for name, disturb := range map[string]func(*fakeOpenIM){
		"kicks the receiver": func(o *fakeOpenIM) { o.ws.Kick(ids.CheckReceiver) },
		"kicks the sender":   func(o *fakeOpenIM) { o.ws.Kick(ids.CheckSender) },
		"a restart":          func(o *fakeOpenIM) { o.ws.CloseAll() },
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			o := newFakeOpenIM(t)
			o.onSend = func(seq int) (int, bool) {
				if seq == 1 {
					go disturb(o)
				}
				return 0, seq > 1
			}
			findings := o.check(t)
			g.Expect(namesOf(findings)).To(Equal(allSteps), "%v", findings)
			g.Expect(o.nothingLeft()).To(BeTrue(), "the disturbed login's message is deleted, too")
			platforms := map[string]bool{}
			for _, q := range o.ws.Queries() {
				platforms[q.Get("platformID")] = true
			}
			g.Expect(platforms).To(HaveLen(2), "each attempt takes another platform")
			revoked := map[string]bool{}
			for _, call := range o.Seen("/auth/force_logout") {
				revoked[platformOf(g, call.Body)] = true
			}
			if name == "a restart" {
				g.Expect(revoked).To(Equal(platforms), "the tokens of both logins are revoked")
			} else {
				g.Expect(revoked).To(HaveLen(1), "the first platform is another check's now")
			}
		})
	}
}

// platformOf returns the platform of a logout.
func platformOf(g *WithT, body string) string {
	var request struct {
		PlatformID json.Number `json:"platformID"`
	}
	g.Expect(json.Unmarshal([]byte(body), &request)).To(Succeed())
	return request.PlatformID.String()
}

func TestALoginThatIsAlwaysDisturbed(t *testing.T) {
	g := NewWithT(t)
	o := newFakeOpenIM(t)
	o.onSend = func(int) (int, bool) { go o.ws.Kick(ids.CheckReceiver); return 0, false }
	findings := o.check(t)
	g.Expect(namesOf(findings)).To(ContainElement("!message pushed"))
	g.Expect(findings).To(ContainElement(HaveField("Problem", ContainSubstring("because of another login"))))
	g.Expect(o.ws.Queries()).To(HaveLen(2 * platforms))
	g.Expect(o.nothingLeft()).To(BeTrue())
}

// The fake kicks and revokes like OpenIM by its default policy. With nine platforms, three checks at once collide now and then.
func TestChecksAtOnce(t *testing.T) {
	g := NewWithT(t)
	o := newFakeOpenIM(t)
	var work sync.WaitGroup
	results := make([][]Finding, 3)
	for i := range results {
		client := o.client(t)
		work.Go(func() { results[i] = messages(within(t, 20*time.Second), client, o.ws.URL(), fast) })
	}
	work.Wait()
	for _, findings := range results {
		g.Expect(namesOf(findings)).To(Equal(allSteps), "%v", findings)
	}
	g.Expect(o.nothingLeft()).To(BeTrue())
}

func TestAnInterruptedCheckDeletesItsMessage(t *testing.T) {
	g := NewWithT(t)
	o := newFakeOpenIM(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	o.onSend = func(int) (int, bool) { cancel(); return 0, false }
	findings := messages(ctx, o.client(t), o.ws.URL(), fast)
	g.Expect(hasProblem(findings)).To(BeTrue())
	g.Expect(namesOf(findings)).To(ContainElement("message deleted"))
	g.Expect(o.nothingLeft()).To(BeTrue())
}

func TestOtherMessagesAreIgnored(t *testing.T) {
	g := NewWithT(t)
	o := newFakeOpenIM(t)
	o.onSend = func(int) (int, bool) {
		for range 100 {
			o.ws.Push(ids.CheckReceiver, pushOf(sdkws.Message{SendID: ids.CheckSender, RecvID: ids.CheckReceiver, ClientMsgID: "another's"}, 99))
		}
		return 0, true
	}
	g.Expect(namesOf(o.check(t))).To(Equal(allSteps))
	for _, call := range o.Seen(pathDelete) {
		g.Expect(call.Body).To(ContainSubstring(`"seqs":[1]`))
	}
}

func TestRunSendsNothingToAnOpenIMThatBreaksTheContract(t *testing.T) {
	g := NewWithT(t)
	o := newFakeOpenIM(t)
	o.ws.Check = nil // every token is good
	findings := Run(t.Context(), o.client(t), Options{Mode: ModeMessages, Socket: o.ws.URL()})
	g.Expect(namesOf(findings)).To(ContainElements("!refused handshake 1", "!refused handshake 2"))
	g.Expect(namesOf(findings)).NotTo(ContainElement("users"))
	g.Expect(o.stored).To(BeEmpty())
	g.Expect(o.State.Users).To(BeEmpty())
}

func TestRunFollowsTheMode(t *testing.T) {
	g := NewWithT(t)
	o := newFakeOpenIM(t)
	contract := Run(t.Context(), o.client(t), Options{Mode: ModeContract})
	g.Expect(hasProblem(contract)).To(BeFalse(), "%v", contract)
	withSocket := Run(t.Context(), o.client(t), Options{Mode: ModeContract, Socket: o.ws.URL()})
	g.Expect(hasProblem(withSocket)).To(BeFalse(), "%v", withSocket)
	g.Expect(withSocket).To(HaveLen(len(contract) + 2))
	g.Expect(o.State.Users).To(BeEmpty(), "the contract writes nothing")
}

func TestRefusedHandshakes(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*fakeOpenIM)
		problem string
	}{
		"refused":              {func(*fakeOpenIM) {}, ""},
		"accepted":             {func(o *fakeOpenIM) { o.ws.Check = nil }, "it accepts a token that is not valid"},
		"refused by a failure": {func(o *fakeOpenIM) { o.ws.Check = refusing(500) }, "errCode 500, not 1501 to 1507"},
		"gone":                 {func(o *fakeOpenIM) { o.ws.Stop() }, "connecting to msggateway"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			o := newFakeOpenIM(t)
			c.change(o)
			findings := handshakes(t.Context(), o.ws.URL())
			g.Expect(findings).To(HaveLen(len(badTokens)))
			for _, f := range findings {
				if c.problem == "" {
					g.Expect(f.Problem).To(BeEmpty())
				} else {
					g.Expect(f.Problem).To(ContainSubstring(c.problem))
				}
			}
			g.Expect(secretsIn(findings)).To(BeEmpty())
		})
	}
}
