package session

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"github.com/openimstack/openim-operator/wrapper/ids"
)

// A token is "v1.<session id>.<secret>". It consists of letters, digits, -, _ and dots, because SDKs put it into URLs unescaped.
const (
	tokenVersion = "v1."
	idBytes      = 16
	secretBytes  = 32
	idChars      = 22 // base64 of idBytes
	secretChars  = 43
	tokenChars   = len(tokenVersion) + idChars + 1 + secretChars
)

// IsToken reports whether a text has the prefix of a session token. It does not check the token.
func IsToken(text string) bool { return strings.HasPrefix(text, tokenVersion) }

// IsTicket reports whether a text has the form of a ticket. It does not check the ticket.
func IsTicket(text string) bool { return canonical(text, secretBytes) }

// encoding accepts exactly one spelling of each value.
var encoding = base64.RawURLEncoding.Strict()

func randomText(n int) string { return encoding.EncodeToString(ids.RandomBytes(n)) }

func newToken() (token, id string, hash [sha256.Size]byte) {
	id, secret := randomText(idBytes), randomText(secretBytes)
	return tokenVersion + id + "." + secret, id, sha256.Sum256([]byte(secret))
}

// parseToken returns the session's id and the hash of the secret. It refuses every other spelling of a token.
func parseToken(token string) (id string, hash [sha256.Size]byte, err error) {
	if len(token) != tokenChars || token[:len(tokenVersion)] != tokenVersion || token[len(tokenVersion)+idChars] != '.' {
		return "", hash, ErrMalformed
	}
	id = token[len(tokenVersion):][:idChars]
	secret := token[len(token)-secretChars:]
	if !canonical(id, idBytes) || !canonical(secret, secretBytes) {
		return "", hash, ErrMalformed
	}
	return id, sha256.Sum256([]byte(secret)), nil
}

// canonical reports whether text is the one base64url spelling of n bytes. It also refuses line breaks, which the decoder skips.
func canonical(text string, n int) bool {
	raw, err := encoding.DecodeString(text)
	return err == nil && len(raw) == n && encoding.EncodedLen(n) == len(text)
}
