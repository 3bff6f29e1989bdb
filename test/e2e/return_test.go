//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/hack/environment/chat"
	"github.com/openimstack/openim-operator/hack/environment/setup"
)

// returning bounds a login after a revocation: logins from one address are limited, and the specs come from one.
const returning = 30 * time.Second

// administers makes a call of an administrator's, which is carried out.
func administers(ctx SpecContext, route string, body any) {
	GinkgoHelper()
	reply, err := admin(ctx).Post(ctx, route, body)
	Expect(err).NotTo(HaveOccurred())
	Expect(reply.OK()).To(BeTrue(), "%s: %s", route, reply)
}

// returns logs a user's device in, and leaves the session with them.
func returns(ctx context.Context, gateway setup.Gateway, name string) {
	GinkgoHelper()
	Eventually(ctx, func(g Gomega) {
		session, err := gateway.Login(ctx, users[name])
		g.Expect(err).NotTo(HaveOccurred())
		users[name].Session = session
	}).WithTimeout(returning).WithPolling(time.Second).Should(Succeed())
}

// talk has alice write to bob, over new sockets at two replicas.
func talk(ctx context.Context, all []setup.Gateway) {
	GinkgoHelper()
	Eventually(ctx, func(g Gomega) { // OpenIM's own logout of a moment ago can still meet a newer socket
		bobSocket, err := all[1].Open(ctx, users[bob])
		g.Expect(err).NotTo(HaveOccurred())
		defer bobSocket.Close()
		aliceSocket, err := all[0].Open(ctx, users[alice])
		g.Expect(err).NotTo(HaveOccurred())
		defer aliceSocket.Close()
		text := fmt.Sprint("back again ", time.Now().UnixNano())
		_, err = aliceSocket.Send(ctx, bob, text)
		g.Expect(err).NotTo(HaveOccurred())
		ctx, cancel := context.WithTimeout(ctx, live)
		defer cancel()
		_, err = bobSocket.Receive(ctx, func(m chat.Received) bool { return m.Text == text })
		g.Expect(err).NotTo(HaveOccurred())
	}).WithTimeout(returning).WithPolling(time.Second).Should(Succeed())
}

// comeBack revokes in every way and goes on until a message is received by a new login. everybody: alice must log in again too.
func comeBack(ctx SpecContext, everybody bool, strike func(SpecContext)) {
	all := gateways(ctx)
	returns(ctx, all[0], bob)
	before := socket(ctx, all[1], bob)
	earlier := all[1].As(users[bob])
	strike(ctx)
	_, err := before.Ended(ctx)
	Expect(err).NotTo(HaveOccurred(), "the socket of before")
	reply, err := earlier.Who(ctx)
	Expect(err).NotTo(HaveOccurred())
	Expect(reply.Code).To(Equal(revoked))
	returns(ctx, all[1], bob)
	if everybody {
		returns(ctx, all[0], alice)
	}
	talk(ctx, all)
}

// comingBack are the specs of it.
func comingBack() {
	DescribeTable("gives a new login a socket and its messages after", comeBack,
		Entry("the sessions of the user were revoked", false, func(ctx SpecContext) {
			administers(ctx, "/wrapper/sessions/revoke", map[string]any{"scope": "user", "id": bob})
		}, SpecTimeout(3*time.Minute)),
		Entry("the sessions of the device were revoked", false, func(ctx SpecContext) {
			administers(ctx, "/wrapper/sessions/revoke", map[string]any{"scope": "device", "id": users[bob].Session.DeviceID})
		}, SpecTimeout(3*time.Minute)),
		Entry("the user was disabled and enabled", false, func(ctx SpecContext) {
			administers(ctx, "/wrapper/users/disable", map[string]any{"userID": bob})
			administers(ctx, "/wrapper/users/enable", map[string]any{"userID": bob})
		}, SpecTimeout(3*time.Minute)),
		Entry("a logout was forced on OpenIM's own route", false, func(ctx SpecContext) {
			administers(ctx, "/auth/force_logout", map[string]any{"userID": bob, "platformID": users[bob].Session.PlatformID})
		}, SpecTimeout(3*time.Minute)),
		Entry("everything was revoked", true, func(ctx SpecContext) {
			administers(ctx, "/wrapper/sessions/revoke", map[string]any{"scope": "all"})
		}, SpecTimeout(3*time.Minute)),
	)
}
