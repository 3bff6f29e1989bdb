package wire

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// Envelope is the shape of every reply of OpenIM's API, and therefore of ours.
// errDlt holds stack traces in OpenIM's replies; in ours it is always empty.
type Envelope struct {
	ErrCode int             `json:"errCode"`
	ErrMsg  string          `json:"errMsg"`
	ErrDlt  string          `json:"errDlt"`
	Data    json.RawMessage `json:"data,omitempty"`
}

// Error codes of OpenIM that the wrapper gives or acts upon
// (OpenIM's tools/errs/predefine.go, the same at every supported release).
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
	// CodeLoginTooOld is the wrapper's own, near OpenIM's codes of tokens and none of them: the session is good, but the call takes a newer
	// login. SDKs hand it to the application and log nobody out.
	CodeLoginTooOld     = 1590
	firstTokenErrorCode = CodeTokenExpired
	lastTokenErrorCode  = CodeTokenNotExist
)

// IsTokenError reports whether OpenIM refused the token itself. Such a call was not carried out.
func IsTokenError(code int) bool { return code >= firstTokenErrorCode && code <= lastTokenErrorCode }

// WriteEnvelope sends one reply. It is never cached and never sniffed.
func WriteEnvelope(w http.ResponseWriter, status int, e Envelope) {
	body, err := json.Marshal(e)
	if err != nil { // only data that is not JSON can do this
		status, body = http.StatusBadGateway, []byte(`{"errCode":500,"errMsg":"the reply could not be encoded","errDlt":""}`)
	}
	h := w.Header()
	h.Set(HeaderContentType, MediaTypeJSON)
	h.Set(HeaderCacheControl, "no-store")
	h.Set(HeaderNoSniff, "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has gone away is the server's log line, not an error here
}
