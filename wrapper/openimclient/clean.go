package openimclient

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"regexp"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// removed stands where a token was.
const removed = wire.Removed

// CleanText makes OpenIM's errMsg fit to be passed on: see wire.CleanText.
func CleanText(s string, secrets ...string) string { return wire.CleanText(s, secrets...) }

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
