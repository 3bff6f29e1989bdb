package gateway

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/session"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

func TestACredentialIsTakenFromOnePlaceAlone(t *testing.T) {
	for _, c := range []struct {
		name   string
		header http.Header
		token  string
		code   int
	}{
		{"as OpenIM's SDKs send it", http.Header{"Token": {"t"}}, "t", 0},
		{"as a bearer token", http.Header{"Authorization": {"Bearer t"}}, "t", 0},
		{"none", http.Header{}, "", wire.CodeTokenNotExist},
		{"an empty one", http.Header{"Token": {""}}, "", wire.CodeTokenNotExist},
		{"both, and the same", http.Header{"Token": {"t"}, "Authorization": {"Bearer t"}}, "", wire.CodeTokenMalformed},
		{"both, and different", http.Header{"Token": {"t"}, "Authorization": {"Bearer u"}}, "", wire.CodeTokenMalformed},
		{"two of OpenIM's", http.Header{"Token": {"t", "u"}}, "", wire.CodeTokenMalformed},
		{"two bearer tokens", http.Header{"Authorization": {"Bearer t", "Bearer u"}}, "", wire.CodeTokenMalformed},
		{"a password", http.Header{"Authorization": {"Basic dDp1"}}, "", wire.CodeTokenMalformed},
		{"a password beside a token", http.Header{"Token": {"t"}, "Authorization": {"Basic dDp1"}}, "", wire.CodeTokenMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			token, failure := credential(c.header)
			g.Expect(token).To(Equal(c.token))
			if c.code == 0 {
				g.Expect(failure).To(BeNil())
				return
			}
			g.Expect(failure.ErrCode).To(Equal(c.code))
		})
	}
}

// TestTheCodesThatMakeOfficialSDKsCallBack: 1501 ends in OnUserTokenExpired, 1506 in OnKickedOffline, 1503 and 1507 in
// OnUserTokenInvalid (openim-sdk-core, internal/interaction). What is no verdict on the session must be none of them.
func TestTheCodesThatMakeOfficialSDKsCallBack(t *testing.T) {
	g := NewWithT(t)
	for err, code := range map[error]int{
		session.ErrExpired: wire.CodeTokenExpired, session.ErrRevoked: wire.CodeTokenKicked,
		session.ErrMalformed: wire.CodeTokenMalformed, session.ErrUnknown: wire.CodeTokenNotExist,
	} {
		f := sessionFailure(err)
		g.Expect(f.ErrCode).To(Equal(code), err.Error())
		g.Expect(envelopeStatus(f.Status)).To(Equal(http.StatusOK), "the SDK on the web reads no other reply")
	}
	f := sessionFailure(session.ErrUnavailable)
	g.Expect(wire.IsTokenError(f.ErrCode)).To(BeFalse(), "nobody is logged out because Redis is away")
	g.Expect(f.Status).To(Equal(http.StatusServiceUnavailable))
}

// request sends one request to a handler and reads the envelope.
func request(t *testing.T, h http.Handler, method, target, body string, header http.Header) (int, wire.Envelope, http.Header) {
	t.Helper()
	r := httptest.NewRequest(method, "/", strings.NewReader(body))
	r.RequestURI = target
	r.Header = header.Clone()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var e wire.Envelope
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil {
			t.Fatalf("no envelope: %s", w.Body)
		}
	}
	return w.Code, e, w.Header()
}
