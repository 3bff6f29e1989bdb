package oneline_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/oneline"
)

func TestTextsAreOnOneLineAndBounded(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "",
		"plain":                    "plain",
		"exactly twelve":           "exactly t...",
		"twelve bytes":             "twelve bytes",
		"a\nb\tc":                  "a b c",
		"a\x1b[2Jb":                "a [2Jb",
		"a\u009b2Jb":               "a 2Jb",
		"a\u202eb\u2028c":          "a b c",
		"a\u200bb\ufeffc":          "a b c",
		"می\u200cخ":                "می\u200cخ",
		"a\xffb\x00":               "a b ",
		"a\U000e0041b":             "a b",
		"消息消息消":                    "消息消...",
		strings.Repeat("é", 1<<10): "éééé...",
	} {
		NewWithT(t).Expect(oneline.Of(text, 12)).To(Equal(want), "%q", text)
	}
}

func FuzzOf(f *testing.F) {
	for _, seed := range []string{"", "a\nb", "é\xff", strings.Repeat("\u202e", 40), "消息"} {
		f.Add(seed, 12)
	}
	f.Fuzz(func(t *testing.T, text string, longest int) {
		longest = 4 + longest&0xff
		got := oneline.Of(text, longest)
		if len(got) > longest || !utf8.ValidString(got) || strings.ContainsFunc(got, unicode.IsControl) {
			t.Fatalf("%q becomes %q", text, got)
		}
		if again := oneline.Of(got, longest); again != got {
			t.Fatalf("%q becomes %q, and then %q", text, got, again)
		}
	})
}
