package routes_test

import (
	"encoding/json"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/routes/routestest"
)

func TestProtobufBodies(t *testing.T) {
	active, some := routes.Find("/jssdk/get_active_conversations"), routes.Find("/jssdk/get_conversations")
	for _, c := range []struct {
		name  string
		route *routes.Route
		data  string
		body  map[string]any
	}{
		{"empty", active, "", map[string]any{}},
		{"an owner and a number", active, "\x0a\x05alice\x10\x64", map[string]any{"ownerUserID": "alice", "count": json.Number("100")}},
		{"a negative number", active, "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", map[string]any{"count": json.Number("-1")}},
		{"a list", some, "\x12\x01a\x12\x01b", map[string]any{"conversationIDs": []any{"a", "b"}}},
		{"a field that the route does not have", some, "\x1a\x01x\x12\x01a", map[string]any{"conversationIDs": []any{"a"}}},
		{"cut short", active, "\x0a\x05ali", nil},
		{"an owner twice", active, "\x0a\x05alice\x0a\x06victor", nil},
		{"an owner as a number", active, "\x08\x01", nil},
		{"a number as a text", active, "\x12\x01a", nil},
		{"no UTF-8", active, "\x0a\x01\xff", nil},
		{"field 0", active, "\x02\x00", nil},
		{"an open group", active, "\x1b", nil},
		{"JSON", active, `{"ownerUserID":"alice"}`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			body, err := c.route.DecodeProtobuf([]byte(c.data))
			if c.body == nil {
				g.Expect(err).To(MatchError(ContainSubstring("protobuf message")))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(body).To(Equal(c.body))
		})
	}
	_, err := routes.Find("/user/get_users_info").DecodeProtobuf(nil)
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring("send JSON")))
}

func TestEveryProtobufRouteHasAForm(t *testing.T) {
	for i := range routes.Table {
		r := &routes.Table[i]
		if !r.Protobuf {
			continue
		}
		t.Run(r.Name(), func(t *testing.T) {
			g := NewWithT(t)
			data, err := r.WriteBody(alice.Body(r), true)
			g.Expect(err).NotTo(HaveOccurred())
			body, failure := r.ReadBody(data, true)
			g.Expect(failure).To(BeNil())
			g.Expect(body).To(BeEquivalentTo(alice.Body(r)), "encoded and decoded")
			routestest.Set(body, "ownerUserID", victim.Self)
			_, _, refusal := r.Enforce(caller, body)
			g.Expect(refusal).NotTo(BeNil())
		})
	}
}

// FuzzProtobuf checks that an accepted body names the caller as the owner, once.
func FuzzProtobuf(f *testing.F) {
	for _, seed := range []string{"", "\x0a\x05alice\x10\x64", "\x0a\x06victor", "\x12\x01a\x12\x01b", strings.Repeat("\x1b", 100)} {
		f.Add(true, []byte(seed))
		f.Add(false, []byte(seed))
	}
	f.Fuzz(func(t *testing.T, which bool, data []byte) {
		r := routes.Find("/jssdk/get_conversations")
		if which {
			r = routes.Find("/jssdk/get_active_conversations")
		}
		body, failure := r.ReadBody(data, true)
		if failure != nil {
			return
		}
		changed, _, failure := r.Enforce(caller, body)
		if failure != nil {
			return
		}
		out, err := r.WriteBody(changed, true)
		if err != nil {
			t.Fatal(err)
		}
		owners := 0
		for rest := out; len(rest) > 0; {
			number, kind, n := protowire.ConsumeTag(rest)
			size := protowire.ConsumeFieldValue(number, kind, rest[n:])
			if number == 1 {
				owners++
				if text, _ := protowire.ConsumeString(rest[n:]); text != caller.UserID {
					t.Fatalf("the owner is %q", text)
				}
			}
			rest = rest[n+size:]
		}
		if owners != 1 {
			t.Fatalf("%d owners", owners)
		}
	})
}
