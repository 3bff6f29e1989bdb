package wire

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// Envelope is the JSON of every reply of OpenIM's API, and of every reply of the wrapper. errDlt holds stack traces in OpenIM's
// replies; the wrapper always leaves it empty.
type Envelope struct {
	ErrCode int             `json:"errCode"`
	ErrMsg  string          `json:"errMsg"`
	ErrDlt  string          `json:"errDlt"`
	Data    json.RawMessage `json:"data,omitempty"`
}

// Error codes of OpenIM that the wrapper sends or interprets (OpenIM's tools/errs/predefine.go, the same in every supported
// release).
const (
	CodeOK             = 0
	CodeInternal       = 500
	CodeArgs           = 1001
	CodeNoPermission   = 1002
	CodeNotFound       = 1004
	CodeTokenExpired   = 1501
	CodeTokenInvalid   = 1502
	CodeTokenMalformed = 1503
	CodeTokenNotValid  = 1504
	CodeTokenUnknown   = 1505
	CodeTokenKicked    = 1506
	CodeTokenNotExist  = 1507
	// CodeLoginTooOld is the wrapper's own code: the session is valid, but the call requires a newer login. It is outside
	// OpenIM's range of token errors, so that SDKs report it to the application and do not log the user out.
	CodeLoginTooOld     = 1590
	firstTokenErrorCode = CodeTokenExpired
	lastTokenErrorCode  = CodeTokenNotExist
)

// ReplacedText is the errMsg, with CodeTokenKicked, of a session that ended because another device of the user logged in. Clients compare
// it: a client that logged in again by itself would end the other device's session, whose client would do the same, without end.
const ReplacedText = "replaced: another device of the user logged in: log in again only when the user asks for it"

// IsTokenError reports whether OpenIM refused the token itself. OpenIM did not execute such a call.
func IsTokenError(code int) bool { return code >= firstTokenErrorCode && code <= lastTokenErrorCode }

// Values of headers that every reply has. net/http copies a header before it is sent, and nobody appends to a value.
var (
	mediaTypeJSON = []string{MediaTypeJSON}
	noStore       = []string{"no-store"}
	noSniff       = []string{"nosniff"}
)

// SetReplyHeaders sets the headers of a JSON reply of some length: they forbid caching and MIME sniffing. The names are canonical, so
// that they need not be looked up.
func SetReplyHeaders(h http.Header, length int) {
	h[HeaderContentType] = mediaTypeJSON
	h[HeaderCacheControl] = noStore
	h[HeaderNoSniff] = noSniff
	h["Content-Length"] = []string{strconv.Itoa(length)}
}

// Append appends the envelope as JSON, in OpenIM's order. Data must be one JSON value: it is copied as it is, so that a reply of OpenIM,
// which was validated when it was decoded, is not parsed a second time.
func (e *Envelope) Append(b []byte) []byte {
	b = append(b, `{"errCode":`...)
	b = strconv.AppendInt(b, int64(e.ErrCode), 10)
	b = appendText(append(b, `,"errMsg":`...), e.ErrMsg)
	b = appendText(append(b, `,"errDlt":`...), e.ErrDlt)
	if len(e.Data) > 0 {
		b = append(append(b, `,"data":`...), e.Data...)
	}
	return append(b, '}')
}

func appendText(b []byte, text string) []byte {
	if text == "" {
		return append(b, `""`...)
	}
	quoted, _ := json.Marshal(text) //nolint:errchkjson // a string can always be encoded
	return append(b, quoted...)
}

// envelopeBytes is more than an envelope has around its data, unless it has an errMsg.
const envelopeBytes = 64

// WriteEnvelope writes a reply. e.Data must be one JSON value (Envelope.Append). The reply's headers forbid caching and MIME sniffing.
func WriteEnvelope(w http.ResponseWriter, status int, e Envelope) {
	body := e.Append(make([]byte, 0, len(e.Data)+len(e.ErrMsg)+envelopeBytes))
	SetReplyHeaders(w.Header(), len(body))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the server logs clients that have closed the connection
}
