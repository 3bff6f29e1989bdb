package mongouri_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"

	"github.com/openimstack/openim-operator/mongouri"
)

func TestOptionsAreAppended(t *testing.T) {
	for uri, want := range map[string]string{
		"mongodb://h":                     "mongodb://h/?a=b",
		"mongodb://u:p@h:1,i:2":           "mongodb://u:p@h:1,i:2/?a=b",
		"mongodb://h/":                    "mongodb://h/?a=b",
		"mongodb://h/db":                  "mongodb://h/db?a=b",
		"mongodb://h/db?":                 "mongodb://h/db?a=b",
		"mongodb://h/?w=1":                "mongodb://h/?w=1&a=b",
		"mongodb://h/?w=1&":               "mongodb://h/?w=1&a=b",
		"mongodb+srv://h":                 "mongodb+srv://h/?a=b",
		"mongodb://h/?tlsCAFile=/x/y.crt": "mongodb://h/?tlsCAFile=/x/y.crt&a=b",
	} {
		NewWithT(t).Expect(uri + mongouri.Suffix(uri, "a=b")).To(Equal(want))
		NewWithT(t).Expect(mongouri.Suffix(uri, "")).To(BeEmpty())
	}
}

func TestWhatAConnectionStringSaysOfTLS(t *testing.T) {
	for uri, want := range map[string]mongouri.TLS{
		"mongodb://tls=true@h/tls":                  {},
		"mongodb://h/?tls=true":                     {On: true},
		"mongodb://h/?w=1&SSL=True":                 {On: true},
		"mongodb://h/?ssl=false":                    {Off: true},
		"mongodb://h/?tls=":                         {Off: true},
		"mongodb://h/?tls=true&ssl=false":           {On: true, Off: true},
		"mongodb://h/?tls=true&tlscafile=/ca.crt":   {On: true, More: true},
		"mongodb://h/?sslClientCertificateKeyFile=": {More: true},
		"mongodb://h/?tlsInsecure=true":             {More: true},
	} {
		NewWithT(t).Expect(mongouri.TLSOf(uri)).To(Equal(want), uri)
	}
}

// What the driver accepts it accepts with more options, as the same servers, database and user, and with TLS.
func FuzzSuffix(f *testing.F) {
	authority := filepath.Join(f.TempDir(), "ca.crt")
	if err := os.WriteFile(authority, nil, 0o600); err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		"mongodb://a", "mongodb://a:1,b:2/db?w=1", "mongodb://user:p%40ss@host:27017/db", "mongodb://[::1]:27017/?",
		"mongodb://a/?&", "mongodb://a/d?w=1&",
		"mongodb://u:p@h1,h2/?authSource=admin&replicaSet=rs", "mongodb://a?w=1", "mongodb://%2Ftmp%2Fx.sock", "", "mongodb://a/?ssl=true",
		"mongodb://a/?tls=false", "mongodb://u:a?b@c/d", "mongodb://a/?w=1#x",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		before, err := connstring.Parse(uri)
		said := mongouri.TLSOf(uri)
		if err != nil || said.Off || said.More || before.SSLSet != said.On {
			return // another form than the operator composes
		}
		after, err := connstring.Parse(uri + mongouri.Suffix(uri, "tls=true&appName=added"))
		if err != nil {
			t.Fatalf("%q is refused with more options: %v", uri, err)
		}
		if !after.SSL || after.AppName != "added" || !slices.Equal(before.Hosts, after.Hosts) || before.Database != after.Database ||
			before.Username != after.Username || before.Password != after.Password {
			t.Fatalf("%q is another one with more options", uri)
		}
	})
}
