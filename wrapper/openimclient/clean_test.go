package openimclient

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/openimclient/openimtest"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

func TestWhatIsLeftOfErrMsg(t *testing.T) {
	token := openimtest.Token(1)
	for _, c := range []struct{ name, in, want string }{
		{"OpenIM's usual text stays", "RecordNotFoundError", "RecordNotFoundError"},
		{"a sentence stays", "userID is already registered: alice", "userID is already registered: alice"},
		{"other scripts stay", "用户不存在", "用户不存在"},
		{"a token goes", "token " + token + " is invalid", "token [removed] is invalid"},
		{"a token cut short goes too", "token eyJhbGciOiJIUzI1NiJ9 is invalid", "token [removed] is invalid"},
		{"the secret goes", "secret s3cr3t is wrong", "secret [removed] is wrong"},
		{"a stack trace goes", "boom\n" + openimtest.Stack, "boom"},
		{"a stack trace on the same line goes", "boom goroutine 1 [running]: main.main()", "boom"},
		{"a source position goes", "boom /openim-server/internal/api/msg.go:310 +0x1d", "boom"},
		{"a panic's text goes", "panic: runtime error", ""},
		{"only a stack trace", openimtest.Stack, ""},
		{"control characters become blanks", "a\tb\x1b[31mc\x00d", "a b [31mc d"},
		{"invalid UTF-8 is replaced", "a\xffb", "a?b"},
		{"long texts are cut between characters", strings.Repeat("é", 200), strings.Repeat("é", 128)},
	} {
		t.Run(c.name, func(t *testing.T) {
			NewWithT(t).Expect(CleanText(c.in, token, "s3cr3t", "")).To(Equal(c.want))
		})
	}
}

func TestWhatIsLeftOfData(t *testing.T) {
	token := openimtest.Token(1)
	other := "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"someone","exp":1}`)) + ".c2ln"
	odd := strings.Repeat("0123456789abcdef", 4) // the admin token, if it were not a JWT
	for _, c := range []struct{ name, in, want string }{
		{"data without tokens", `{"usersInfo":[{"userID":"alice","faceURL":"https://x/y.png"}]}`,
			`{"usersInfo":[{"userID":"alice","faceURL":"https://x/y.png"}]}`},
		{"an OpenIM token", `{"detail":[{"token":["` + token + `"]}]}`, `{"detail":[{"token":["[removed]"]}]}`},
		{"another's JWT in a message", `{"content":"` + other + `"}`, `{"content":"` + other + `"}`},
		{"text that begins as a JWT", `{"content":"eyJ.eyJ.x"}`, `{"content":"eyJ.eyJ.x"}`},
		{"the admin token in any form", `{"x":"` + odd + `"}`, `{"x":"[removed]"}`},
		{"an OpenIM token after an escape", `{"x":"\n` + token + `"}`, `{"x":"\n[removed]"}`},
		{"an OpenIM token after an escaped backslash", `{"x":"\\u003` + token + `"}`, `{"x":"\\u003[removed]"}`},
		{"an escape that ends with the first letter of one", `{"x":"\u003` + token + `"}`, `{"x":"\u003` + token + `"}`},
		{"a token behind such an escape", `{"x":"\u003eyJ` + token + `"}`, `{"x":"\u003eyJ[removed]"}`},
		{"a token behind what looks like one", `{"x":"eyJa.eyJb.` + token + `"}`, `{"x":"eyJa.eyJb.[removed]"}`},
		{"two tokens", `["` + token + `","` + token + `"]`, `["[removed]","[removed]"]`},
		{"none", ``, ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			NewWithT(t).Expect(string(cleanData([]byte(c.in), odd))).To(Equal(c.want))
		})
	}
}

// TestAnAdminTokenThatIsPartOfTheFormLeavesJSON: the reply is sent without being parsed again.
func TestAnAdminTokenThatIsPartOfTheFormLeavesJSON(t *testing.T) {
	for _, token := range []string{`":`, `"`, `{"x"`, `}`} {
		NewWithT(t).Expect(cleanData([]byte(`{"x":1}`), token)).To(BeNil(), token)
	}
}

func TestAReplyIsPassedOnWithoutDetail(t *testing.T) {
	g := NewWithT(t)
	c := New(Options{Secret: constant("s3cr3t")})
	got := c.clean(wire.Envelope{ErrCode: 1004, ErrMsg: "RecordNotFoundError", ErrDlt: openimtest.Stack, Data: json.RawMessage(" null ")},
		openimtest.Token(1))
	g.Expect(got).To(Equal(wire.Envelope{ErrCode: 1004, ErrMsg: "RecordNotFoundError"}))
}

type constant string

func (c constant) Get() ([]byte, error) { return []byte(c), nil }

// FuzzEnvelope checks that every reply becomes an envelope without errDlt and without OpenIM's tokens, whose errMsg is bounded and valid
// UTF-8.
func FuzzEnvelope(f *testing.F) {
	token := openimtest.Token(7)
	f.Add([]byte(`{"errCode":0,"errMsg":"","errDlt":"","data":{"a":1}}`))
	f.Add([]byte(`{"errCode":1502,"errMsg":"` + token + `","errDlt":"x","data":["` + token + `"]}`))
	f.Add([]byte(`{"errcode":1,"ErrCode":2,"errMsg":"\ud800"}`))
	f.Add([]byte(`{"errCode":0,"errMsg":"","errDlt":"","data":{"nickname":"\u003` + openimtest.Token(1) + `"}}`))
	c := New(Options{Secret: constant("s3cr3t")})
	f.Fuzz(func(t *testing.T, data []byte) {
		reply, err := decodeEnvelope(data)
		if err != nil {
			return
		}
		reply = c.clean(reply, token)
		text := reply.Append(nil)
		if !json.Valid(text) {
			t.Fatalf("not JSON: %s", text)
		}
		if reply.ErrDlt != "" || len(reply.ErrMsg) > wire.MaxErrMsgBytes || !utf8.ValidString(reply.ErrMsg) ||
			strings.Contains(string(text), token) {
			t.Fatalf("passed on: %s", text)
		}
	})
}
