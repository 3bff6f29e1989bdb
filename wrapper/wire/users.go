package wire

import (
	"encoding/base64"
	"encoding/json"
	"strings"
)

// EncodeUsers returns the value of HeaderUsers: the JSON list of the users in base64url.
func EncodeUsers(users []string) string {
	text := make([]byte, 1, 64)
	text[0] = '['
	for i, user := range users {
		if i > 0 {
			text = append(text, ',')
		}
		if holdsOnlyBytes(user, isPlainInJSON) {
			text = append(append(append(text, '"'), user...), '"')
		} else {
			text = appendText(text, user)
		}
	}
	return base64.RawURLEncoding.EncodeToString(append(text, ']'))
}

// DecodeUsers returns the users of HeaderUsers, and nothing for a value that EncodeUsers cannot have written.
func DecodeUsers(value string) []string {
	text, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil {
		return nil
	}
	if list, ok := plainList(string(text)); ok {
		return list
	}
	var users []string
	if json.Unmarshal(text, &users) != nil {
		return nil
	}
	return users
}

// plainList decodes a JSON list of texts without blanks and escapes, as nearly every list of users is. ok is false for any other one.
func plainList(text string) (list []string, ok bool) {
	inner, begins := strings.CutPrefix(text, `["`)
	inner, ends := strings.CutSuffix(inner, `"]`)
	if !begins || !ends {
		return nil, false
	}
	list = strings.Split(inner, `","`)
	for _, user := range list {
		if !holdsOnlyBytes(user, isPlainInJSON) {
			return nil, false
		}
	}
	return list, true
}

// isPlainInJSON reports whether a byte is one of an ordinary id, and stands for itself in a JSON text.
func isPlainInJSON(c byte) bool { return isRequestIDByte(c) || c == '@' || c == ':' }
