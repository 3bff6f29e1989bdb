//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/hack/environment/chat"
	"github.com/openimstack/openim-operator/hack/environment/setup"
	"github.com/openimstack/openim-operator/wrapper/websocket/frame"
)

const (
	// quick bounds how long a revocation may take to have effect at every replica.
	quick = time.Second
	// live bounds how long a message may take from socket to socket.
	live = 5 * time.Second
	// revoked is OpenIM's errCode of a revoked session.
	revoked = 1506
	// outsideParty is a user without any relation to alice.
	outsideParty = "carol"
)

// users holds the suite's users once they are enrolled. Their sessions are valid until they are revoked.
var users = map[string]*setup.User{}

// gateways returns a port-forward to the users' listener of each replica, open until the spec ends.
func gateways(ctx context.Context) []setup.Gateway {
	GinkgoHelper()
	all, err := environment.Gateways(ctx, stack)
	Expect(err).NotTo(HaveOccurred())
	Expect(len(all)).To(BeNumerically(">=", 2), "an effect at one replica must hold at another")
	return all
}

// socket opens a socket of a user, which is open until the spec ends.
func socket(ctx context.Context, gateway setup.Gateway, name string) *chat.Socket {
	GinkgoHelper()
	s, err := gateway.OpenSoon(ctx, users[name])
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(s.Close)
	return s
}

// enrol enrols a new device of a user and keeps its session.
func enrol(ctx SpecContext, gateway setup.Gateway, name string) {
	GinkgoHelper()
	p, err := gateway.NewUser(ctx, admin(ctx), name)
	Expect(err).NotTo(HaveOccurred())
	users[name] = p
}

// userSpecs adds the specs of logins, sockets and revocations.
func userSpecs() {
	It("enrols users with single-use codes, and logs them in with their keys alone", Label(basicLabel), func(ctx SpecContext) {
		all := gateways(ctx)
		for i, name := range []string{alice, bob} {
			code, err := admin(ctx).IssueCode(ctx, name)
			Expect(err).NotTo(HaveOccurred())
			users[name], err = all[i].Enrol(ctx, name, code.Code)
			Expect(err).NotTo(HaveOccurred())
			_, err = all[i].Enrol(ctx, name, code.Code)
			Expect(err).To(HaveOccurred(), "the code is used up")
			session, err := all[1-i].Login(ctx, users[name])
			Expect(err).NotTo(HaveOccurred(), "at another replica than the one that enrolled")
			Expect(session.UserID).To(Equal(name))
			users[name].Session = session
		}
		for _, gateway := range all {
			profiles, err := gateway.As(users[alice]).Profiles(ctx, alice, bob)
			Expect(err).NotTo(HaveOccurred())
			Expect(profiles).To(HaveLen(2))
		}
	}, SpecTimeout(2*time.Minute))

	It("delivers a message from socket to socket within seconds, and into MongoDB", func(ctx SpecContext) {
		all := gateways(ctx)
		bobSocket, aliceSocket := socket(ctx, all[1], bob), socket(ctx, all[0], alice)
		text := fmt.Sprint("live ", time.Now().UnixNano())
		var began time.Time
		var got chat.Received
		d, err := environment.Follow(ctx, stack, admin(ctx), alice, bob, text, func(ctx context.Context) (chat.Message, error) {
			began = time.Now()
			sent, err := aliceSocket.Send(ctx, bob, text)
			if err != nil {
				return sent, err
			}
			ctx, cancel := context.WithTimeout(ctx, live)
			defer cancel()
			got, err = bobSocket.Receive(ctx, func(m chat.Received) bool { return m.ServerID == sent.ServerID })
			return sent, err
		})
		Expect(err).NotTo(HaveOccurred())
		Expect(got.Text).To(Equal(text))
		Expect(got.SendID).To(Equal(alice))
		AddReportEntry("received live after", got.At.Sub(began).Round(time.Millisecond).String())
		AddReportEntry("delivered", fmt.Sprintf("seq %d, in MongoDB within %s", d.Seq, d.Took.Round(10*time.Millisecond)))
	}, SpecTimeout(2*time.Minute))

	It("gives a picture that a user uploads to the user who gets its link, and to nobody without a session", sharesPicture,
		SpecTimeout(2*time.Minute))

	DescribeTable("refuses a forged frame, keeps the socket open, and records the refusal", forgedFrame,
		Entry("another's name as sender", chat.FrameSend, func(ctx context.Context, s *chat.Socket) (frame.Reply, error) {
			return s.SendDraft(ctx, chat.Draft{SendID: bob, RecvID: outsideParty, Text: "send me money", PlatformID: s.PlatformID})
		}, SpecTimeout(time.Minute)),
		Entry("another's conversation", chat.FramePull, func(ctx context.Context, s *chat.Socket) (frame.Reply, error) {
			return s.Pull(ctx, chat.Conversation(bob, outsideParty), 1)
		}, SpecTimeout(time.Minute)),
	)

	It("keeps an audit log whose chains are valid", func(ctx SpecContext) {
		trail, err := environment.ReadAuditLog(ctx, stack)
		Expect(err).NotTo(HaveOccurred())
		events, err := trail.Verify()
		Expect(err).NotTo(HaveOccurred())
		AddReportEntry("events", fmt.Sprint(events))
	}, SpecTimeout(time.Minute))

	It("applies changed limits while it runs: no pod is replaced, no socket closed", hotLimits, SpecTimeout(2*mounted+time.Minute))

	It("refuses a revoked device at every replica within a second", func(ctx SpecContext) {
		all := gateways(ctx)
		bobSocket, aliceSocket := socket(ctx, all[1], bob), socket(ctx, all[0], alice)
		a := admin(ctx) // at one of the replicas
		began := time.Now()
		refused := make([]time.Duration, len(all))
		done := make(chan error, len(all))
		for i, gateway := range all {
			go func() { done <- untilRevoked(ctx, gateway, began, &refused[i]) }()
		}
		Expect(a.RevokeDevice(ctx, bob, users[bob].Session.DeviceID)).To(Succeed())
		end, err := bobSocket.Ended(ctx)
		Expect(err).NotTo(HaveOccurred())
		for range all {
			Expect(<-done).To(Succeed())
		}
		Expect(end.At.Sub(began)).To(BeNumerically("<", quick), "bob's socket")
		Expect(refused).To(HaveEach(BeNumerically("<", quick)), "bob's session, at each replica")
		_, err = all[0].Login(ctx, users[bob])
		Expect(err).To(HaveOccurred(), "the revoked device's key")
		Expect(aliceSocket.Alive()).To(BeTrue(), "no other user is affected")
		AddReportEntry("socket closed after", end.At.Sub(began).Round(time.Millisecond).String()+", by "+end.String())
		AddReportEntry("HTTP refused at each replica after", fmt.Sprint(refused))
		enrol(ctx, all[0], bob)
		talk(ctx, all)
	}, SpecTimeout(2*time.Minute))

	comingBack()

	It("loses no session when a replica is killed", func(ctx SpecContext) {
		all := gateways(ctx)
		dies, stays := all[0], all[1]
		aliceSocket, bobSocket := socket(ctx, stays, alice), socket(ctx, dies, bob)
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: stack.Namespace, Name: dies.Pod}}
		Expect(environment.Cluster.Delete(ctx, pod, client.GracePeriodSeconds(0))).To(Succeed())
		_, err := bobSocket.Ended(ctx)
		Expect(err).NotTo(HaveOccurred(), "the socket ends with its replica")
		for _, name := range []string{alice, bob} {
			reply, err := stays.As(users[name]).Who(ctx)
			Expect(err).NotTo(HaveOccurred())
			Expect(reply.OK()).To(BeTrue(), "%s at the replica that stays: %s", name, reply)
		}
		again := socket(ctx, stays, bob)
		text := fmt.Sprint("after the crash ", time.Now().UnixNano())
		_, err = aliceSocket.Send(ctx, bob, text)
		Expect(err).NotTo(HaveOccurred())
		_, err = again.Receive(ctx, func(m chat.Received) bool { return m.Text == text })
		Expect(err).NotTo(HaveOccurred())
		ready(ctx, stack)
		for _, gateway := range gateways(ctx) {
			reply, err := gateway.As(users[bob]).Who(ctx)
			Expect(err).NotTo(HaveOccurred())
			Expect(reply.OK()).To(BeTrue(), "%s: %s", gateway.Pod, reply)
		}
	}, SpecTimeout(5*time.Minute))
}

// forgedFrame sends a forged frame over alice's socket.
func forgedFrame(ctx SpecContext, id int, send func(context.Context, *chat.Socket) (frame.Reply, error)) {
	aliceSocket := socket(ctx, gateways(ctx)[0], alice)
	before := len(refusedFrames(ctx, int32(id)))
	reply, err := send(ctx, aliceSocket)
	Expect(err).NotTo(HaveOccurred())
	Expect(reply.ErrCode).NotTo(BeZero())
	Expect(reply.Data).To(BeEmpty())
	Expect(aliceSocket.Alive()).To(BeTrue())
	Eventually(ctx, func() int { return len(refusedFrames(ctx, int32(id))) }).WithTimeout(soon).Should(Equal(before + 1))
	AddReportEntry("refused", fmt.Sprintf("errCode %d %s", reply.ErrCode, reply.ErrMsg))
}

// refusedFrames returns the audit events of alice's refused frames, by identifier.
func refusedFrames(ctx context.Context, id int32) []setup.AuditEvent {
	GinkgoHelper()
	trail, err := environment.ReadAuditLog(ctx, stack)
	Expect(err).NotTo(HaveOccurred())
	return trail.Find(func(e setup.AuditEvent) bool {
		return e.UserID == alice && e.Verdict == "refused" && e.Identifier == id
	})
}

// untilRevoked calls a replica until it refuses bob's session as revoked.
func untilRevoked(ctx context.Context, gateway setup.Gateway, began time.Time, after *time.Duration) error {
	// Not faster than bob's rate limit: a burst of twenty, and five a second.
	pace := time.NewTicker(poll / 5)
	defer pace.Stop()
	for {
		<-pace.C
		reply, err := gateway.As(users[bob]).Who(ctx)
		if err != nil {
			return err
		}
		if reply.Code == revoked {
			*after = time.Since(began)
			return nil
		}
		if !reply.OK() {
			return fmt.Errorf("%s: %s", gateway.Pod, reply)
		}
	}
}
