package devices_test

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/devices"
)

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAConnectionStringIsMadeOfItsParts(t *testing.T) {
	for _, c := range []struct {
		name   string
		config devices.Config
		want   string
	}{
		{"as in a file", devices.Config{URIFile: write(t, "uri", "mongodb://u:p@a:1,b:2/admin?replicaSet=rs\n"), Database: "d"},
			"mongodb://u:p@a:1,b:2/admin?replicaSet=rs"},
		{"addresses alone", devices.Config{Addresses: []string{"a:1", "b:2"}, Database: "d"}, "mongodb://a:1,b:2/d"},
		{"credentials with signs", devices.Config{
			Addresses: []string{"a:1"}, UsernameFile: write(t, "user", "us er\n"), PasswordFile: write(t, "password", "p@:/?#%w\n"), Database: "d",
		}, "mongodb://us%20er:p%40%3A%2F%3F%23%25w@a:1/d"},
		{"a user of another database", devices.Config{
			Addresses: []string{"a:1"}, UsernameFile: write(t, "user", "u"), PasswordFile: write(t, "password", "p"), Database: "d",
			AuthSource: "admin",
		}, "mongodb://u:p@a:1/d?authSource=admin"},
		{"options and a user of another database", devices.Config{
			Addresses: []string{"a:1"}, UsernameFile: write(t, "user", "u"), PasswordFile: write(t, "password", "p?w"), Database: "d",
			AuthSource: "admin", Options: "replicaSet=rs&tls=true",
		}, "mongodb://u:p%3Fw@a:1/d?authSource=admin&replicaSet=rs&tls=true"},
		{"options beside a connection string", devices.Config{
			URIFile: write(t, "uri", "mongodb://u:p@a:1\n"), Database: "d", Options: "tls=true",
		}, "mongodb://u:p@a:1/?tls=true"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			source := devices.Source(&c.config)
			if source != nil {
				_, err := source.Reload()
				g.Expect(err).NotTo(HaveOccurred())
			}
			g.Expect(devices.Address(&c.config, source).Get()).To(Equal(c.want))
		})
	}
}

func TestAFileWithoutAConnectionStringIsRefusedWithoutRepeatingIt(t *testing.T) {
	g := NewWithT(t)
	for _, content := range []string{"", "secret-password", "redis://secret-password@a:1"} {
		c := devices.Config{URIFile: write(t, "uri", content), Database: "d"}
		_, err := devices.Source(&c).Reload()
		g.Expect(err).To(MatchError(And(ContainSubstring("write mongodb://"), Not(ContainSubstring("secret-password")))))
	}
}
