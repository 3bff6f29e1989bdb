package check

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/openimstack/openim-operator/wrapper/ids"
	"github.com/openimstack/openim-operator/wrapper/openimclient"
	"github.com/openimstack/openim-operator/wrapper/openimclient/openimtest"
	"github.com/openimstack/openim-operator/wrapper/websocket/msggatewaytest"
	"github.com/openimstack/openim-operator/wrapper/websocket/sdkws"
)

// fast shortens the waits.
var fast = timing{
	online: 5 * time.Millisecond, push: 300 * time.Millisecond, retry: 5 * time.Millisecond, again: 20 * time.Millisecond,
	settle: 100 * time.Millisecond, cleanup: 3 * time.Second,
}

// fakeOpenIM is an OpenIM that stores messages in memory: its API and its msggateway.
type fakeOpenIM struct {
	*openimtest.Fake
	ws *msggatewaytest.Server

	mu     sync.Mutex
	stored []*storedMessage // the first has number 1
	pulls  int
	// onSend is called with the number of a message. It returns an errCode, and whether the message is pushed. Nil: 0 and yes.
	onSend func(seq int) (errCode int, pushed bool)
	// hidden is the number of pulls by the API that find no message, as before it is in MongoDB.
	hidden int
	// keeps: deleting has no effect.
	keeps bool
	// lost: messages are accepted and not stored.
	lost bool
}

type storedMessage struct {
	sdkws.Message
	deletedFor []string
}

type secretText string

func (s secretText) Get() ([]byte, error) { return []byte(s), nil }

func newFakeOpenIM(t *testing.T) *fakeOpenIM {
	t.Helper()
	o := &fakeOpenIM{Fake: openimtest.New(t), ws: msggatewaytest.New(t)}
	o.Set(func(f *openimtest.Fake) { f.Before = o.api })
	o.ws.Check = func(q url.Values) (int, string) {
		o.Lock()
		defer o.Unlock()
		if !o.Valid[q.Get("token")] {
			return 1506, "TokenKickedError"
		}
		return 0, ""
	}
	o.ws.Answer = o.answer
	return o
}

// client returns the wrapper's client of the fake.
func (o *fakeOpenIM) client(t *testing.T) *openimclient.Client {
	t.Helper()
	c := openimclient.New(openimclient.Options{
		BaseURL: o.URL, AdminUserID: openimtest.AdminUserID, Secret: secretText(openimtest.Secret), Now: time.Now,
	})
	t.Cleanup(c.Close)
	return c
}

// answer answers a request of a socket.
func (o *fakeOpenIM) answer(req msggatewaytest.Req) msggatewaytest.Resp {
	switch req.ReqIdentifier {
	case sdkws.IDSend:
		return o.send(req)
	case sdkws.IDPull:
		o.mu.Lock()
		defer o.mu.Unlock()
		for i, m := range o.stored {
			if bytes.Equal(req.Data, sdkws.Pull(ids.CheckReceiver, conversation, int64(i+1))) {
				return msggatewaytest.Resp{Data: listOf(m.Message, i+1)}
			}
		}
		return msggatewaytest.Resp{}
	}
	return msggatewaytest.Resp{ErrCode: 1001}
}

func (o *fakeOpenIM) send(req msggatewaytest.Req) msggatewaytest.Resp {
	m := sdkws.Unmarshal(req.Data)
	o.mu.Lock()
	seq := len(o.stored) + 1
	code, pushed := 0, true
	if o.onSend != nil {
		code, pushed = o.onSend(seq)
	}
	if code == 0 && !o.lost {
		o.stored = append(o.stored, &storedMessage{Message: m})
	}
	o.mu.Unlock()
	if code != 0 {
		return msggatewaytest.Resp{ErrCode: code, ErrMsg: "errMsg of OpenIM's"}
	}
	if pushed {
		o.ws.Push(m.RecvID, pushOf(m, seq))
	}
	sent := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "server-"+m.ClientMsgID)
	return msggatewaytest.Resp{Data: protowire.AppendString(protowire.AppendTag(sent, 2, protowire.BytesType), m.ClientMsgID)}
}

// listOf encodes a list of messages with one message.
func listOf(m sdkws.Message, seq int) []byte {
	sub := func(out []byte, n protowire.Number, content []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(out, n, protowire.BytesType), content)
	}
	data := protowire.AppendVarint(protowire.AppendTag(m.Marshal(), 14, protowire.VarintType), uint64(seq))
	return sub(nil, 1, sub(sub(nil, 1, []byte(conversation)), 2, sub(nil, 1, data)))
}

// pushOf is the frame of a push.
func pushOf(m sdkws.Message, seq int) msggatewaytest.Resp {
	return msggatewaytest.Resp{ReqIdentifier: sdkws.IDPush, Data: listOf(m, seq)}
}

// refusing refuses every connection with an errCode.
func refusing(code int) func(url.Values) (int, string) {
	return func(url.Values) (int, string) { return code, "errMsg of OpenIM's" }
}

// api answers the calls about messages.
func (o *fakeOpenIM) api(w http.ResponseWriter, r *http.Request) bool {
	var q struct {
		UserID         string
		ConversationID string
		Seqs           []int
		SeqRanges      []struct{ Begin, End int }
	}
	body, _ := io.ReadAll(r.Body)
	if json.Unmarshal(body, &q) != nil {
		return false // a call of the contract
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	switch r.URL.Path {
	case pathDelete:
		for _, seq := range q.Seqs {
			if m := o.stored[seq-1]; !o.keeps && q.ConversationID == conversation {
				m.deletedFor = append(m.deletedFor, q.UserID)
			}
		}
		_, _ = io.WriteString(w, `{"errCode":0,"errMsg":"","errDlt":""}`)
	case pathPull:
		o.pulls++
		all := []map[string]any{}
		for seq := q.SeqRanges[0].Begin; seq <= min(q.SeqRanges[0].End, len(o.stored)); seq++ {
			m := o.stored[seq-1]
			entry := map[string]any{"seq": seq, "clientMsgID": m.ClientMsgID, "status": 2, "content": m.Content}
			switch {
			case o.pulls <= o.hidden:
				entry = map[string]any{"seq": seq, "clientMsgID": "", "status": 4, "content": ""}
			case slices.Contains(m.deletedFor, q.UserID):
				entry["status"], entry["content"] = 4, ""
			}
			all = append(all, entry)
		}
		data, _ := json.Marshal(map[string]any{"msgs": map[string]any{conversation: map[string]any{"Msgs": all}}})
		_, _ = fmt.Fprintf(w, `{"errCode":0,"errMsg":"","errDlt":"","data":%s}`, data)
	case "/msg/get_conversations_has_read_and_max_seq":
		_, _ = fmt.Fprintf(w, `{"errCode":0,"errMsg":"","errDlt":"","data":{"seqs":{%q:{"maxSeq":%d}}}}`, conversation, len(o.stored))
	default:
		return false
	}
	return true
}

// visible returns how many stored messages a user still sees.
func (o *fakeOpenIM) visible(userID string) (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, m := range o.stored {
		if !slices.Contains(m.deletedFor, userID) {
			n++
		}
	}
	return n
}

// nothingLeft reports whether both users see no message.
func (o *fakeOpenIM) nothingLeft() bool {
	return o.visible(ids.CheckSender) == 0 && o.visible(ids.CheckReceiver) == 0
}

// namesOf returns the names of findings, with "!" before those with a problem.
func namesOf(findings []Finding) []string {
	var names []string
	for _, f := range findings {
		name := f.Name
		if f.Problem != "" {
			name = "!" + name
		}
		names = append(names, name)
	}
	return names
}

// secretsIn returns what findings reveal of OpenIM: tokens, the secret, or its own texts.
func secretsIn(findings []Finding) []string {
	text, _ := json.Marshal(findings)
	var seen []string
	for _, s := range []string{"eyJ", openimtest.Secret, "errMsg of OpenIM's", "TokenKickedError", "goroutine"} {
		if strings.Contains(string(text), s) {
			seen = append(seen, s)
		}
	}
	return seen
}
