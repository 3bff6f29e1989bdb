package websocket

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/openimstack/openim-operator/wrapper/websocket/frame"
)

// FuzzRequests decides on every request of the table with random bytes. A request that is passed on names the session's user once, and no
// conversation of others, and is in its final form: the frame check does not change it again.
func FuzzRequests(f *testing.F) {
	for _, r := range Requests {
		f.Add(r.ID, r.Example(own))
		f.Add(r.ID, r.Example(Names{User: "bob", Peer: "alice", Conversation: "si_bob_carol"}))
		f.Add(r.ID, r.Example(Names{User: "alice", Group: "ours", Conversation: "n_alice_bob"}))
	}
	f.Add(int32(idSend), []byte(textMessage().sub(19, pb{}.str(1, "history").num(2, 0)).sub(20, pb{}.str(1, "title"))))
	f.Fuzz(func(t *testing.T, id int32, data []byte) {
		if len(data) > frame.MaxRequestExpanded {
			return
		}
		o, seen, err := decide(t, newGuard(), id, data)
		if err != nil || o.refusal != nil {
			return
		}
		row := Find(id)
		if row == nil || row.Refused != "" {
			t.Fatalf("%d got through", id)
		}
		got := fields(o.request.Data)
		for _, field := range row.Fields {
			if field.Rule == Self && (len(got[field.Number]) != 1 || got[field.Number][0] != "alice") {
				t.Fatalf("%s is %v", field.Name, got[field.Number])
			}
			if !field.Repeated && len(got[field.Number]) > 1 {
				t.Fatalf("%s stands twice", field.Name)
			}
		}
		for _, c := range seen.Foreign {
			if names(o.request.Data, row, c) {
				t.Fatalf("%q is still asked for", c)
			}
		}
		again, _, err := decide(t, newGuard(), id, o.request.Data)
		if err != nil || again.refusal != nil || len(again.request.Data) != len(o.request.Data) {
			t.Fatalf("the frame check does not accept its own: %v %+v", err, again.refusal)
		}
	})
}

// names reports whether a field of rule Parties contains the conversation.
func names(data []byte, row *Request, conversation string) bool {
	w := rewriter{user: "alice"}
	if _, _, err := w.message(data, row.Fields); err != nil {
		return true
	}
	return slices.Contains(w.found.conversations, conversation)
}

// FuzzConnect parses random queries and subprotocols. An accepted one has exactly one credential, and names a user unless it has a ticket.
func FuzzConnect(f *testing.F) {
	f.Add("sendID=alice&token=t&platformID=1&isBackground=false&compression=gzip", "")
	f.Add("sdkType=js", "openim.v1, ticket.x")
	f.Add(strings.TrimPrefix(packed(map[string]any{"token": "t", "userID": "alice", "platformID": 1, "background": true}), "?"), "")
	f.Fuzz(func(t *testing.T, query, protocols string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.RawQuery = query
		r.Header.Set("Sec-WebSocket-Protocol", protocols)
		c, err := readConnect(r)
		if err != nil {
			return
		}
		if (c.token == "") == (c.ticket == "") {
			t.Fatalf("%q %q: token %q, ticket %q", query, protocols, c.token, c.ticket)
		}
		if c.ticket == "" && (c.userID == "" || c.platformID == 0) {
			t.Fatalf("%q: nobody to compare", query)
		}
	})
}

// FuzzWalk checks with protowire that a rewritten message is a message.
func FuzzWalk(f *testing.F) {
	f.Add([]byte(textMessage()))
	f.Fuzz(func(t *testing.T, data []byte) {
		w := rewriter{user: "alice"}
		out, _, err := w.message(data, Find(idSend).Fields)
		if err != nil {
			return
		}
		for rest := out; len(rest) > 0; {
			_, _, n := protowire.ConsumeField(rest)
			if n < 0 {
				t.Fatalf("%x is no message", out)
			}
			rest = rest[n:]
		}
	})
}

// FuzzReplies filters replies with random bytes. The result names only requested conversations, contains messages of these only, and is
// in its final form.
func FuzzReplies(f *testing.F) {
	for _, id := range []int32{idNewest, idRanges, idSeqs, idRead, idLast, idPush} {
		f.Add(id, []byte(append(under(1, "si_alice_bob", said("alice", "bob", "", 1, "x"), said("carol", "dave", "", 1, "y"), deleted()),
			toAlice("z")...)))
		f.Add(id, []byte(append(lastOf("si_alice_bob", said("carol", "dave", "", 1, "x")), seqsOf(3, "si_alice_bob", "sg_theirs")...)))
		f.Add(id, []byte(readOf("sg_ours", "sg_theirs").str(9, "later")))
	}
	ours := map[string]bool{"si_alice_bob": true, "sg_ours": true, "n_alice_alice": true}
	f.Fuzz(func(t *testing.T, id int32, data []byte) {
		l, looked := layouts[id]
		if !looked || len(data) > frame.MaxReply {
			return
		}
		look := func(in []byte) ([]byte, bool, error) {
			v := filter{user: "alice", layout: l, allowed: func(c string) bool { return ours[c] }}
			out, err := v.data(in)
			return out, v.changed, err
		}
		before := string(data)
		out, _, err := look(data)
		if string(data) != before {
			t.Fatal("the input was written to")
		}
		if err != nil {
			return
		}
		again, changed, err := look(out)
		if err != nil || changed || string(again) != string(out) {
			t.Fatalf("not in its last form: %v %x", err, out)
		}
		named, err := conversationsIn(out, l)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range named {
			if !ours[c] {
				t.Fatalf("%q is passed on", c)
			}
		}
	})
}

// FuzzAddress checks that a message belongs to at most one conversation of a kind, and a message of two users only to the two.
func FuzzAddress(f *testing.F) {
	f.Add("alice", "bob", "", uint64(1), "si_alice_bob", "alice")
	f.Add("", "", "g", uint64(3), "sg_g", "alice")
	f.Add("sys", "alice", "", uint64(4), "sn_sys_alice", "alice")
	f.Fuzz(func(t *testing.T, from, to, group string, session uint64, conversation, user string) {
		a := address{sender: from, receiver: to, group: group, session: session, hasOtherText: true}
		if !a.belongsTo(conversation, user) {
			return
		}
		kind, rest, _ := strings.Cut(conversation, "_")
		switch session {
		case sessionSingle, sessionSystem:
			if from != user && to != user || kind == "sg" || rest != from+"_"+to && rest != to+"_"+from {
				t.Fatalf("%+v is %q of %q", a, conversation, user)
			}
		case sessionOldGroup, sessionGroup:
			if rest != group || group == "" || kind == "si" || kind == "sn" {
				t.Fatalf("%+v is %q of %q", a, conversation, user)
			}
		default:
			t.Fatalf("%+v is %q", a, conversation)
		}
	})
}
