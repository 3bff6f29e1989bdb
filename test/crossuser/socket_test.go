package crossuser

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	. "github.com/onsi/gomega"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/openimstack/openim-operator/test/loopback"
	"github.com/openimstack/openim-operator/wrapper/websocket"
	"github.com/openimstack/openim-operator/wrapper/websocket/frame"
)

// idSend is the request that carries a whole message.
const idSend = 1003

// inJSON is the encoding of frames in these tests. The content is the same in every encoding.
var inJSON = frame.Encoding{JSON: true}

// aim is one frame that names something of the victim in one field.
type aim struct {
	request *websocket.Request
	field   string
	rule    string
	data    []byte
	// open: the field may name any user.
	open bool
	// forged: the value that OpenIM would store with a message, and the user who reads it.
	forged string
}

func (a aim) target() string { return fmt.Sprintf("%d %s", a.request.ID, a.request.Name) }

// aims returns an aim for each field of each request that names a user, and for each field that the server sets.
func aims(attacker *attacker, victim *userData) []aim {
	own := websocket.Names{User: attacker.Self, Peer: attacker.Peer, Conversation: attacker.Pair()}
	var all []aim
	for i := range websocket.Requests {
		r := &websocket.Requests[i]
		if r.Refused != "" {
			all = append(all, aim{request: r, field: "–", rule: "refused whatever it holds", data: r.Example(own)})
			continue
		}
		all = append(all, fields(r, "", r.Fields, own, victim)...)
	}
	send := websocket.Find(idSend)
	for _, forbidden := range []struct {
		field string
		value uint64
	}{{"sessionType", 4}, {"contentType", 1203}, {"contentType", 2101}} {
		for _, f := range send.Fields {
			if f.Name == forbidden.field {
				all = append(all, aim{
					request: send,
					field:   fmt.Sprintf("%s = %d", f.Name, forbidden.value),
					rule:    "is one of a list, which has no notices",
					data: with(
						send.Example(own),
						f.Number,
						protowire.AppendVarint(protowire.AppendTag(nil, f.Number, protowire.VarintType), forbidden.value),
					),
				})
			}
		}
	}
	return all
}

func fields(r *websocket.Request, within string, list []websocket.Field, own websocket.Names, victim *userData) []aim {
	var all []aim
	for _, f := range list {
		name, turned := within+f.Name, own
		a := aim{request: r, rule: string(f.Rule)}
		add := func(field string, names websocket.Names) {
			a.field, a.data = field, r.Example(names)
			all = append(all, a)
		}
		switch {
		case f.Rule == websocket.Self:
			turned.User = victim.Self
			add(name, turned)
		case f.Rule == websocket.Conversation:
			for _, conversation := range []string{victim.Pair(), victim.GroupChat()} {
				turned.Conversation = conversation
				add(name+" = "+strings.SplitN(conversation, "_", 2)[0]+"_…", turned)
			}
		case f.Rule == websocket.Group:
			turned.Group = victim.Group
			add(name, turned)
		case f.Rule == websocket.Peer, f.Name == "subscribeUserID":
			turned.Peer, a.open = victim.Self, true
			add(name, turned)
		case r.ID == idSend && f.Rule == websocket.Server:
			a.forged = f.Name
			add(name, own) // the example forges all texts of this kind
			if f.Shape == websocket.Number {
				last := &all[len(all)-1]
				last.data = with(last.data, f.Number, protowire.AppendVarint(protowire.AppendTag(nil, f.Number, protowire.VarintType), forgedNumber))
			}
		case f.Rule == websocket.Inside && len(f.Fields) > 0:
			all = append(all, fields(r, name+".", f.Fields, own, victim)...)
		}
	}
	return all
}

// with replaces a field of a message.
func with(message []byte, number protowire.Number, field []byte) []byte {
	var out []byte
	for rest := message; len(rest) > 0; {
		n, typ, tag := protowire.ConsumeTag(rest)
		size := tag + protowire.ConsumeFieldValue(n, typ, rest[tag:])
		if n != number {
			out = append(out, rest[:size]...)
		}
		rest = rest[size:]
	}
	return append(out, field...)
}

// said is the answer to a frame.
type said struct {
	reply frame.Reply
	// closed without a reply.
	closed error
}

func (s said) refused() bool { return s.closed != nil || s.reply.ErrCode != 0 }

func (s said) code() string {
	if s.closed != nil {
		return "the socket is closed"
	}
	return fmt.Sprint(s.reply.ErrCode)
}

// ask opens a socket as the official SDKs do, and sends one frame.
func ask(t *testing.T, address, user, token string, platform int, id int32, data []byte) said {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	query := url.Values{
		"sendID": {
			user,
		},
		"token":        {token},
		"platformID":   {fmt.Sprint(platform)},
		"operationID":  {"crossuser"},
		"isBackground": {"false"},
		"sdkType":      {"js"},
	}
	//nolint:bodyclose // refusal closes it; that of an upgrade is the connection
	conn, response, err := coder.Dial(ctx, address+"?"+query.Encode(), &coder.DialOptions{CompressionMode: coder.CompressionDisabled})
	if err != nil {
		t.Fatalf("open a socket: %v: %s", err, refusal(response))
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(frame.MaxReply)
	out, err := inJSON.EncodeRequest(frame.Request{ID: id, SendID: user, OperationID: "crossuser", MsgIncr: "1", Data: data})
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Write(ctx, coder.MessageBinary, out); err != nil {
		t.Fatal(err)
	}
	reply, err := answer(ctx, t, conn, id)
	if errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("no answer to %d within %s", id, patience)
	}
	return said{reply: reply, closed: err}
}

// answer reads a socket until the reply to a request arrives. An error is the socket's end.
func answer(ctx context.Context, t *testing.T, conn *coder.Conn, id int32) (frame.Reply, error) {
	t.Helper()
	for {
		_, content, err := conn.Read(ctx)
		if err != nil {
			return frame.Reply{}, err
		}
		reply, err := inJSON.DecodePushed(content)
		if err != nil {
			t.Fatal(err)
		}
		if reply.ID == id {
			return reply, nil
		}
	}
}

// refusal returns the HTTP answer to a refused upgrade.
func refusal(response *http.Response) string {
	if response == nil || response.Body == nil {
		return ""
	}
	defer func() { _ = response.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10))
	return string(body)
}

// leaksTo reports whether a reply's protobuf holds private data of the victim: the secret word, the friend, the conversations. The request
// named the latter two, so they count only with their content.
func (w *userData) leaksTo(reply frame.Reply) bool {
	for _, sign := range []string{w.secret, w.Peer, w.Pair(), w.GroupChat()} {
		if strings.Contains(string(reply.Data), sign) {
			return true
		}
	}
	return false
}

// marked gives a message a unique ID, by which it is found again.
func marked(message []byte) (data []byte, id string) {
	id = rand.Text()
	return with(message, fieldClientMsgID, protowire.AppendString(protowire.AppendTag(nil, fieldClientMsgID, protowire.BytesType), id)), id
}

const fieldClientMsgID = 4

// forgedNumber is a number that OpenIM would not write itself; forgedText is the example's text.
const (
	forgedNumber = 7777777
	forgedText   = "theirs"
)

// asForged reports whether OpenIM has stored the forged value.
func asForged(value any) bool {
	return slices.Contains([]any{forgedText, float64(forgedNumber), true}, value)
}

// noted returns the value that OpenIM has stored in a message's field.
func noted(t *testing.T, s *loopback.Stack, conversation, id, field string) any {
	t.Helper()
	var value any
	NewWithT(t).Eventually(func() (any, error) {
		keys, err := s.RedisCLI(t.Context(), "KEYS", "MSG_CACHE:"+conversation+":*")
		if err != nil {
			return nil, err
		}
		for _, key := range strings.Fields(keys) {
			content, err := s.RedisCLI(t.Context(), "HGET", key, "value")
			if err != nil {
				return nil, err
			}
			var stored struct{ Msg map[string]any }
			if err := json.Unmarshal([]byte(content), &stored); err != nil {
				return nil, err
			}
			if stored.Msg["ClientMsgID"] != id {
				continue
			}
			for name, v := range stored.Msg {
				if strings.EqualFold(name, field) {
					value = v
				}
			}
		}
		return value, nil
	}, patience, 50*time.Millisecond).ShouldNot(BeNil(), "%s of message %s", field, id)
	return value
}

// frames runs the cases of every field of every request, through the wrapper and directly at OpenIM.
func frames(t *testing.T, s *testEnv) []row {
	attacker, victim := s.attacker(t), newUserData(t, s.Stack)
	before := victim.settled(t)
	var rows []row
	t.Run("through the wrapper", func(t *testing.T) {
		for _, a := range aims(attacker, victim) {
			r := row{target: a.target(), field: a.field, rule: a.rule}
			t.Run(r.name(), func(t *testing.T) {
				g := NewWithT(t)
				id := ""
				if a.forged != "" {
					a.data, id = marked(a.data)
				}
				got := ask(t, s.Frontend.SocketURL(), attacker.Self, attacker.session.Token(), iOS, a.request.ID, a.data)
				g.Expect(victim.leaksTo(got.reply)).To(BeFalse(), "told: %q", got.reply.Data)
				switch {
				case a.open:
					r.wrapper = passedOn + ": " + outcome(!got.refused(), got.code())
				case a.forged != "":
					g.Expect(got.refused()).To(BeFalse(), "%s %s", got.code(), got.reply.ErrMsg)
					g.Expect(noted(t, s.Stack, attacker.Pair(), id, a.forged)).NotTo(Satisfy(asForged))
					r.wrapper = rewritten
				default:
					g.Expect(got.refused()).To(BeTrue(), "answered: %q", got.reply.Data)
					r.wrapper = refused + ", " + got.code()
				}
				if !a.open {
					g.Expect(victim.settled(t)).To(Equal(before), "the victim's data has changed")
				}
			})
			if a.open {
				before = victim.unchanged(t, atRest) // the message that it sent makes a conversation of the victim's, perhaps later
			}
			rows = append(rows, r)
		}
	})
	t.Run("straight at OpenIM", func(t *testing.T) {
		for i, a := range aims(attacker, victim) {
			id := ""
			if a.forged != "" {
				a.data, id = marked(a.data)
			}
			got := ask(t, s.SocketURL+"/", attacker.Self, attacker.token, android, a.request.ID, a.data)
			after := victim.settled(t)
			switch {
			case victim.leaksTo(got.reply) && !a.open:
				rows[i].openIM = "**reveals another user's data**"
			case after != before && !a.open:
				rows[i].openIM = "**changes another user's data**"
			case id != "" && !got.refused() && asForged(noted(t, s.Stack, attacker.Pair(), id, a.forged)):
				rows[i].openIM = "**accepts the forged value**"
			default:
				rows[i].openIM = outcome(!got.refused(), got.code())
			}
			before = after
		}
	})
	return rows
}
