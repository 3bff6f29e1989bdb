package session

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// A token is "v1.<session id>.<secret>", of letters, digits, - _ and dots alone: SDKs put it into a URL as it is.
const (
	tokenVersion = "v1."
	idBytes      = 16
	secretBytes  = 32
	idChars      = 22 // base64 of idBytes
	secretChars  = 43
	tokenChars   = len(tokenVersion) + idChars + 1 + secretChars
)

// IsToken tells a session token from other credentials by how it begins. It says nothing about whether it is good.
func IsToken(text string) bool { return strings.HasPrefix(text, tokenVersion) }

// IsTicket reports whether a text has the form of a ticket. It says nothing about whether it is good.
func IsTicket(text string) bool { return canonical(text, secretBytes) }

// encoding accepts one spelling for each value.
var encoding = base64.RawURLEncoding.Strict()

func randomText(n int) string {
	raw := make([]byte, n)
	_, _ = rand.Read(raw) // never fails: crypto/rand ends the process instead
	return encoding.EncodeToString(raw)
}

func mint() (token, id string, hash [sha256.Size]byte) {
	id, secret := randomText(idBytes), randomText(secretBytes)
	return tokenVersion + id + "." + secret, id, sha256.Sum256([]byte(secret))
}

// parseToken gives the session's id and the hash of the secret. Every other spelling of a token is refused.
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

// canonical refuses line breaks too, which the decoder would skip.
func canonical(text string, n int) bool {
	raw, err := encoding.DecodeString(text)
	return err == nil && len(raw) == n && encoding.EncodedLen(n) == len(text)
}
