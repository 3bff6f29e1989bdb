package wire

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

func TestOnlyLegalRequestIdentifiersAreAccepted(t *testing.T) {
	for _, c := range []struct {
		name   string
		header http.Header
		want   string // empty: a new one
	}{
		{"our header", http.Header{"X-Request-Id": {"abc-1.2_3"}}, "abc-1.2_3"},
		{"OpenIM's header", http.Header{"Operationid": {"1718000000"}}, "1718000000"},
		{"ours before OpenIM's", http.Header{"X-Request-Id": {"a"}, "Operationid": {"b"}}, "a"},
		{"none", http.Header{}, ""},
		{"64 bytes", http.Header{"X-Request-Id": {strings.Repeat("x", 64)}}, strings.Repeat("x", 64)},
		{"65 bytes", http.Header{"X-Request-Id": {strings.Repeat("x", 65)}}, ""},
		{"a forged log line", http.Header{"X-Request-Id": {"a\nverdict=allowed"}}, ""},
		{"a quote", http.Header{"X-Request-Id": {`a"`}}, ""},
		{"not ASCII", http.Header{"X-Request-Id": {"é"}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			got := RequestID(c.header)
			if c.want == "" {
				g.Expect(got).To(MatchRegexp("^[0-9a-f]{32}$"))
				g.Expect(RequestID(c.header)).NotTo(Equal(got), "a new one each time")
				return
			}
			g.Expect(got).To(Equal(c.want))
		})
	}
}

func TestABearerTokenIsOneCredentialInOneHeader(t *testing.T) {
	for _, c := range []struct {
		name        string
		values      []string
		token       string
		present, ok bool
	}{
		{"none", nil, "", false, false},
		{"one", []string{"Bearer abc"}, "abc", true, true},
		{"scheme in another case (RFC 9110)", []string{"bEARER abc"}, "abc", true, true},
		{"two headers", []string{"Bearer abc", "Bearer def"}, "", true, false},
		{"two credentials", []string{"Bearer abc, Bearer def"}, "", true, false},
		{"another scheme", []string{"Basic abc"}, "", true, false},
		{"two blanks", []string{"Bearer  abc"}, "", true, false},
		{"nothing after the scheme", []string{"Bearer "}, "", true, false},
		{"the scheme alone", []string{"Bearer"}, "", true, false},
		{"empty", []string{""}, "", true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			token, present, ok := Bearer(http.Header{"Authorization": c.values})
			g.Expect([]any{present, ok}).To(Equal([]any{c.present, c.ok}))
			if ok {
				g.Expect(token).To(Equal(c.token))
			}
		})
	}
}

func TestDecodeObjectIsStrict(t *testing.T) {
	for _, c := range []struct{ name, in, says string }{
		{"an object", `{"a":[{"b":1}],"c":"x"}`, ""},
		{"blanks around", " {} \n", ""},
		{"members that differ in case are two", `{"a":1,"A":2}`, ""},
		{"a member twice", `{"a":1,"a":1}`, "twice"},
		{"a member twice, deep down", `{"x":[{"y":{"a":1,"a":2}}]}`, "twice"},
		{"a member twice, once escaped", `{"a":1,"\u0061":2}`, "twice"},
		{"a list", `[]`, "one JSON object"},
		{"null", `null`, "null"},
		{"nothing", ``, "one JSON object"},
		{"two objects", `{}{}`, "one JSON object"},
		{"a comment", `{}//x`, "one JSON object"},
		{"a trailing comma", `{"a":1,}`, "one JSON object"},
		{"single quotes", `{'a':1}`, "one JSON object"},
		{"NaN", `{"a":NaN}`, "one JSON object"},
		{"not UTF-8", "{\"a\":\"\xff\"}", "UTF-8"},
		{"UTF-16", "\xff\xfe{\x00}\x00", "UTF-8"},
		{"a byte order mark", "\ufeff{}", "one JSON object"},
		{"nested without end", strings.Repeat(`{"a":`, 200000), "one JSON object"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			_, err := DecodeObject([]byte(c.in))
			if c.says == "" {
				g.Expect(err).NotTo(HaveOccurred())
				return
			}
			g.Expect(err).To(MatchError(ContainSubstring(c.says)))
		})
	}
}

func TestDecodeErrorsRepeatNothingOfTheInput(t *testing.T) {
	for _, in := range []string{`{"secret-name":1,"secret-name":2}`, `secret-name`, `{"secret-name":}`} {
		_, err := DecodeObject([]byte(in))
		NewWithT(t).Expect(err).To(MatchError(Not(ContainSubstring("secret-name"))))
	}
}

// TestEachFailureAsTheDocumentationHasIt pins status, code and headers: clients are written against them.
func TestEachFailureAsTheDocumentationHasIt(t *testing.T) {
	want := map[string][2]int{
		"bad_request": {400, 1001}, "unauthenticated": {401, 1502}, "forbidden": {403, 1002}, "nobody": {403, 1002},
		"login_too_old": {403, 1590}, "proof_refused": {401, 1502},
		"unknown_route": {404, 1004}, "wrong_method": {405, 1001}, "body_too_slow": {408, 1001}, "body_too_large": {413, 1001},
		"wrong_media_type": {415, 1001}, "busy": {429, 500}, "limited": {429, 500}, "rule": {403, 1002}, "not_recorded": {503, 500},
		"internal": {500, 500}, "not_in_release": {501, 1004},
		"bad_gateway": {502, 500}, "unavailable": {503, 500}, "link_version": {503, 500}, "timed_out": {504, 500},
	}
	NewWithT(t).Expect(Failures).To(HaveLen(len(want)))
	for _, f := range Failures {
		t.Run(f.Name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect([2]int{f.Status, f.ErrCode}).To(Equal(want[f.Name]))
			named, ok := FailureNamed(f.Name)
			g.Expect(ok).To(BeTrue())
			g.Expect(named).To(Equal(f))

			w := httptest.NewRecorder()
			WriteFailure(w, f)
			g.Expect(w.Code).To(Equal(f.Status))
			var members map[string]any
			g.Expect(json.Unmarshal(w.Body.Bytes(), &members)).To(Succeed())
			g.Expect(members).To(Equal(map[string]any{"errCode": float64(f.ErrCode), "errMsg": f.Text, "errDlt": ""}),
				"OpenIM's envelope, without data")
			g.Expect(w.Header().Get("Content-Type")).To(Equal("application/json"))
			g.Expect(w.Header().Get("Cache-Control")).To(Equal("no-store"))
			_, challenge := w.Header()["Www-Authenticate"]
			_, retry := w.Header()["Retry-After"]
			g.Expect(challenge).To(Equal(f.Status == 401))
			g.Expect(retry).To(Equal(f.Status == 429 || f.Status == 503))
		})
	}
	_, ok := FailureNamed("unknown")
	NewWithT(t).Expect(ok).To(BeFalse())
}

// TestAnEnvelopeIsEncodedAsOpenIMEncodesIt compares with encoding/json, which OpenIM uses.
func TestAnEnvelopeIsEncodedAsOpenIMEncodesIt(t *testing.T) {
	for _, e := range []Envelope{
		{},
		{ErrCode: -1, ErrMsg: `a "quote", a \ and a line` + "\n\u2028<script>\xff", ErrDlt: "x"},
		{Data: json.RawMessage(`{"a":[1,"b",null]}`)},
		{ErrCode: 1001, ErrMsg: "ArgsError", Data: json.RawMessage(`null`)},
		{Data: json.RawMessage(``)},
	} {
		want, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		WriteEnvelope(w, http.StatusOK, e)
		g := NewWithT(t)
		g.Expect(w.Body.String()).To(Equal(string(want)))
		g.Expect(w.Header()).To(Equal(http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"no-store"},
			"X-Content-Type-Options": {"nosniff"}, "Content-Length": {strconv.Itoa(len(want))}}))
	}
}

// TestAReplysHeadersAreItsOwn: replies share the values of their headers, and none can change another's.
func TestAReplysHeadersAreItsOwn(t *testing.T) {
	g := NewWithT(t)
	one := http.Header{}
	SetReplyHeaders(one, 1)
	one.Add(HeaderCacheControl, "more")
	one.Set(HeaderNoSniff, "other")
	other := http.Header{}
	SetReplyHeaders(other, 2)
	g.Expect(other).To(Equal(http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"no-store"},
		"X-Content-Type-Options": {"nosniff"}, "Content-Length": {"2"}}))
}

func TestTokenErrorsAreTheSevenCodes(t *testing.T) {
	for code, want := range map[int]bool{0: false, 500: false, 1500: false, 1501: true, 1507: true, 1508: false} {
		NewWithT(t).Expect(IsTokenError(code)).To(Equal(want))
	}
}

// FuzzDecodeObject checks that encoding/json decodes everything that DecodeObject accepts.
func FuzzDecodeObject(f *testing.F) {
	for _, s := range []string{`{"a":1}`, `{"a":1,"a":2}`, `{"a":{"b":[1,2.5e3,null,true,"\ud800"]}}`, `[]`, ``} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		object, err := DecodeObject(data)
		if err != nil {
			return
		}
		var again map[string]any
		if err := json.Unmarshal(data, &again); err != nil || len(again) != len(object) {
			t.Fatalf("readers disagree on %q: %v", data, err)
		}
	})
}
