package auth

import (
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Leeway is the difference of clocks that is tolerated (RFC 7519 section 4.1.4: no more than a few minutes).
const Leeway = 30 * time.Second

const maxSubjectBytes = 256

// text returns a claim that must be a string of bounded length without control characters.
func text(claims map[string]any, name string) (string, bool) {
	s, ok := claims[name].(string)
	if !ok || !validText(s) {
		return "", false
	}
	return s, true
}

// validText reports whether text has 1 to 256 bytes of UTF-8 without control characters.
func validText(s string) bool {
	return s != "" && len(s) <= maxSubjectBytes && utf8.ValidString(s) &&
		strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) < 0
}

// texts returns a claim that is a string or a list of strings (RFC 7519 section 4.1.3 for aud). A list with any other value is invalid as
// a whole.
func texts(claims map[string]any, name string) ([]string, bool) {
	switch v := claims[name].(type) {
	case string:
		return []string{v}, true
	case []any:
		out := make([]string, len(v))
		for i, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil, false
			}
			out[i] = s
		}
		return out, true
	}
	return nil, false
}

// date returns a NumericDate: seconds since 1970, fractions allowed.
func date(claims map[string]any, name string) (t time.Time, there, ok bool) {
	value, there := claims[name]
	if !there {
		return time.Time{}, false, true
	}
	var seconds float64
	switch v := value.(type) {
	case int64:
		seconds = float64(v)
	case float64:
		seconds = v
	default:
		return time.Time{}, true, false
	}
	// The end of the year 9999. Later times overflow.
	if math.IsNaN(seconds) || seconds < 0 || seconds > 253402300799 {
		return time.Time{}, true, false
	}
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(part*1e9)), true, true
}

// checkTimes requires exp and iat, bounds the time between them, and compares exp, iat and nbf with the clock.
func checkTimes(claims map[string]any, now time.Time, maxLifetime time.Duration) (exp time.Time, refusal *Refusal) {
	exp, hasExp, ok := date(claims, "exp")
	if !hasExp || !ok {
		return exp, refuse(reasonLifetime, "exp is missing or not a NumericDate: let the token say when it ends").coded(wire.CodeTokenMalformed)
	}
	iat, hasIat, ok := date(claims, "iat")
	if !hasIat || !ok {
		const detail = "iat is missing or not a NumericDate: let the token say when it was issued"
		return exp, refuse(reasonLifetime, detail).coded(wire.CodeTokenMalformed)
	}
	nbf, hasNbf, ok := date(claims, "nbf")
	if !ok {
		return exp, refuse(reasonLifetime, "nbf is not a NumericDate").coded(wire.CodeTokenMalformed)
	}
	if !exp.After(iat) || exp.Sub(iat) > maxLifetime {
		return exp, refuse(reasonLifetime, "exp must be after iat, by at most "+maxLifetime.String())
	}
	if !now.Before(exp.Add(Leeway)) {
		return exp, refuse(reasonExpired, "it has expired").coded(wire.CodeTokenExpired)
	}
	if iat.After(now.Add(Leeway)) || hasNbf && nbf.After(now.Add(Leeway)) {
		return exp, refuse(reasonNotYet, "it is not valid yet: compare the clocks").coded(wire.CodeTokenNotValid)
	}
	return exp, nil
}

// intersects reports whether two lists have a text in common, compared exactly.
func intersects(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}
