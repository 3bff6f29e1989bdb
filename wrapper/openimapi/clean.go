package openimapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

const removed = "[removed]"

var (
	// Anything that begins as a JSON Web Token does: eyJ is base64 of {" .
	tokenLike = regexp.MustCompile(`eyJ[A-Za-z0-9_\-]{4,}(\.[A-Za-z0-9_\-]*){0,4}`)
	// Where a Go stack trace or the wrapped error's position begins.
	traceLike = regexp.MustCompile(`(?i)\bgoroutine \d+|\bstack ?trace\b|\bpanic:|[\w./@\-]+\.go:\d+`)
)

// CleanText makes OpenIM's errMsg fit to be passed on: the first line without stack trace, tokens, or any of the given
// secrets; control characters become blanks; at most wire.MaxErrMsgBytes.
func CleanText(s string, secrets ...string) string {
	for _, secret := range secrets {
		if secret != "" {
			s = strings.ReplaceAll(s, secret, removed)
		}
	}
	s = strings.TrimLeft(s, "\r\n\t ")
	if i := strings.IndexAny(s, "\r\n"); i >= 0 {
		s = s[:i]
	}
	if at := traceLike.FindStringIndex(s); at != nil {
		s = s[:at[0]]
	}
	s = tokenLike.ReplaceAllString(s, removed)
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > wire.MaxErrMsgBytes {
		s = s[:wire.MaxErrMsgBytes]
		for !utf8.ValidString(s) {
			s = s[:len(s)-1]
		}
	}
	return strings.TrimSpace(s)
}

// openIMToken is a signed JWT. Only those whose claims are OpenIM's are removed from data: a user may well
// send another JWT in a message, which is his own affair.
var openIMToken = regexp.MustCompile(`eyJ[A-Za-z0-9_\-]+\.(eyJ[A-Za-z0-9_\-]+)\.[A-Za-z0-9_\-]+`)

// cleanData removes OpenIM's tokens from the data of a reply. The routes that give tokens are called by nobody; this
// is the second belt, for a release in which another route begins to.
func cleanData(data json.RawMessage, token string) json.RawMessage {
	if token != "" && bytes.Contains(data, []byte(token)) {
		data = bytes.ReplaceAll(data, []byte(token), []byte(removed))
	}
	if !bytes.Contains(data, []byte("eyJ")) {
		return data
	}
	return openIMToken.ReplaceAllFunc(data, func(found []byte) []byte {
		claims := openIMToken.FindSubmatch(found)[1]
		if isOpenIMClaims(claims) {
			return []byte(removed)
		}
		return found
	})
}

func isOpenIMClaims(part []byte) bool {
	raw, err := base64.RawURLEncoding.DecodeString(string(part))
	if err != nil {
		return false
	}
	var claims map[string]json.RawMessage
	if json.Unmarshal(raw, &claims) != nil {
		return false
	}
	_, user := claims["UserID"]
	_, platform := claims["PlatformID"]
	return user && platform
}
