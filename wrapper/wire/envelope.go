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

// WriteEnvelope writes a reply. Its headers forbid caching and MIME sniffing.
func WriteEnvelope(w http.ResponseWriter, status int, e Envelope) {
	body, err := json.Marshal(e)
	if err != nil { // only Data that is not JSON fails to encode
		status, body = http.StatusBadGateway, []byte(`{"errCode":500,"errMsg":"the reply could not be encoded","errDlt":""}`)
	}
	h := w.Header()
	h.Set(HeaderContentType, MediaTypeJSON)
	h.Set(HeaderCacheControl, "no-store")
	h.Set(HeaderNoSniff, "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the server logs clients that have closed the connection
}
