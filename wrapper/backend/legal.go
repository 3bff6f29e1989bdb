package backend

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/openimstack/openim-operator/wrapper/bounds"
	"github.com/openimstack/openim-operator/wrapper/ids"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Bounds of the internal API.
const (
	maxUserIDBytes   = ids.MaxBytes
	maxNicknameBytes = 256
	maxFaceURLBytes  = 1024
	maxTextBytes     = 128
	maxConversations = bounds.Conversations
	// maxPlatform is the last of OpenIM's platforms for users. Platform 10 is OpenIM's administrator.
	maxPlatform     = 9
	minCodeLifetime = 10 * time.Second
)

var badUser error = wire.BadRequest.Because("a user or group id must be 1 to 128 bytes of " + ids.Rule + ", and no administrator's")

// legalNewUser checks the rule of OpenIM's own registration (protocol's user.UserRegisterReq).
func legalNewUser(id string) bool { return ids.LegalNewUser(id) }

// legalUser is wider than legalNewUser: a user may have been created in OpenIM by other means.
func legalUser(id string) bool { return ids.Legal(id) }

func legalText(s string, limit int) bool {
	return len(s) <= limit && utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) < 0
}

// boundedText replaces a text that is too long by the empty text, which names nothing.
func boundedText(s string) string {
	if len(s) > maxTextBytes {
		return ""
	}
	return s
}

func legalPlatform(id int32) bool { return id >= 1 && id <= maxPlatform }

func all[T any](list []T, ok func(T) bool) bool {
	for _, e := range list {
		if !ok(e) {
			return false
		}
	}
	return true
}
