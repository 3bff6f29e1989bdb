package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
)

// MaxOperationIDBytes bounds an operation identifier as a client writes it: official SDKs from v3.8.3-patch.11 on join the identifiers of
// the messages that they work on into one. MaxPassedOperationIDBytes is what of it goes to OpenIM, into logs and the audit trail.
const (
	MaxOperationIDBytes       = 64 << 10
	MaxPassedOperationIDBytes = 256
	// keptOperationIDBytes are left of a longer one, before its hash.
	keptOperationIDBytes = 200
)

// BoundOperationID returns the identifier itself when it is short and made of printable ASCII, which gRPC's metadata and a line of a log
// can hold; else its beginning with a hash of the whole, so that the same identifier gives the same one everywhere.
func BoundOperationID(id string) string {
	if len(id) <= MaxPassedOperationIDBytes && holdsOnlyBytes(id, isPrintable) {
		return id
	}
	return shortened(id, keptOperationIDBytes, isPrintable)
}

// shortened returns at most kept bytes of id, others than the legal ones as underscores, and 32 hexadecimal digits of its hash.
func shortened(id string, kept int, legal func(byte) bool) string {
	sum := sha256.Sum256([]byte(id))
	out := []byte(id[:min(len(id), kept)])
	for i, c := range out {
		if !legal(c) {
			out[i] = '_'
		}
	}
	return string(out) + "-" + hex.EncodeToString(sum[:16])
}

func holdsOnlyBytes(s string, legal func(byte) bool) bool {
	for i := range len(s) {
		if !legal(s[i]) {
			return false
		}
	}
	return true
}

func isPrintable(c byte) bool { return c > ' ' && c < 0x7f }

// longRequestID is the request identifier of a call whose operation identifier is too long to be one itself; empty when there is none.
func longRequestID(h http.Header) string {
	id := h.Get(HeaderOperationID)
	if len(id) <= maxRequestIDBytes || len(id) > MaxOperationIDBytes {
		return ""
	}
	return shortened(id, maxRequestIDBytes-33, isRequestIDByte)
}
