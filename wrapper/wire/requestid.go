package wire

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
)

// maxRequestIDBytes suffices for a UUID, a trace identifier, and most operation identifiers of OpenIM's SDKs.
const maxRequestIDBytes = 64

// RequestID returns the caller's request identifier if it is legal, and a new one otherwise. A legal identifier has 1 to 64
// letters, digits, dots, hyphens and underscores, so that it cannot forge a log line or a header. From a longer operation
// identifier RequestID derives a legal one that begins alike, so that it can be found in logs.
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

// LegalRequestID reports whether an identifier may be logged and passed on unchanged.
func LegalRequestID(id string) bool {
	if id == "" || len(id) > maxRequestIDBytes {
		return false
	}
	return holdsOnlyBytes(id, isRequestIDByte)
}

func isRequestIDByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.'
}
