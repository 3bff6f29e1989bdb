package openimclient

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"regexp"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// removed replaces a token.
const removed = wire.Removed

// CleanText prepares OpenIM's errMsg for a reply to a caller: see wire.CleanText.
func CleanText(s string, secrets ...string) string { return wire.CleanText(s, secrets...) }

// openIMToken matches a signed JWT. Only tokens with OpenIM's claims are removed from data, because a user may send another JWT in a
// message.
var openIMToken = regexp.MustCompile(`eyJ[A-Za-z0-9_\-]+\.(eyJ[A-Za-z0-9_\-]+)\.[A-Za-z0-9_\-]+`)

// cleanData removes OpenIM's tokens from the data of a reply. The gateway serves no route that returns tokens. cleanData is a second
// protection, for a release of OpenIM in which another route returns one. The result is JSON, or nothing if a token was not a part of a
// text: nobody parses it again before it is sent.
func cleanData(data json.RawMessage, token string) json.RawMessage {
	cleaned := data
	if token != "" && bytes.Contains(data, []byte(token)) {
		cleaned = bytes.ReplaceAll(data, []byte(token), []byte(removed))
	}
	if bytes.Contains(cleaned, []byte("eyJ")) {
		cleaned = withoutTokens(cleaned)
	}
	if !bytes.Equal(cleaned, data) && !json.Valid(cleaned) {
		return nil
	}
	return cleaned
}

// withoutTokens replaces each text of openIMToken's form that has OpenIM's claims. Data without any are returned as they are.
func withoutTokens(data []byte) []byte {
	var cleaned []byte
	kept, next := 0, 0 // cleaned has the data before kept, and tokens before next were looked for
	for {
		found := openIMToken.FindSubmatchIndex(data[next:])
		switch {
		case found == nil && kept == 0:
			return data
		case found == nil:
			return append(cleaned, data[kept:]...)
		}
		begin, claims, end := next+found[0], next+found[2], next+found[1]
		switch {
		case endsEscape(data[:begin+1]):
			// The e is the end of an escape, as OpenIM writes > (\u003e): users may write that and the rest of a token in a nickname, and
			// to replace it would make every reply with the nickname invalid.
			next = begin + 1
		case isOpenIMClaims(data[claims : next+found[3]]):
			cleaned = append(append(cleaned, data[kept:begin]...), removed...)
			kept, next = end, end
		default:
			next = claims // a token may begin there
		}
	}
}

// escapeBytes is the length of an escape of JSON after its backslash.
const escapeBytes = len("u003e")

// endsEscape reports whether a text ends with an escape by number, such as \u003e. After an even number of backslashes, which stand for
// half as many, the u is no part of one.
func endsEscape(text []byte) bool {
	u := len(text) - escapeBytes
	if u < 1 || text[u] != 'u' {
		return false
	}
	backslashes := u - len(bytes.TrimRight(text[:u], `\`))
	return backslashes%2 == 1
}

// isOpenIMClaims reports whether the claims of a JWT are those of OpenIM's tokens.
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
