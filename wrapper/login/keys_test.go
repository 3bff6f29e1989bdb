package login

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/handshake"
)

func keyFolder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestKeysAreReadInBothForms(t *testing.T) {
	g := NewWithT(t)
	a, b := newKey(t), newKey(t)
	source := NewKeys(keyFolder(t, map[string]string{
		"b": hex.EncodeToString(b.Bytes()),
		"a": base64.RawURLEncoding.EncodeToString(a.Bytes()) + "\r\n",
	}))
	g.Expect(source.Reload()).To(BeTrue())
	keys, err := source.Get()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(keys.Published()).To(Equal([]handshake.ServerKey{
		{ID: handshake.PublicOf(a).ID(), Key: handshake.PublicOf(a).String()},
		{ID: handshake.PublicOf(b).ID(), Key: handshake.PublicOf(b).String()},
	}), "in the order of the files' names")
	g.Expect(fmt.Sprintf("%v/%+v/%#v/%s", keys, keys, keys, keys)).To(Equal("2 login keys/2 login keys/2 login keys/2 login keys"))
}

func TestAFolderWithABadKeyIsRefusedWhole(t *testing.T) {
	good := base64.RawURLEncoding.EncodeToString(newKey(t).Bytes())
	for name, c := range map[string]struct {
		files map[string]string
		says  string
	}{
		"no key":             {map[string]string{}, "holds no key"},
		"five keys":          {map[string]string{"a": "", "b": "", "c": "", "d": "", "e": ""}, "more than 4"},
		"the same twice":     {map[string]string{"a": good, "b": good + "\n"}, "b: holds the same key"},
		"the same in hex":    {map[string]string{"a": good, "b": hexOf(t, good)}, "b: holds the same key"},
		"a placeholder":      {map[string]string{"a": strings.Repeat("0", 64)}, "placeholder"},
		"another":            {map[string]string{"a": strings.Repeat("ff", 32)}, "placeholder"},
		"empty":              {map[string]string{"a": good, "b": ""}, "b: not a key"},
		"too short":          {map[string]string{"a": good[:42]}, "a: not a key"},
		"with padding":       {map[string]string{"a": good + "="}, "a: not a key"},
		"raw bytes":          {map[string]string{"a": strings.Repeat("\x01\x02", 16)}, "a: not a key"},
		"a line break in it": {map[string]string{"a": good[:20] + "\n" + good[21:]}, "a: not a key"},
		"not hexadecimal":    {map[string]string{"a": strings.Repeat("xy", 32)}, "a: not a key"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			keys := NewKeys(keyFolder(t, c.files))
			_, err := keys.Reload()
			g.Expect(err).To(MatchError(ContainSubstring(c.says)))
			for _, content := range c.files {
				if len(content) > 8 {
					g.Expect(err.Error()).NotTo(ContainSubstring(content[:8]), "what was read is not repeated")
				}
			}
			_, err = keys.Get()
			g.Expect(err).To(HaveOccurred())
		})
	}
}

func hexOf(t *testing.T, text string) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(raw)
}
