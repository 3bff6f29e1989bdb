package mongouri_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
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
		"mongodb://h/?w=1&SSL=true":                 {On: true},
		"mongodb://h/?tls=True":                     {Off: true}, // the driver refuses it
		"mongodb://h/?w=1;tls=false":                {Off: true},
		"mongodb://h/?w=1;tlsInsecure=true":         {More: true},
		"mongodb://h/?tls=true;tlsCAFile=%2Fca":     {On: true, More: true},
		"mongodb://h/?%74ls=false":                  {Off: true},
		"mongodb://h/?%54LSInsecure=true":           {More: true},
		"mongodb://h/?tls=%66alse":                  {Off: true},
		"mongodb://h/?tls=%74rue":                   {On: true},
		"mongodb://h/?w=1;%73sl=true":               {On: true},
		"mongodb://h/?w=1%3Btls=false":              {}, // a value that holds a semicolon
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

// What is judged is where the driver connects to.
func TestHostsAndDatabaseAreThoseOfTheDriver(t *testing.T) {
	for uri, want := range map[string]struct {
		hosts    []string
		database string
	}{
		"mongodb://h":                  {[]string{"h"}, ""},
		"mongodb://u:p@h:1,i:2/db?w=1": {[]string{"h:1", "i:2"}, "db"},
		"mongodb://claimed?x@real/db":  {[]string{"real"}, "db"},
		"mongodb://u:p?x/y@h/db":       {},
		"mongodb://u:a?b@h/db":         {[]string{"h"}, "db"},
		"mongodb://%68ost:1/%64b":      {[]string{"host:1"}, "db"},
		"mongodb://h,,i/":              {[]string{"h", "i"}, ""},
		"mongodb://h/a+b":              {[]string{"h"}, "a b"},
		"mongodb://h?w=1":              {},
		"mongodb://u@v@h/":             {},
		"mongodb://u:p:q@h/":           {},
		"mongodb://h/?x=a@other/":      {},
		"mongodb://,":                  {},
		"":                             {},
		"h":                            {},
	} {
		g := NewWithT(t)
		hosts, ok := mongouri.Hosts(uri)
		g.Expect(ok).To(Equal(want.hosts != nil), uri)
		g.Expect(hosts).To(Equal(want.hosts), uri)
		if ok {
			database, ok := mongouri.Database(uri)
			g.Expect(ok).To(BeTrue(), uri)
			g.Expect(database).To(Equal(want.database), uri)
			driver, err := connstring.Parse(uri)
			g.Expect(err).NotTo(HaveOccurred(), uri)
			g.Expect(driver.Hosts).To(Equal(hosts), uri)
			g.Expect(driver.Database).To(Equal(database), uri)
		}
	}
}

// FuzzReading looks for a string that is read in another way than the driver reads it. mongodb+srv needs DNS, and the
// operator refuses it.
func FuzzReading(f *testing.F) {
	for _, seed := range []string{
		"mongodb://a", "mongodb://a/?w=1;tls=true", "mongodb://a/?%74ls=true", "mongodb://a?b@c/d", "mongodb://a/?tlsInsecure=true&tls=true",
		"mongodb://a/?SSL=true;;&w=1", "mongodb://a/?tlsDisableOCSPEndpointCheck=true", "mongodb://u:p@h1,h2/%64b?t%6Cs=false",
		"mongodb://u:p@[::1]:1/?appName=a%26tls%3Dfalse", "mongodb://a/?\u212Awhat=1&tl\u017f=true", "mongodb://a/?tls=true&ssl=true",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		if !strings.HasPrefix(uri, "mongodb://") {
			return
		}
		driver, err := connstring.Parse(uri)
		if err != nil {
			return
		}
		hosts, ok := mongouri.Hosts(uri)
		if ok != (len(driver.Hosts) > 0) || !slices.Equal(hosts, driver.Hosts) {
			t.Fatalf("%q has the hosts %q for the driver, not %q", uri, driver.Hosts, hosts)
		}
		if database, ok := mongouri.Database(uri); !ok || database != driver.Database {
			t.Fatalf("%q has the database %q for the driver, not %q", uri, driver.Database, database)
		}
		said := mongouri.TLSOf(uri)
		files := driver.SSLCaFileSet || driver.SSLClientCertificateKeyFileSet || driver.SSLCertificateFileSet || driver.SSLPrivateKeyFileSet
		more := files || driver.SSLInsecureSet || driver.SSLDisableOCSPEndpointCheckSet || driver.SSLClientCertificateKeyPasswordSet
		// Other options of TLS turn it on, too.
		if driver.SSLSet && !more && (driver.SSL != said.On || driver.SSL == said.Off) || more && !said.More {
			t.Fatalf("%q is read as %+v", uri, said)
		}
	})
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
		"mongodb://a/?tls=false", "mongodb://a/?w=1;", "mongodb://u:a?b@c/d", "mongodb://a/?w=1#x",
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
