package session

import (
	"net/url"
	"regexp"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"
)

func TestATokenIsOneSpellingThatAURLTakesAsItIs(t *testing.T) {
	g := NewWithT(t)
	seen := map[string]bool{}
	for range 1000 {
		token, id, hash := newToken()
		gotID, gotHash, err := parseToken(token)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(gotID).To(Equal(id))
		g.Expect(gotHash).To(Equal(hash))
		g.Expect(url.QueryEscape(token)).To(Equal(token))
		g.Expect(token).To(MatchRegexp(`^v1\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}$`))
		g.Expect(seen[id]).To(BeFalse())
		seen[id] = true
	}
}

// Any change of any byte is another token or none: never the same one spelt differently.
func TestNoOtherTextIsTheSameToken(t *testing.T) {
	token, id, hash := newToken()
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.IntRange(0, len(token)-1).Draw(t, "at")
		with := rapid.Byte().Draw(t, "with")
		changed := token[:at] + string(rune(with)) + token[at+1:]
		if changed == token {
			return
		}
		gotID, gotHash, err := parseToken(changed)
		if err == nil && gotID == id && gotHash == hash {
			t.Fatalf("%q is accepted as %q", changed, token)
		}
	})
}

var tokenForm = regexp.MustCompile(`^v1\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}$`)

func FuzzToken(f *testing.F) {
	token, _, _ := newToken()
	for _, seed := range []string{token, "", "v1..", "v2" + token[2:], token + "=", token[:30] + "\n" + token[31:], token[:24] + "_" +
		token[25:]} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, _, err := parseToken(text)
		switch {
		case err == nil && !tokenForm.MatchString(text):
			t.Fatalf("accepted %q", text)
		case err == nil && text[3:25] != id:
			t.Fatalf("%q has the id %q", text, id)
		case err != nil && id != "":
			t.Fatal("a refused token gave an id")
		}
	})
}

// Only texts of 43 characters that are the one spelling of 32 bytes are looked up at all.
func FuzzTicket(f *testing.F) {
	ticket := randomText(secretBytes)
	for _, seed := range []string{ticket, "", ticket + "=", ticket[:42] + "\n", ticket + "\n", "\r" + ticket, ticket[:42] + "B"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !canonical(text, secretBytes) {
			return
		}
		raw, err := encoding.DecodeString(text)
		if err != nil || encoding.EncodeToString(raw) != text || len(text) != secretChars {
			t.Fatalf("accepted %q", text)
		}
	})
}

// What comes over the channel is not trusted to be well formed.
func FuzzHeard(f *testing.F) {
	f.Add("beat")
	f.Add("cut 1 2 3 4 logout\nu:alice")
	f.Add("cut 1 2 3 4\n")
	f.Fuzz(func(t *testing.T, payload string) {
		if field, c, ok := parseMessage(payload); !ok && (field != "" && c != mergedRevocation{}) {
			t.Fatal("a refused message gave a revocation")
		}
	})
}
