package preflight

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/supervisor/termination"
	"github.com/openimstack/openim-operator/wrapper/redisdb/redistest"
)

// pod is the folders and the environment of one pod.
type pod struct {
	Options
	log bytes.Buffer
}

func newPod(t *testing.T, files, env map[string]string, stores ...string) *pod {
	t.Helper()
	p, dir := &pod{}, t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	volume := t.TempDir()
	p.Options = Options{Stores: stores, ConfigDir: dir, AttemptsFile: filepath.Join(volume, "attempts"),
		TerminationLog: filepath.Join(volume, "log"), Getenv: func(name string) string { return env[name] }, Log: &p.log}
	return p
}

// TestAPodFromAWrongPasswordToTheRightOne is what a pod goes through: the first attempt names the reason, the second one starts while the
// password is wrong, and ends well when the store accepts it.
func TestAPodFromAWrongPasswordToTheRightOne(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t, "--appendonly", "yes")
	env := map[string]string{"IMENV_REDIS_PASSWORD": "sesame"}
	file := "address: [\"" + server.Address + "\"]\nusername: \"\"\npassword: \"\"\nclusterMode: false\ndb: 3\n"
	p := newPod(t, map[string]string{"redis.yml": file}, env, "redis")
	g.Expect(Run(t.Context(), p.Options)).To(MatchError("checking the stores: 1 of 1 cannot be used"))
	text, err := os.ReadFile(p.TerminationLog)
	g.Expect(err).NotTo(HaveOccurred())
	told, err := termination.DecodePreflight(string(text))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(told.Stores).To(ConsistOf(And(HaveField("Store", termination.Redis), HaveField("Reason", termination.AuthenticationFailed))))
	g.Expect(os.ReadFile(p.AttemptsFile)).To(BeEquivalentTo("1\n"))

	g.Expect(server.Client().ConfigSet(t.Context(), "requirepass", "sesame").Err()).To(Succeed())
	g.Expect(Run(t.Context(), p.Options)).To(Succeed())
	g.Expect(p.AttemptsFile).NotTo(BeAnExistingFile(), "the next start of the pod is a first attempt")
	g.Expect(p.log.String()).To(And(ContainSubstring("redis: AuthenticationFailed: "), ContainSubstring("redis: works"),
		Not(ContainSubstring("sesame"))))
}

func TestAPodThatIsDeletedLeavesNoMessage(t *testing.T) {
	g := NewWithT(t)
	p := newPod(t, map[string]string{"redis.yml": "address: [\"" + refused(t) + "\"]\n"}, nil, "redis")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	g.Expect(Run(ctx, p.Options)).To(MatchError(context.Canceled))
	g.Expect(p.TerminationLog).NotTo(BeAnExistingFile())
}

func TestSettingsThatCannotBeUsed(t *testing.T) {
	g := NewWithT(t)
	for name, c := range map[string]struct {
		stores []string
		files  map[string]string
		want   string
	}{
		"an unknown store": {[]string{"sesame"}, nil, "a store is unknown"},
		"a store twice":    {[]string{"redis", "redis"}, map[string]string{"redis.yml": "address: [a:1]\n"}, "named twice"},
		"no file":          {[]string{"redis"}, nil, "mount OpenIM's configuration"},
		"no YAML":          {[]string{"redis"}, map[string]string{"redis.yml": "password: [sesame"}, "not YAML"},
		"no address":       {[]string{"etcd"}, map[string]string{"discovery.yml": "etcd: {rootDirectory: x}\n"}, "1 to 64 addresses"},
		"no root":          {[]string{"etcd"}, map[string]string{"discovery.yml": "etcd: {address: [a:1]}\n"}, "rootDirectory"},
		"no topic":         {[]string{"kafka"}, map[string]string{"kafka.yml": "address: [a:1]\ntoRedisTopic: a\n"}, "four topics"},
		"no database":      {[]string{"mongodb"}, map[string]string{"mongodb.yml": "address: [a:1]\n"}, "database is missing"},
		"a huge file":      {[]string{"redis"}, map[string]string{"redis.yml": string(make([]byte, maxFileBytes+1))}, "larger than"},
	} {
		err := Run(t.Context(), newPod(t, c.files, nil, c.stores...).Options)
		g.Expect(err).To(MatchError(ContainSubstring(c.want)), name)
		g.Expect(err).NotTo(MatchError(ContainSubstring("sesame")), name)
	}
}

func TestAStackWithoutObjectStorage(t *testing.T) {
	p := newPod(t, map[string]string{"openim-rpc-third.yml": "object: {enable: \"\"}\n"}, nil, "object-storage")
	NewWithT(t).Expect(Run(t.Context(), p.Options)).To(Succeed())
}
