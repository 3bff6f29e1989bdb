package loopback

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"

	"github.com/openimstack/openim-operator/hack/cluster/component"
	"github.com/openimstack/openim-operator/hack/images/image"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/supervisor/freeport"
)

// Names of the stores.
const (
	Etcd         = "etcd"
	Redis        = "redis"
	WrapperRedis = "redis-wrapper"
	Kafka        = "kafka"
	MongoDB      = "mongodb"
	Files        = "s3"
)

var storeNames = []string{Etcd, Redis, WrapperRedis, Kafka, MongoDB, Files}

// Passwords and names of a stack. They are synthetic and used nowhere else.
const (
	RedisPassword        = "loopback-redis"
	WrapperRedisPassword = "loopback-redis-wrapper"
	ShareSecret          = "loopback-share"
	Database             = "openim_v3"
	etcdRoot             = "loopback"
	filesKey             = "loopback-files"
	filesSecret          = "loopback-files-secret"
	filesBucket          = "openim"
)

// build builds the programs into the cache.
func (s *Stack) build(ctx context.Context) error {
	root, err := component.Root()
	if err != nil {
		return err
	}
	specs := []component.Spec{component.Etcd(root), image.Kafka(root), image.FerretDB(root), image.MongoDB(root)}
	if s.options.Programs == "" {
		specs = append(specs, image.OpenIM(root))
	} else if s.bin["openim"], err = given(s.options.Programs); err != nil {
		return err
	}
	if s.options.Supervised {
		specs = append(specs, image.SupervisorProgram(root))
	}
	if w := s.options.Wrapper; w != nil && w.program() == "" {
		specs = append(specs, image.WrapperProgram(root))
	}
	if s.options.Files {
		specs = append(specs, image.S3(root))
	}
	for i := range specs {
		specs[i].Out = s.options.Progress
	}
	dirs, err := component.BuildAll(ctx, specs...)
	if err != nil {
		return err
	}
	for i, spec := range specs {
		s.bin[spec.Name] = dirs[i]
	}
	return nil
}

func (s *Stack) addStores(context.Context) ([]string, error) {
	redis, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, errors.New("redis-server is not installed: install Debian's package redis-server")
	}
	var etcdPeer string
	for _, address := range []*string{&s.Etcd, &etcdPeer, &s.Redis, &s.WrapperRedis, &s.Kafka, &s.MongoDB, &s.Files} {
		if *address, err = freeport.Take(); err != nil {
			return nil, err
		}
	}
	dirs := map[string]string{}
	for _, name := range storeNames {
		if dirs[name], err = s.data(name); err != nil {
			return nil, err
		}
	}
	names := []string{
		s.add(Etcd, s.etcd(etcdPeer, dirs[Etcd])),
		s.add(Redis, redisServer(redis, s.Redis, RedisPassword, dirs[Redis])),
		s.add(Kafka, s.kafka(dirs[Kafka])),
		s.add(MongoDB, program{path: filepath.Join(s.bin["mongodb"], "mongodb"), ready: accepts(s.MongoDB), args: []string{
			"--listen=" + s.MongoDB, "--ferretdb=" + filepath.Join(s.bin["ferretdb"], "ferretdb"), "--data-dir=" + dirs[MongoDB],
		}}),
	}
	if s.options.Wrapper != nil {
		names = append(names, s.add(WrapperRedis, redisServer(redis, s.WrapperRedis, WrapperRedisPassword, dirs[WrapperRedis])))
	}
	if s.options.Files {
		names = append(names, s.add(Files, program{
			path: filepath.Join(s.bin["s3"], "s3"), ready: serves(s.FilesURL() + "/healthz"),
			args: []string{"--listen=" + s.Files, "--data-dir=" + dirs[Files]},
			env:  []string{"S3_ACCESS_KEY=" + filesKey, "S3_SECRET_KEY=" + filesSecret},
		}))
	}
	return names, nil
}

// FilesURL returns the URL of the object store, for OpenIM and for clients.
func (s *Stack) FilesURL() string { return "http://" + s.Files }

// objectStorage returns the settings of the object store, nil without one.
func (s *Stack) objectStorage() *openim.ObjectStorageSettings {
	if !s.options.Files {
		return nil
	}
	return &openim.ObjectStorageSettings{InternalAddress: s.Files, ExternalAddress: s.FilesURL(), Bucket: filesBucket}
}

func (s *Stack) etcd(peer, dir string) program {
	scheme, ready, secure := "http", serves("http://"+s.Etcd+"/health"), []string(nil)
	if c := s.options.EtcdTLS; c != nil {
		scheme, ready, secure = "https", accepts(s.Etcd), []string{"--cert-file=" + c.Certificate, "--key-file=" + c.Key}
	}
	return program{path: filepath.Join(s.bin["etcd"], "etcd"), ready: ready, args: append([]string{
		"--data-dir=" + dir,
		"--unsafe-no-fsync",
		"--log-level=warn",
		"--listen-client-urls=" + scheme + "://" + s.Etcd,
		"--advertise-client-urls=" + scheme + "://" + s.Etcd,
		"--listen-peer-urls=http://" + peer,
		"--initial-advertise-peer-urls=http://" + peer,
		"--initial-cluster=default=http://" + peer,
	}, secure...)}
}

func (s *Stack) kafka(dir string) program {
	args := []string{"--listen=" + s.Kafka, "--advertise=" + s.Kafka, "--data-dir=" + dir}
	if c := s.options.SecureKafka; c != nil {
		args = append(args, "--tls-cert="+c.Certificate, "--tls-key="+c.Key, "--tls-client-ca="+c.ClientCA, "--users="+c.Users)
	}
	return program{path: filepath.Join(s.bin["kafka"], "kafka"), ready: accepts(s.Kafka), args: args}
}

func redisServer(path, address, password, dir string) program {
	host, port, _ := net.SplitHostPort(address) // as free gave it
	return program{path: path, ready: accepts(address), args: []string{
		"--bind", host, "--port", port, "--requirepass", password, "--appendonly", "yes", "--dir", dir,
	}}
}

// RedisCLI runs a command of Debian's redis-cli on OpenIM's Redis and returns its output.
func (s *Stack) RedisCLI(ctx context.Context, args ...string) (string, error) {
	return redisCLI(ctx, s.Redis, RedisPassword, args...)
}

// WrapperRedisCLI is RedisCLI on the wrapper's own Redis.
func (s *Stack) WrapperRedisCLI(ctx context.Context, args ...string) (string, error) {
	return redisCLI(ctx, s.WrapperRedis, WrapperRedisPassword, args...)
}

func redisCLI(ctx context.Context, address, password string, args ...string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "redis-cli", append([]string{"-h", host, "-p", port, "--no-auth-warning"}, args...)...)
	cmd.Env = []string{"REDISCLI_AUTH=" + password}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("redis-cli %s: %w: %.300s", args[0], err, out)
	}
	return string(out), nil
}
