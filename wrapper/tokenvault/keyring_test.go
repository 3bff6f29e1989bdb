package tokenvault_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/openimstack/openim-operator/wrapper/tokenvault"
)

func keyring(k tokenvault.KeySource, purpose string) *tokenvault.Keyring {
	return tokenvault.NewKeyring(k, purpose, func() time.Time { return noon })
}

func TestWhatIsSealedIsOpenedInItsPlaceForItsPurpose(t *testing.T) {
	g := NewWithT(t)
	k := &keys{}
	k.set(keyOne)
	tokens := keyring(k, "tokens")
	sealed, err := tokens.Seal([]byte("content"), []byte("here"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(bytes.Contains(sealed, []byte("content"))).To(BeFalse())
	g.Expect(tokens.Open(sealed, []byte("here"))).To(Equal([]byte("content")))
	g.Expect(keyring(k, "tokens").Open(sealed, []byte("here"))).To(Equal([]byte("content")), "by another replica")

	_, err = tokens.Open(sealed, []byte("there"))
	g.Expect(err).To(MatchError(tokenvault.ErrNotSealed))
	_, err = keyring(k, "codes").Open(sealed, []byte("here"))
	g.Expect(err).To(MatchError(tokenvault.ErrUnknownKey))
	again, err := tokens.Seal([]byte("content"), []byte("here"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again).NotTo(Equal(sealed), "each has a nonce of its own")
}

func TestEveryChangedByteIsNoticed(t *testing.T) {
	g := NewWithT(t)
	k := &keys{}
	k.set(keyOne)
	r := keyring(k, "tokens")
	sealed, err := r.Seal([]byte("content"), nil)
	g.Expect(err).NotTo(HaveOccurred())
	for i := range sealed {
		for bit := range 8 {
			changed := bytes.Clone(sealed)
			changed[i] ^= 1 << bit
			_, err := r.Open(changed, nil)
			g.Expect(err).To(HaveOccurred(), "byte %d bit %d", i, bit)
		}
		_, err = r.Open(sealed[:i], nil)
		g.Expect(err).To(HaveOccurred(), "cut off at %d", i)
	}
}

func TestAKeyThatLeftTheFileOpensForTenMinutes(t *testing.T) {
	g := NewWithT(t)
	k, at := &keys{}, noon
	k.set(keyOne)
	r := tokenvault.NewKeyring(k, "tokens", func() time.Time { return at })
	sealed, err := r.Seal([]byte("content"), nil)
	g.Expect(err).NotTo(HaveOccurred())
	k.set(keyTwo)
	opens := func() bool { _, err := r.Open(sealed, nil); return err == nil }
	g.Expect(opens()).To(BeTrue())
	at = noon.Add(10*time.Minute - time.Second)
	g.Expect(opens()).To(BeTrue())
	at = noon.Add(10 * time.Minute)
	g.Expect(opens()).To(BeFalse())
	k.set(keyTwo, keyOne)
	g.Expect(opens()).To(BeTrue(), "it may come back")
	fresh, err := r.Seal([]byte("content"), nil)
	g.Expect(err).NotTo(HaveOccurred())
	k.set(keyTwo)
	g.Expect(keyring(k, "tokens").Open(fresh, nil)).To(Equal([]byte("content")), "the first key of the file seals")
}

func TestAKeyFileHoldsOneToFourKeys(t *testing.T) {
	for _, c := range []struct{ name, content, says string }{
		{"one", keyOne, ""},
		{"one with a line break", keyOne + "\n", ""},
		{"new and old", keyTwo + "\n\n" + keyOne + "\r\n", ""},
		{"empty", "\n", "is empty"},
		{"short", "secret-but-short", "line 1 holds 16 bytes"},
		{"a short second", keyOne + "\nshort", "line 2 holds 5 bytes"},
		{"long", strings.Repeat("x", 1025), "line 1 holds 1025 bytes"},
		{"five", strings.Repeat(keyOne+"\n", 5), "more than 4 keys"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			path := filepath.Join(t.TempDir(), "key")
			g.Expect(os.WriteFile(path, []byte(c.content), 0o600)).To(Succeed())
			_, err := tokenvault.KeyFile(path).Reload()
			if c.says == "" {
				g.Expect(err).NotTo(HaveOccurred())
				return
			}
			g.Expect(err).To(MatchError(And(ContainSubstring(c.says), Not(ContainSubstring("secret-but-short")))))
		})
	}
}

func TestNoTwoListsOfPartsAreOnePlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.SliceOfN(rapid.StringOfN(rapid.RuneFrom([]rune("a\x00{")), 0, 4, -1), 0, 4)
		a, b := part.Draw(t, "a"), part.Draw(t, "b")
		same := len(a) == len(b)
		for i := range a {
			same = same && a[i] == b[i]
		}
		if bytes.Equal(tokenvault.Place(a...), tokenvault.Place(b...)) != same {
			t.Fatalf("%q and %q", a, b)
		}
	})
}
