package wire

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
)

// maxRequestIDBytes is enough for a UUID, a trace identifier or the operation identifiers of OpenIM's SDKs.
const maxRequestIDBytes = 64

// RequestID returns the caller's request identifier when it has a legal shape, and a fresh one otherwise.
// A legal identifier has 1 to 64 letters, digits, dots, hyphens and underscores: nothing that could forge a
// log line or a header. Of a longer operation identifier it returns the beginning with a hash, so that it is found again.
func RequestID(h http.Header) string {
	for _, name := range []string{HeaderRequestID, HeaderOperationID} {
		if id := h.Get(name); LegalRequestID(id) {
			return id
		}
	}
	if id := longRequestID(h); id != "" {
		return id
	}
	return NewRequestID()
}

// NewRequestID returns 128 random bits in hexadecimal.
func NewRequestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: the runtime ends the program when the system has no randomness
	return hex.EncodeToString(b[:])
}

// LegalRequestID reports whether an identifier may be logged and passed on as it stands.
func LegalRequestID(id string) bool {
	if id == "" || len(id) > maxRequestIDBytes {
		return false
	}
	return holdsOnlyBytes(id, isRequestIDByte)
}

func isRequestIDByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.'
}
