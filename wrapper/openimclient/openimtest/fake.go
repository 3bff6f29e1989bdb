package openimtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Credentials that the fake accepts.
const (
	Secret      = "share-secret-of-the-test"
	AdminUserID = "imAdmin"
	// TokenLifeSeconds is the lifetime of the fake's tokens: OpenIM's default of 90 days.
	TokenLifeSeconds = 7776000
)

// Stack is a stack trace as OpenIM writes it into errDlt.
const Stack = "goroutine 1 [running]:\ngithub.com/openimsdk/open-im-server/v3/internal/api.GinParseToken\n\t/openim-server/internal/api/router.go:310 +0x1d"

// Call is one request that the fake received.
type Call struct {
	Method, Path, Body string
	Header             http.Header
}

// Fake is the stand-in. Its fields may be changed between calls, under Lock.
type Fake struct {
	*httptest.Server
	sync.Mutex
	Calls   []Call
	Minted  int               // number of admin tokens issued
	Valid   map[string]bool   // accepted tokens
	Secret  string            // the accepted secret
	Replies map[string]string // path to body; the reply of other paths is {"errCode":0}
	State   State
	// Before is called first, without the lock, and may read the body. It returns true if it has replied.
	Before func(w http.ResponseWriter, r *http.Request) bool
}

// New starts a fake, which stops at the end of the test.
func New(t testing.TB) *Fake {
	f := &Fake{Valid: map[string]bool{}, Secret: Secret, Replies: map[string]string{}, State: newPeople()}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Close)
	return f
}

// Token returns the nth admin token, n from 1. Like OpenIM's tokens it is a JWT with UserID and PlatformID.
func Token(n int) string {
	return fmt.Sprintf("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJVc2VySUQiOiJpbUFkbWluIiwiUGxhdGZvcm1JRCI6MTB9.c2lnbmF0dXJlLW51bWJlci0%d", n)
}

// Seen returns the calls of a path.
func (f *Fake) Seen(path string) []Call {
	f.Lock()
	defer f.Unlock()
	var out []Call
	for _, c := range f.Calls {
		if c.Path == path {
			out = append(out, c)
		}
	}
	return out
}

// All returns the calls so far.
func (f *Fake) All() []Call {
	f.Lock()
	defer f.Unlock()
	return slices.Clone(f.Calls)
}

// Revoke invalidates all tokens.
func (f *Fake) Revoke() {
	f.Lock()
	defer f.Unlock()
	clear(f.Valid)
}

// Set changes the fake under its lock.
func (f *Fake) Set(change func(*Fake)) {
	f.Lock()
	defer f.Unlock()
	change(f)
}

func (f *Fake) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	f.Lock()
	f.Calls = append(f.Calls, Call{r.Method, r.URL.Path, string(body), r.Header.Clone()})
	before := f.Before
	f.Unlock()
	if before != nil && before(w, r) {
		return
	}
	f.Lock()
	defer f.Unlock()
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if r.Header.Get("operationID") == "" {
		fail(w, 1001, "ArgsError", "header must have operationID")
		return
	}
	noJSON := r.Header.Get("Content-Type") == "application/json" && !json.Valid(body)
	if noJSON && strings.HasPrefix(r.URL.Path, "/auth/") { // the routes without a token
		fail(w, 1001, "ArgsError", "unexpected EOF\n"+Stack)
		return
	}
	switch r.URL.Path {
	case "/auth/get_admin_token":
		f.adminToken(w, body)
	case "/auth/parse_token":
		f.parseToken(w, body)
	default:
		if token := r.Header.Get("token"); !f.Valid[token] {
			fail(w, 1507, "TokenNotExistError", token+" is not known\n"+Stack)
			return
		}
		if noJSON {
			fail(w, 1001, "ArgsError", "unexpected EOF\n"+Stack)
			return
		}
		reply, ok := f.Replies[r.URL.Path]
		if !ok && f.serveUsers(w, r.URL.Path, body) {
			return
		}
		if !ok {
			reply = `{"errCode":0,"errMsg":"","errDlt":""}`
		}
		_, _ = io.WriteString(w, reply)
	}
}

func (f *Fake) adminToken(w http.ResponseWriter, body []byte) {
	var req struct{ Secret, UserID string }
	if json.Unmarshal(body, &req) != nil || req.Secret != f.Secret || req.UserID != AdminUserID {
		fail(w, 1002, "NoPermissionError", "secret "+req.Secret+" is wrong\n"+Stack)
		return
	}
	f.Minted++
	token := Token(f.Minted)
	f.Valid[token] = true
	_, _ = fmt.Fprintf(w, `{"errCode":0,"errMsg":"","errDlt":"","data":{"token":%q,"expireTimeSeconds":%d}}`, token, TokenLifeSeconds)
}

func (f *Fake) parseToken(w http.ResponseWriter, body []byte) {
	var req struct{ Token string }
	if json.Unmarshal(body, &req) != nil || !f.Valid[req.Token] {
		fail(w, 1507, "TokenNotExistError", Stack)
		return
	}
	_, _ = fmt.Fprintf(w, `{"errCode":0,"errMsg":"","errDlt":"","data":{"userID":%q,"platformID":10,"expireTimeSeconds":%d}}`, AdminUserID,
		TokenLifeSeconds)
}

func fail(w io.Writer, code int, msg, detail string) {
	_, _ = fmt.Fprintf(w, `{"errCode":%d,"errMsg":%q,"errDlt":%q}`, code, msg, strings.TrimSpace(detail))
}
