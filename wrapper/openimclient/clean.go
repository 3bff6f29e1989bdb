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
	if token != "" && bytes.Contains(data, []byte(token)) {
		if data = bytes.ReplaceAll(data, []byte(token), []byte(removed)); !json.Valid(data) {
			return nil
		}
	}
	if !bytes.Contains(data, []byte("eyJ")) {
		return data
	}
	// The pattern has letters, digits and points that begin with eyJ, which are within a text, so that the result is JSON.
	return openIMToken.ReplaceAllFunc(data, func(found []byte) []byte {
		claims := openIMToken.FindSubmatch(found)[1]
		if isOpenIMClaims(claims) {
			return []byte(removed)
		}
		return found
	})
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
