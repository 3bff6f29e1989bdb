package controllers

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/outcome"
)

// atNoon returns a pacer whose clock the caller moves, and that retries after one minute for each failure.
func atNoon() (*pacer, *time.Time) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	p := newPacer()
	p.now = func() time.Time { return now }
	p.retry = func(failed int) time.Duration { return time.Duration(failed) * time.Minute }
	return p, &now
}

func TestTerminalFaultsAreRetriedMoreAndMoreRarely(t *testing.T) {
	g := NewWithT(t)
	p, now := atNoon()
	stack := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Name: "chat", UID: "1", Generation: 1}}
	g.Expect(p.terminal(stack, false)).To(BeZero())
	g.Expect(p.terminal(stack, true)).To(Equal(time.Minute))
	*now = now.Add(20 * time.Second)
	g.Expect(p.terminal(stack, true)).To(Equal(40*time.Second), "an event before the retry is no further failure")
	*now = now.Add(40 * time.Second)
	g.Expect(p.terminal(stack, true)).To(Equal(2 * time.Minute))
	stack.Generation = 2
	g.Expect(p.terminal(stack, true)).To(Equal(time.Minute), "a new generation starts again")
	*now = now.Add(time.Minute)
	g.Expect(p.terminal(stack, true)).To(Equal(2 * time.Minute))
	g.Expect(p.terminal(stack, false)).To(BeZero())
	g.Expect(p.terminal(stack, true)).To(Equal(time.Minute), "so does a success")
	*now = now.Add(time.Minute)
	again := stack.DeepCopy()
	again.UID = "2"
	g.Expect(p.terminal(again, true)).To(Equal(time.Minute), "so does another stack of the same name")
}

func TestMessagesAreWrittenRarely(t *testing.T) {
	g := NewWithT(t)
	p, now := atNoon()
	stack := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Name: "chat", UID: "1"}}
	g.Expect(p.messagesDue(stack)).To(BeZero(), "an operator that has just started writes what it knows")
	p.wrote(stack)
	*now = now.Add(10 * time.Second)
	g.Expect(p.messagesDue(stack)).To(Equal(20 * time.Second))
	*now = now.Add(20 * time.Second)
	g.Expect(p.messagesDue(stack)).To(BeZero())
	p.wrote(stack)
	p.forget(client.ObjectKeyFromObject(stack))
	g.Expect(p.messagesDue(stack)).To(BeZero())
}

func TestAnObjectInTheWayIsLookedForOften(t *testing.T) {
	g := NewWithT(t)
	p, now := atNoon()
	r := &Reconciler{pacer: p, gatewayAPI: newGatewayAPI()}
	stack := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Name: "chat", UID: "1", Generation: 1}}
	due := func(faults ...*outcome.Fault) time.Duration {
		result, err := r.result(&scope{stack: stack, now: *now, faults: faults}, 0)
		g.Expect(err).NotTo(HaveOccurred())
		return result.RequeueAfter
	}
	g.Expect(due(outcome.NewTerminal(v1alpha1.ReasonForbidden, "a"))).To(Equal(time.Minute))
	for range 3 {
		g.Expect(due(outcome.NewTerminal(v1alpha1.ReasonForbidden, "a"), outcome.NewConflict("b"))).To(Equal(15*time.Second),
			"its removal is no event")
		*now = now.Add(time.Hour)
	}
}

func TestTheEarliestWins(t *testing.T) {
	g := NewWithT(t)
	g.Expect(earliest()).To(BeZero())
	g.Expect(earliest(0, 0)).To(BeZero())
	g.Expect(earliest(0, time.Hour, time.Second, 0, time.Minute)).To(Equal(time.Second))
}
