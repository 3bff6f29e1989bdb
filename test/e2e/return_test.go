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

// returning bounds a login after a revocation: logins from one address are rate limited, and all specs share one address.
const returning = 30 * time.Second

// administers makes an administrator's call, which must succeed.
func administers(ctx SpecContext, route string, body any) {
	GinkgoHelper()
	reply, err := admin(ctx).Post(ctx, route, body)
	Expect(err).NotTo(HaveOccurred())
	Expect(reply.OK()).To(BeTrue(), "%s: %s", route, reply)
}

// returns logs a user's device in and keeps the session.
func returns(ctx context.Context, gateway setup.Gateway, name string) {
	GinkgoHelper()
	Eventually(ctx, func(g Gomega) {
		session, err := gateway.Login(ctx, users[name])
		g.Expect(err).NotTo(HaveOccurred())
		users[name].Session = session
	}).WithTimeout(returning).WithPolling(time.Second).Should(Succeed())
}

// talk sends a message from alice to bob over new sockets at two replicas.
func talk(ctx context.Context, all []setup.Gateway) {
	GinkgoHelper()
	Eventually(ctx, func(g Gomega) { // OpenIM's own logout of the revocation may still close a newer socket
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

// comeBack revokes and then repeats logins until a message is received. everybody: alice must log in again, too.
func comeBack(ctx SpecContext, everybody bool, strike func(SpecContext)) {
	all := gateways(ctx)
	returns(ctx, all[0], bob)
	before := socket(ctx, all[1], bob)
	earlier := all[1].As(users[bob])
	strike(ctx)
	_, err := before.Ended(ctx)
	Expect(err).NotTo(HaveOccurred(), "the earlier socket")
	reply, err := earlier.Who(ctx)
	Expect(err).NotTo(HaveOccurred())
	Expect(reply.Code).To(Equal(revoked))
	returns(ctx, all[1], bob)
	if everybody {
		returns(ctx, all[0], alice)
	}
	talk(ctx, all)
}

// comingBack adds the specs of logins after revocations.
func comingBack() {
	DescribeTable("admits a new login, with socket and messages, after", comeBack,
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
