package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
)

// Limits of operation identifiers. MaxOperationIDBytes limits what a client may send: official SDKs from v3.8.3-patch.11 on join
// the identifiers of all messages that they process into one. MaxPassedOperationIDBytes limits what the wrapper sends to OpenIM
// and writes to its log and the audit log.
const (
	MaxOperationIDBytes       = 64 << 10
	MaxPassedOperationIDBytes = 256
	// keptOperationIDBytes is how much of a longer identifier precedes its hash.
	keptOperationIDBytes = 200
)

// BoundOperationID returns id if it is short and printable ASCII, which gRPC metadata and a log line can hold. Otherwise it
// returns the beginning of id and a hash of the whole. The result is the same for the same id.
func BoundOperationID(id string) string {
	if len(id) <= MaxPassedOperationIDBytes && holdsOnlyBytes(id, isPrintable) {
		return id
	}
	return shortened(id, keptOperationIDBytes, isPrintable)
}

// shortened returns at most kept bytes of id, with underscores for bytes that are not legal, and 32 hexadecimal digits of the
// hash of id.
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

// longRequestID derives a request identifier from an operation identifier that is too long to be a request identifier. It
// returns "" if there is none.
func longRequestID(h http.Header) string {
	id := h.Get(HeaderOperationID)
	if len(id) <= maxRequestIDBytes || len(id) > MaxOperationIDBytes {
		return ""
	}
	return shortened(id, maxRequestIDBytes-33, isRequestIDByte)
}
