package proof

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/openimstack/openim-operator/controllers/openim"
	"github.com/openimstack/openim-operator/hack/cluster/component"
	"github.com/openimstack/openim-operator/hack/images/image"
)

const (
	redisPassword = "proof-redis"
	shareSecret   = "proof-share"
)

// stack is a running OpenIM with its stores.
type stack struct {
	t         *testing.T        // that the processes end with
	bin       map[string]string // component to folder
	dir       string
	redis     string // address
	processes map[string]*process
	start     map[string]func() // again
}

// newStack builds what is missing and starts everything: the stores, then the twelve processes with the configuration that
// the operator would give them.
func newStack(t *testing.T) *stack {
	if os.Getenv("OPENIM_PROOF") == "" {
		t.Skip("set OPENIM_PROOF=1 to run the real OpenIM here: it builds what is not in the cache, which takes minutes")
	}
	redis, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal("redis-server is not installed: install Debian's package redis-server")
	}
	root, err := component.Root()
	if err != nil {
		t.Fatal(err)
	}
	specs := []component.Spec{component.Etcd(root), image.Kafka(root), image.FerretDB(root), image.MongoDB(root), image.OpenIM(root)}
	dirs, err := component.BuildAll(t.Context(), specs...)
	if err != nil {
		t.Fatal(err)
	}
	s := &stack{t: t, bin: map[string]string{}, dir: t.TempDir(), processes: map[string]*process{}, start: map[string]func(){}}
	for i, spec := range specs {
		s.bin[spec.Name] = dirs[i]
	}
	release, err := openim.ParseRelease("v3.8.3")
	if err != nil {
		t.Fatal(err)
	}

	etcd, etcdPeer, kafka, mongo := free(t), free(t), free(t), free(t)
	s.redis = free(t)
	s.add("etcd", func(t *testing.T) *process {
		return run(t, "etcd", serves("http://"+etcd+"/health"), nil, filepath.Join(s.bin["etcd"], "etcd"),
			"--data-dir="+s.data(t, "etcd"), "--unsafe-no-fsync", "--log-level=warn",
			"--listen-client-urls=http://"+etcd, "--advertise-client-urls=http://"+etcd,
			"--listen-peer-urls=http://"+etcdPeer, "--initial-advertise-peer-urls=http://"+etcdPeer, "--initial-cluster=default=http://"+etcdPeer)
	})
	s.add("redis", func(t *testing.T) *process {
		host, port := split(t, s.redis)
		return run(t, "redis", accepts(s.redis), nil, redis,
			"--bind", host, "--port", port, "--requirepass", redisPassword, "--appendonly", "yes", "--dir", s.data(t, "redis"))
	})
	s.add("kafka", func(t *testing.T) *process {
		return run(t, "kafka", accepts(kafka), nil, filepath.Join(s.bin["kafka"], "kafka"),
			"--listen="+kafka, "--advertise="+kafka, "--data-dir="+s.data(t, "kafka"))
	})
	s.add("mongodb", func(t *testing.T) *process {
		return run(t, "mongodb", accepts(mongo), nil, filepath.Join(s.bin["mongodb"], "mongodb"),
			"--listen="+mongo, "--ferretdb="+filepath.Join(s.bin["ferretdb"], "ferretdb"), "--data-dir="+s.data(t, "mongodb"))
	})

	settings := openim.Settings{
		Release: release, Brokers: []string{kafka}, RedisAddresses: []string{s.redis}, EtcdEndpoints: []string{etcd}, EtcdRoot: "proof",
		MongoDB: openim.MongoDBSettings{Addresses: []string{mongo}, Database: "openim_v3"},
	}
	for _, p := range openim.Processes() {
		s.addProcess(t, p, settings)
	}
	old, _ := filepath.Glob(filepath.Join(logs(t), "*.log"))
	for _, file := range old {
		_ = os.Remove(file)
	}
	for _, name := range []string{"etcd", "redis", "kafka", "mongodb"} {
		s.start[name]()
	}
	for _, p := range openim.Processes() {
		s.start[string(p.Name)]()
	}
	return s
}

func (s *stack) add(name string, start func(*testing.T) *process) {
	s.start[name] = func() { s.processes[name] = start(s.t) }
}

func (s *stack) addProcess(t *testing.T, p openim.Process, settings openim.Settings) {
	files, err := openim.Render(p, settings)
	if err != nil {
		t.Fatal(err)
	}
	config := s.data(t, "config-"+string(p.Name))
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(config, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{
		openim.EnvName(openim.RedisFile, openim.KeyPassword) + "=" + redisPassword,
		openim.EnvName(openim.ShareFile, openim.KeySecret) + "=" + shareSecret,
		openim.EnvName(p.OwnFile(), openim.KeyRegisterIP) + "=127.0.0.1",
	}
	if p.Name == openim.CronTask { // its jobs shall run while the test does, and say so
		env = append(env, openim.EnvName(p.OwnFile(), "cronExecuteTime")+"=@every 2s", openim.EnvName(openim.LogFile, "remainLogLevel")+"=6")
	}
	ready := atOnce
	if metrics, ok := p.Port(openim.Metrics); ok {
		ready = serves(fmt.Sprintf("http://127.0.0.1:%d/metrics", metrics.Number))
	}
	for _, port := range p.Ports {
		if err := vacant(port.Number); err != nil {
			t.Fatal(err)
		}
	}
	s.add(string(p.Name), func(t *testing.T) *process {
		return run(t, string(p.Name), ready, env, filepath.Join(s.bin["openim"], p.Binary), "-c", config)
	})
}

// data is a folder that survives restarts of its process.
func (s *stack) data(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(s.dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// restart ends a process and starts it on the same data.
func (s *stack) restart(t *testing.T, name string) {
	t.Helper()
	s.processes[name].stop(t)
	s.start[name]()
}
