package supervisor

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/supervisor/termination"
)

func words(extra ...string) []string {
	return append(extra, "--key=openim.im.chat/user", "--host=10.0.0.7", "--listen=grpc:10320", "--listen=metrics:12320",
		"--etcd=etcd.infra.svc:2379", "--etcd=[fd00::2]:2379", "--store=redis=redis.infra.svc:6379", "--health=:12900", "--restore-after=15s",
		"--start-timeout=5m0s", "--", "/openim-server/*/openim-rpc-user", "-i", "0", "-c", "/etc/openim")
}

func TestTheArguments(t *testing.T) {
	g := NewWithT(t)
	a, err := ParseArguments(words())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(a).To(Equal(Arguments{
		Key: "openim.im.chat/user", Host: "10.0.0.7", Listen: []Listen{{GRPC, 10320}, {Metrics, 12320}},
		Etcd: []string{"etcd.infra.svc:2379", "[fd00::2]:2379"}, Stores: []Store{{termination.Redis, "redis.infra.svc:6379"}}, Health: ":12900",
		RestoreAfter: 15 * time.Second, StartTimeout: 5 * time.Minute,
		Program: []string{"/openim-server/*/openim-rpc-user", "-i", "0", "-c", "/etc/openim"},
	}))
}

func TestEtcdWithTLSHasAScheme(t *testing.T) {
	g := NewWithT(t)
	a, err := ParseArguments([]string{"--key=openim.im.chat", "--etcd=https://a:1", "--etcd=https://[fd00::2]:2", "--health=:1", "--", "/p"})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(a.Etcd).To(Equal([]string{"a:1", "[fd00::2]:2"}))
	g.Expect(a.EtcdTLS).To(BeTrue())
}

func TestTheKeyIsWhatOpenIMWrites(t *testing.T) {
	for _, c := range []struct {
		host     string
		brackets bool
		key      string
	}{
		{"10.0.0.7", false, "openim.im.chat/user/10.0.0.7:10320"},
		{"10.0.0.7", true, "openim.im.chat/user/10.0.0.7:10320"},
		{"fd00::7", false, "openim.im.chat/user/fd00::7:10320"},
		{"fd00::7", true, "openim.im.chat/user/[fd00::7]:10320"},
	} {
		a := Arguments{Key: "openim.im.chat/user", Host: c.host, BracketIPv6: c.brackets, Listen: []Listen{{Metrics, 12320}, {GRPC, 10320}}}
		NewWithT(t).Expect(a.key()).To(Equal(c.key))
	}
	NewWithT(t).Expect((&Arguments{Key: "openim.im.chat", Listen: []Listen{{HTTP, 10002}}}).key()).To(Equal("openim.im.chat/"))
}

func TestArgumentsThatMeanNothingAreRefused(t *testing.T) {
	for name, bad := range map[string][]string{
		"nothing":                nil,
		"an unknown flag":        words("--force"),
		"no program":             {"--key=a", "--etcd=a:1", "--health=:1"},
		"an unknown kind":        words("--listen=udp:1"),
		"a kind twice":           words("--listen=grpc:1"),
		"port 0":                 words("--listen=http:0"),
		"port 65536":             words("--listen=http:65536"),
		"a store without a name": words("--store==a:1"),
		"a store without a port": words("--store=redis=a"),
		"etcd without a host":    words("--etcd=:2379"),
		"etcd half with TLS":     words("--etcd=https://a:1"),
		"etcd by another scheme": words("--etcd=http://a:1"),
		"a negative pause":       append([]string{"--restore-after=-1s"}, words()[9:]...),
		"a long word":            words("--store=redis=" + strings.Repeat("a", maxText) + ":1"),
		"a NUL":                  words("--host=\x00"),
		"too many words":         append(words(), make([]string, maxStores+maxWords)...),
		"no key":                 {"--etcd=a:1", "--health=:1", "--", "p"},
		"a key with a slash":     {"--key=a/", "--etcd=a:1", "--health=:1", "--", "p"},
		"no etcd":                {"--key=a", "--health=:1", "--", "p"},
		"no health":              {"--key=a", "--etcd=a:1", "--", "p"},
		"no address of the pod":  {"--key=a", "--etcd=a:1", "--health=:1", "--listen=grpc:1", "--", "p"},
		"a short start":          {"--key=a", "--etcd=a:1", "--health=:1", "--start-timeout=1ms", "--", "p"},
	} {
		_, err := ParseArguments(bad)
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring("parsing the arguments: ")), name)
	}
}

func FuzzParseArguments(f *testing.F) {
	f.Add(strings.Join(words(), "\n"))
	f.Add("--listen=grpc:1\n--etcd=[::1]:2\n--\np")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseArguments(strings.Split(text, "\n"))
		if err != nil {
			return
		}
		g := NewWithT(t)
		g.Expect(a.Program).NotTo(BeEmpty())
		g.Expect(a.Etcd).NotTo(BeEmpty())
		g.Expect(a.key()).NotTo(BeEmpty())
		g.Expect(len(a.Stores) + len(a.Etcd)).To(BeNumerically("<=", maxStores))
	})
}

func TestHelpIsNoFailure(t *testing.T) {
	g := NewWithT(t)
	g.Expect(Run([]string{"--help"}, Options{})).To(Equal(0))
	var out strings.Builder
	(&Arguments{}).usage(&out)
	g.Expect(out.String()).To(And(HavePrefix("usage: supervisor FLAGS PROGRAM"), ContainSubstring("-restore-after duration")))
}
