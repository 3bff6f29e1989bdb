package celrules_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/celrules"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// call returns a call in which alice sends a text to bob from a phone.
func call(change ...func(*celrules.Call)) *celrules.Call {
	c := &celrules.Call{
		Identity: celrules.Identity{UserID: "alice", DeviceID: "d1", PlatformID: 2, Role: "user", Subject: "alice", Issuer: "sessions"},
		Route:    celrules.Route{Name: "msg/send_msg", Kind: celrules.KindHTTP, Audience: "user", Audit: "write", Limit: "message"},
		Connection: celrules.Connection{
			IP: netip.MustParseAddr("10.1.2.3"), TLS: true, UserAgent: "app/1.0", Origin: "https://chat.example.com",
		},
		Body: map[string]any{"sendID": "alice", "recvID": "bob", "contentType": int64(101), "sessionType": int64(1), "ratio": 0.5,
			"content": map[string]any{"content": "the text"},
			"users":   []any{map[string]any{"userID": "bob"}, map[string]any{"userID": "carol"}}},
	}
	for _, f := range change {
		f(c)
	}
	return c
}

func body(t testing.TB, text string) func(*celrules.Call) {
	t.Helper()
	object, err := wire.DecodeObject([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return func(c *celrules.Call) { c.Body = object }
}

func compile(t testing.TB, expressions ...string) *celrules.Set {
	t.Helper()
	var list []celrules.Rule
	for i, e := range expressions {
		list = append(list, celrules.Rule{Name: fmt.Sprintf("r%d", i), Expression: e})
	}
	set, err := celrules.Compile(list)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestTheVariablesOfARule(t *testing.T) {
	for _, expression := range []string{
		`identity.userID == "alice" && identity.subject == "alice" && identity.issuer == "sessions"`,
		`identity.deviceID == "d1" && identity.platformID == 2 && identity.role == "user"`,
		`route.name == "msg/send_msg" && route.kind == "http" && route.audience == "user" && route.audit == "write"`,
		`route.limit == "message" && route.identifier == 0`,
		`connection.tls && connection.ip == "10.1.2.3" && connection.userAgent == "app/1.0"`,
		`cidr("10.0.0.0/8").containsIP(connection.ip) && !cidr("10.2.0.0/16").containsIP(connection.ip)`,
		`connection.origin in ["https://chat.example.com", "https://other.example.com"]`,
		`body.contentType == 101 && body["sessionType"] == 1 && body.ratio < 1`,
		`body.contentType in [101, 102]`,
		`!has(body.groupID) && has(body.recvID) && "recvID" in body`,
		`body.users.all(u, u.userID != identity.userID) && size(body.users) == 2`,
		`body.content.content.size() < 100`,
		`identity.userID.startsWith("al") && identity.userID.matches("^[a-z]+$")`,
	} {
		t.Run(expression, func(t *testing.T) {
			NewWithT(t).Expect(compile(t, expression).Check(t.Context(), call())).To(BeNil())
		})
	}
}

func TestTheFirstUnsatisfiedRuleRefuses(t *testing.T) {
	g := NewWithT(t)
	set, err := celrules.Compile([]celrules.Rule{
		{Name: "staff-only", Expression: `identity.userID != "mallory"`},
		{Name: "no-groups", Expression: `body.sessionType != 1`, Message: "groups are read-only this week"},
		{Name: "never", Expression: `false`},
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(set.Len()).To(Equal(3))
	g.Expect(set.Check(t.Context(), call())).To(Equal(&celrules.Refusal{Rule: "no-groups", Message: "groups are read-only this week"}))
	g.Expect(set.Check(t.Context(), call(func(c *celrules.Call) { c.Identity.UserID = "mallory" }))).To(
		Equal(&celrules.Refusal{Rule: "staff-only", Message: "the rule staff-only of this service refuses the call"}))
}

func TestWithoutRulesEverythingPasses(t *testing.T) {
	g := NewWithT(t)
	empty, err := celrules.Compile(nil)
	g.Expect(err).NotTo(HaveOccurred())
	for _, set := range []*celrules.Set{nil, empty} {
		g.Expect(set.Check(t.Context(), call())).To(BeNil())
		g.Expect(set.ReadsBody()).To(BeFalse())
		g.Expect(set.Len()).To(BeZero())
	}
}

func TestARuleThatCannotBeEvaluatedRefuses(t *testing.T) {
	const absent, cost, types = "reads a missing member", "cost limit is exceeded", "has the wrong type"
	many := strings.Repeat(`"secret-word",`, 5000) + `"x"`
	for _, c := range []struct{ name, expression, body, detail string }{
		{"a missing member", `body.groupID != "g1"`, `{}`, absent},
		{"a member of a missing member", `body.offlinePushInfo.title == "x"`, `{}`, absent},
		{"a member of a text", `body.content.content == "x"`, `{"content":"secret-word"}`, absent},
		{"a key from the client's data", `body[body.content] == "x"`, `{"content":"secret-word"}`, absent},
		{"another type", `body.contentType < 5`, `{"contentType":"secret-word"}`, types},
		{"a text that is not a number", `int(body.contentType) < 5`, `{"contentType":"secret-word"}`, types},
		{"a text that is not an address", `ip(body.content).isLoopback()`, `{"content":"secret-word"}`, types},
		{"division by zero", `1 / body.contentType > 0`, `{"contentType":0}`, types},
		{"an invalid dynamic regular expression", `identity.userID.matches(body.content)`, `{"content":"secret-word("}`, types},
		{"null", `body.contentType < 5`, `{"contentType":null}`, types},
		{"a condition that is not bool", `body.flag ? true : false`, `{"flag":"secret-word"}`, types},
		{"a nested loop over the client's data", `body.list.all(a, body.list.all(b, a != b + "y"))`, `{"list":[` + many + `]}`, cost},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			refusal := compile(t, c.expression).Check(t.Context(), call(body(t, c.body)))
			g.Expect(refusal).NotTo(BeNil())
			g.Expect(refusal.Detail).To(ContainSubstring(c.detail))
			g.Expect(fmt.Sprint(refusal)).NotTo(ContainSubstring("secret-word"), "the log contains nothing of the call")
		})
	}
}

func TestHasReportsWhetherAMemberExists(t *testing.T) {
	set := compile(t, `!has(body.groupID) || body.groupID == "g1"`, `!has(body.a) || !has(body.a.b) || body.a.b == 1`)
	for text, passes := range map[string]bool{
		`{}`: true, `{"groupID":"g1"}`: true, `{"groupID":"g2"}`: false, `{"groupID":null}`: false, `{"groupID":["g1"]}`: false,
		`{"a":{}}`: true, `{"a":"x"}`: true, `{"a":{"b":1}}`: true, `{"a":{"b":2}}`: false,
	} {
		NewWithT(t).Expect(set.Check(t.Context(), call(body(t, text))) == nil).To(Equal(passes), text)
	}
}

func TestAnotherSpellingDoesNotEvadeARule(t *testing.T) {
	set := compile(t, `!has(body.contentType) || body.contentType != 110`, `!("contentType" in body) || body["contentType"] != 110`,
		`!has(body.msgs) || body.msgs.all(m, !has(m.contentType) || m.contentType != 110)`)
	for _, text := range []string{
		`{"contentType":110}`, `{"ContentType":110}`, `{"CONTENTTYPE":110}`, `{"contenttype":110}`,
		`{"contentType":101,"CONTENTTYPE":110}`, `{"CONTENTTYPE":110,"contentType":101}`,
		`{"MSGS":[{"contentType":101},{"ContentType":110}]}`,
		`{"m\u017fg\u017f":[{"contentType":110}]}`, // the long s folds to s
	} {
		NewWithT(t).Expect(set.Check(t.Context(), call(body(t, text)))).NotTo(BeNil(), text)
	}
	for _, text := range []string{`{}`, `{"contentType":101}`, `{"ContentType":101}`, `{"msgs":[{"contenttype":101}]}`} {
		NewWithT(t).Expect(set.Check(t.Context(), call(body(t, text)))).To(BeNil(), text)
	}
}

func TestRulesDoNotSeeTheTextOfAMessage(t *testing.T) {
	g := NewWithT(t)
	message := celrules.Message{ContentType: 101, SessionType: 3, GroupID: "g1", Size: 12}
	frame := call(func(c *celrules.Call) {
		c.Route = celrules.Route{Name: "ws/send_msg", Kind: celrules.KindWebSocket, Audience: "user", Audit: "write", Limit: "message",
			Identifier: 1003}
		c.Body = message.Body()
	})
	g.Expect(compile(t, `route.kind == "websocket" && route.identifier == 1003`,
		`body.contentType == 101 && body.sessionType == 3 && body.recvID == "" && body.groupID == "g1" && body.size <= 12`,
		`size(body) == 5`).Check(t.Context(), frame)).To(BeNil())
}

func TestReadsBodyReportsWhetherARuleReadsTheBody(t *testing.T) {
	g := NewWithT(t)
	g.Expect(compile(t, `identity.role == "admin"`, `connection.tls`).ReadsBody()).To(BeFalse())
	g.Expect(compile(t, `identity.role == "admin"`, `route.kind == "websocket" || !has(body.ex)`).ReadsBody()).To(BeTrue())
	g.Expect(compile(t, `size(body) < 9`).ReadsBody()).To(BeTrue())
	g.Expect(compile(t, `["body"].exists(b, b == identity.userID)`).ReadsBody()).To(BeFalse())
}

func TestHeadersAreCut(t *testing.T) {
	g := NewWithT(t)
	long := call(func(c *celrules.Call) {
		c.Connection.UserAgent, c.Connection.Origin = strings.Repeat("x", 9000), "\xff"
	})
	g.Expect(compile(t, `connection.userAgent.size() == 256`, `connection.origin == "?"`).Check(t.Context(), long)).To(BeNil())
}

func TestAnAddressHasOneSpelling(t *testing.T) {
	g := NewWithT(t)
	from := func(text string) *celrules.Call {
		return call(func(c *celrules.Call) {
			if text != "" {
				c.Connection.IP = netip.MustParseAddr(text)
			} else {
				c.Connection.IP = netip.Addr{}
			}
		})
	}
	set := compile(t, `cidr("10.0.0.0/8").containsIP(connection.ip)`)
	g.Expect(set.Check(t.Context(), from("::ffff:10.1.2.3"))).To(BeNil())
	g.Expect(set.Check(t.Context(), from("fe80::1%eth0"))).NotTo(BeNil())
	g.Expect(set.Check(t.Context(), from(""))).NotTo(BeNil(), "an unknown address is in no network")
}

func TestTheDeadlineOfTheCallLimitsItsRules(t *testing.T) {
	g := NewWithT(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	many := call(func(c *celrules.Call) {
		list := make([]any, 1000)
		for i := range list {
			list[i] = "u"
		}
		c.Body = map[string]any{"list": list}
	})
	set := compile(t, `body.list.all(u, u == "u")`)
	g.Expect(set.Check(t.Context(), many)).To(BeNil())
	g.Expect(set.Check(ctx, many)).To(HaveField("Detail", ContainSubstring("deadline of the call has passed")))
}

func TestASetMayBeReplacedWhileItIsUsed(t *testing.T) {
	g := NewWithT(t)
	var current atomic.Pointer[celrules.Set]
	open, closed := compile(t, `body.contentType == 101`), compile(t, `body.contentType == 101`, `identity.role == "admin"`)
	current.Store(open)
	var passed, refused atomic.Int64
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for range 500 {
				if r := current.Load().Check(t.Context(), call()); r == nil {
					passed.Add(1)
				} else if r.Rule == "r1" && r.Detail == "" {
					refused.Add(1)
				}
				current.Store(closed)
			}
		})
	}
	callers.Wait()
	g.Expect(passed.Load() + refused.Load()).To(BeEquivalentTo(2000))
	g.Expect(refused.Load()).To(BeNumerically(">", 0))
}
