package report

import (
	"fmt"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/openimstack/openim-operator/netpol/audit"
)

// maxText bounds a text of a report in the formats for people, in characters. Kubernetes names have at most 253 characters and messages
// 1,024. Longer texts come from annotations and selectors, and are cut.
const maxText = 4096

// clean returns a copy of a report without control characters in its texts, which could move a terminal's cursor, change the direction
// of writing or break a line. Such characters are replaced by their number.
func clean(r audit.Report) audit.Report {
	return cleanValue(reflect.ValueOf(r)).Interface().(audit.Report)
}

// cleanValue copies a value and cleans its strings. Values with unexported fields (time.Time) are copied unchanged.
func cleanValue(v reflect.Value) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	switch v.Kind() {
	case reflect.String:
		out.SetString(text(v.String()))
	case reflect.Struct:
		out.Set(v)
		for i := range v.NumField() {
			switch field := v.Type().Field(i); {
			case !field.IsExported():
			case v.Type() == reflect.TypeFor[audit.Finding]() && field.Name == "Fix":
				out.Field(i).SetString(lines(v.Field(i).String())) // may hold an object to apply
			default:
				out.Field(i).Set(cleanValue(v.Field(i)))
			}
		}
	case reflect.Slice:
		if v.IsNil() {
			return v
		}
		out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		for i := range v.Len() {
			out.Index(i).Set(cleanValue(v.Index(i)))
		}
	case reflect.Map:
		if v.IsNil() {
			return v
		}
		out.Set(reflect.MakeMapWithSize(v.Type(), v.Len()))
		for entries := v.MapRange(); entries.Next(); {
			out.SetMapIndex(cleanValue(entries.Key()), cleanValue(entries.Value()))
		}
	case reflect.Pointer:
		if v.IsNil() {
			return v
		}
		out.Set(reflect.New(v.Type().Elem()))
		out.Elem().Set(cleanValue(v.Elem()))
	default:
		out.Set(v)
	}
	return out
}

// text replaces unsafe characters of a string.
func text(s string) string {
	if len(s) <= maxText && utf8.ValidString(s) && strings.IndexFunc(s, unsafe) < 0 {
		return s
	}
	var b strings.Builder
	count := 0
	for _, r := range s { // invalid UTF-8 becomes U+FFFD
		if count++; count > maxText {
			b.WriteString("…")
			break
		}
		switch {
		case r == '\n' || r == '\t':
			b.WriteByte(' ')
		case unsafe(r):
			fmt.Fprintf(&b, "\\u%04x", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Line returns a text as one line without control characters, as the formats for people show it.
func Line(s string) string { return text(s) }

// lines cleans each line of a text.
func lines(s string) string {
	parts := strings.Split(strings.TrimRight(s, "\n"), "\n")
	for i := range parts {
		parts[i] = text(parts[i])
	}
	return strings.Join(parts, "\n")
}

// unsafe reports whether a character controls a terminal, separates lines, or is an invisible format character, such as the bidirectional
// ones of UAX #9.
func unsafe(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Noncharacter_Code_Point)
}
