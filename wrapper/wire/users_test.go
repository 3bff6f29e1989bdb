package wire

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	. "github.com/onsi/gomega"
)

func TestUsersInAHeader(t *testing.T) {
	for _, users := range [][]string{
		{"alice"}, {"a", "b@c", "d:e", "f.g-h_i"}, {""}, {"", ""}, {`a","b`}, {`\`, `"`}, {"ü", "漢", "<&>"}, {"a b"}, {`a\u0041`},
	} {
		g := NewWithT(t)
		value := EncodeUsers(users)
		g.Expect(DecodeUsers(value)).To(Equal(users))
		text, err := base64.RawURLEncoding.DecodeString(value)
		g.Expect(err).NotTo(HaveOccurred())
		var read []string
		g.Expect(json.Unmarshal(text, &read)).To(Succeed(), "a gateway of an earlier release reads it as JSON")
		g.Expect(read).To(Equal(users))
	}
}

func TestOtherValuesNameNoUsers(t *testing.T) {
	encode := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	for _, value := range []string{
		"", "?", encode(`{}`), encode(`["a"`), encode(`["a",1]`), encode(`["a"]x`), encode(`["a","b"`), encode(`[`), encode(`["`), encode(`["]`),
		encode(`["a""b"]`),
	} {
		NewWithT(t).Expect(DecodeUsers(value)).To(BeEmpty(), value)
	}
	NewWithT(t).Expect(DecodeUsers(encode(` [ "a" , "b" ] `))).To(Equal([]string{"a", "b"}), "blanks are JSON")
}

// FuzzDecodeUsers compares with encoding/json.
func FuzzDecodeUsers(f *testing.F) {
	for _, text := range []string{`["a","b"]`, `["a\u0041"]`, `[""]`, `["a",]`, `[]`, `null`, `["a" ,"b"]`, `["]`, `["a","]`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var want []string
		if json.Unmarshal([]byte(text), &want) != nil {
			want = nil
		}
		if got := DecodeUsers(base64.RawURLEncoding.EncodeToString([]byte(text))); !slices.Equal(got, want) {
			t.Fatalf("%q: %q instead of %q", text, got, want)
		}
		if list := strings.Split(text, ","); utf8.ValidString(text) && !slices.Equal(DecodeUsers(EncodeUsers(list)), list) {
			t.Fatalf("%q is not read as it was written", list)
		}
	})
}
