//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/hack/environment/chat"
	"github.com/openimstack/openim-operator/hack/environment/identity"
)

const (
	alice = "alice"
	bob   = "bob"
)

func message() {
	It("registers users through the gateway", Label(basicLabel), func(ctx SpecContext) {
		_, err := admin(ctx).Register(ctx, alice, bob)
		Expect(err).NotTo(HaveOccurred())
	}, SpecTimeout(time.Minute))

	It("delivers a message from user to user, through Kafka and Redis into MongoDB", Label(basicLabel), func(ctx SpecContext) {
		deliver(ctx, "hello")
	}, SpecTimeout(2*time.Minute))

	It("asks OpenIM from the backend's pod whether it keeps to what the wrapper relies on", func(ctx SpecContext) {
		keepsContract(ctx)
	}, SpecTimeout(2*time.Minute))

	DescribeTable(
		"refuses at the gateway",
		func(ctx SpecContext, route string, status int, token func() string) {
			reply, err := chat.Admin{Address: admin(ctx).Address, Token: token()}.Post(ctx, route, map[string]any{})
			Expect(err).NotTo(HaveOccurred())
			Expect(reply.Status).To(Equal(status), reply.String())
			Expect(reply.Code).NotTo(BeZero())
			Expect(reply.Detail).To(BeEmpty(), "no stack traces")
		},
		Entry("no token", chat.GetUsers, http.StatusUnauthorized, func() string { return "" }, SpecTimeout(time.Minute)),
		Entry(
			"a token for another audience",
			chat.GetUsers,
			http.StatusUnauthorized,
			spoilt(func(c *identity.Claims) { c.Audience = "other" }),
			SpecTimeout(time.Minute),
		),
		Entry(
			"a token of another issuer",
			chat.GetUsers,
			http.StatusUnauthorized,
			spoilt(func(c *identity.Claims) { c.Issuer = "https://evil.example.com" }),
			SpecTimeout(time.Minute),
		),
		Entry(
			"a token without the role",
			chat.GetUsers,
			http.StatusForbidden,
			spoilt(func(c *identity.Claims) { c.Groups = []string{"visitors"} }),
			SpecTimeout(time.Minute),
		),
		Entry("a token signed by another key", chat.GetUsers, http.StatusUnauthorized, forged, SpecTimeout(time.Minute)),
		Entry("a token that has run out", chat.GetUsers, http.StatusUnauthorized, expired, SpecTimeout(time.Minute)),
		Entry("a route that is not in the table", "/user/no_such_route", http.StatusNotFound, spoilt(nil), SpecTimeout(time.Minute)),
		Entry("OpenIM's own way to its admin token", "/auth/get_admin_token", http.StatusForbidden, spoilt(nil), SpecTimeout(time.Minute)),
		Entry("OpenIM's own way to a user's token", "/auth/get_user_token", http.StatusForbidden, spoilt(nil), SpecTimeout(time.Minute)),
	)
}

// deliver sends a message in the suite's stack and follows it.
func deliver(ctx SpecContext, text string) {
	GinkgoHelper()
	d, err := environment.Deliver(ctx, stack, admin(ctx), alice, bob, fmt.Sprintf("%s %d", text, time.Now().UnixNano()))
	Expect(err).NotTo(HaveOccurred())
	AddReportEntry("delivered", fmt.Sprintf("seq %d, in MongoDB within %s", d.Seq, d.Took.Round(10*time.Millisecond)))
}

func spoilt(change func(*identity.Claims)) func() string {
	return func() string {
		GinkgoHelper()
		token, err := environment.Token(stack, change)
		Expect(err).NotTo(HaveOccurred())
		return token
	}
}

func claims() identity.Claims {
	issuer := stack.Spec.Wrapper.Auth.Admins.Issuers[0]
	return identity.Claims{
		Issuer:   issuer.Issuer,
		Audience: issuer.Audiences[0],
		Subject:  "mallory",
		Role:     issuer.Roles.Claim,
		Groups:   issuer.Roles.Admin,
	}
}

func forged() string {
	GinkgoHelper()
	otherProvider, err := identity.New()
	Expect(err).NotTo(HaveOccurred())
	token, err := otherProvider.Token(claims())
	Expect(err).NotTo(HaveOccurred())
	return token
}

func expired() string {
	GinkgoHelper()
	token, err := environment.Provider.TokenAt(time.Now().Add(-2*identity.Lifetime), claims())
	Expect(err).NotTo(HaveOccurred())
	return token
}
