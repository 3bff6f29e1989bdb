package preflight

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/openim"
)

// rendered writes the files that the operator renders for a process to a folder.
func rendered(t *testing.T, p openim.Process, s openim.Settings) string {
	t.Helper()
	files, err := openim.Render(p, s)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// releases returns one release of each form of the files.
func releases(t *testing.T) []openim.Release {
	t.Helper()
	var all []openim.Release
	for _, tag := range []string{"v3.8.3", "v3.8.3-patch.5", "v3.8.3-patch.12", "v3.8.3-patch.16"} {
		release, err := openim.ParseRelease(tag)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, release)
	}
	return all
}

// TestTheOperatorsFilesAreRead: what the operator renders and passes in the environment is what is checked, for every process.
func TestTheOperatorsFilesAreRead(t *testing.T) {
	env := map[string]string{}
	for _, v := range []struct {
		file       openim.File
		key, value string
	}{
		{openim.DiscoveryFile, openim.KeyEtcdUsername, "etcd-user"}, {openim.DiscoveryFile, openim.KeyEtcdPassword, "etcd-password"},
		{openim.RedisFile, openim.KeyUsername, "redis-user"}, {openim.RedisFile, openim.KeyPassword, "redis-password"},
		{openim.MongoDBFile, openim.KeyUsername, "mongo-user"}, {openim.MongoDBFile, openim.KeyPassword, "mongo-password"},
		{openim.KafkaFile, openim.KeyUsername, "kafka-user"}, {openim.KafkaFile, openim.KeyPassword, "kafka-password"},
		{openim.MinIOFile, openim.KeyAccessKeyID, "key"}, {openim.MinIOFile, openim.KeySecretAccessKey, "secret-key"},
	} {
		env[openim.EnvName(v.file, v.key)] = v.value
	}
	for _, release := range releases(t) {
		for _, p := range openim.Processes() {
			g := NewWithT(t)
			s := settings{getenv: func(name string) string { return env[name] }, dir: rendered(t, p, openim.Settings{
				Release: release, Brokers: []string{"k1:9092", "k2:9092"}, TopicPrefix: "ns.chat.",
				RedisAddresses: []string{"r:6379"}, RedisDatabase: 3,
				EtcdEndpoints: []string{"e:2379"}, EtcdRoot: "openim.ns.chat",
				MongoDB:       openim.MongoDBSettings{Addresses: []string{"m:27017"}, Database: "db", AuthSource: "admin", Credentials: true},
				ObjectStorage: &openim.ObjectStorageSettings{InternalAddress: "s:9000", ExternalAddress: "https://x", Bucket: "bucket"},
			})}
			var names []string
			for _, d := range p.Dependencies {
				names = append(names, string(d))
			}
			checks, err := s.checks(names)
			g.Expect(err).NotTo(HaveOccurred(), string(p.Name))
			g.Expect(checks).To(HaveLen(len(names)))
			g.Expect(s.etcd()).To(Equal(etcd{endpoints: []string{"e:2379"}, root: "openim.ns.chat",
				username: "etcd-user", password: "etcd-password"}))
			if p.Reads(openim.RedisFile) {
				g.Expect(s.redis()).To(Equal(redisStore{addresses: []string{"r:6379"}, database: 3,
					username: "redis-user", password: "redis-password"}))
			}
			if p.Reads(openim.MongoDBFile) {
				g.Expect(s.mongoDB()).To(Equal(mongoDB{addresses: []string{"m:27017"}, database: "db", authSource: "admin",
					username: "mongo-user", password: "mongo-password"}))
			}
			if p.Reads(openim.KafkaFile) {
				g.Expect(s.kafka()).To(Equal(kafka{addresses: []string{"k1:9092", "k2:9092"}, username: "kafka-user", password: "kafka-password",
					topics: []string{"ns.chat.toRedis", "ns.chat.toMongo", "ns.chat.toPush", "ns.chat.toOfflinePush"}}))
			}
			if p.Reads(openim.MinIOFile) {
				g.Expect(s.objectStorage()).To(Equal(objectStorage{kind: kindMinIO, address: "http://s:9000", bucket: "bucket",
					accessKey: "key", secretKey: "secret-key"}))
			}
		}
	}
}

func TestARedisClusterAndAConnectionString(t *testing.T) {
	p, _ := openim.Lookup(openim.RPCUser)
	for _, release := range releases(t) {
		g := NewWithT(t)
		s := settings{getenv: func(name string) string {
			return map[string]string{openim.EnvName(openim.MongoDBFile, openim.KeyURI): "mongodb://u:p@m/db"}[name]
		}, dir: rendered(t, p, openim.Settings{
			Release: release, RedisAddresses: []string{"r1:6379", "r2:6379"}, EtcdEndpoints: []string{"e:2379"}, EtcdRoot: "x", EtcdTLS: true,
			MongoDB: openim.MongoDBSettings{Database: "db"},
		})}
		g.Expect(s.redis()).To(Equal(redisStore{addresses: []string{"r1:6379", "r2:6379"}, cluster: true}))
		g.Expect(s.etcd()).To(Equal(etcd{endpoints: []string{"e:2379"}, root: "x", tls: true}))
		g.Expect(s.mongoDB()).To(Equal(mongoDB{uri: "mongodb://u:p@m/db", addresses: []string{}, database: "db", authSource: "db"}))
	}
}

func TestTLSOfKafkaIsRead(t *testing.T) {
	const dir = "/etc/openim-secrets/kafka/"
	for _, release := range releases(t) {
		for _, p := range openim.Processes() {
			if !p.Reads(openim.KafkaFile) {
				continue
			}
			for _, c := range []struct {
				spec *openim.KafkaTLS
				want *tlsFiles
			}{
				{nil, nil}, {&openim.KafkaTLS{}, &tlsFiles{}}, {&openim.KafkaTLS{Unverified: true}, &tlsFiles{insecure: true}},
				{&openim.KafkaTLS{Authority: true}, &tlsFiles{authority: dir + "ca.crt"}},
				{&openim.KafkaTLS{Authority: true, Certificate: true},
					&tlsFiles{authority: dir + "ca.crt", certificate: dir + "tls.crt", key: dir + "tls.key"}},
			} {
				g := NewWithT(t)
				s := settings{getenv: func(string) string { return "" }, dir: rendered(t, p, openim.Settings{
					Release: release, Brokers: []string{"k:9092"}, TopicPrefix: "ns.chat.", KafkaTLS: c.spec,
				})}
				k, err := s.kafka()
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(k.tls).To(Equal(c.want), "%s of %s", p.Name, release.Tag)
			}
		}
	}
}

// Each kind of object store that the operator renders is checked at the address that OpenIM's client uses, with its credentials.
func TestEachKindOfObjectStoreIsRead(t *testing.T) {
	p, _ := openim.Lookup(openim.RPCThird)
	for _, release := range releases(t) {
		for _, c := range []struct {
			settings *openim.ObjectStorageSettings
			want     objectStorage
		}{
			{nil, objectStorage{}},
			{&openim.ObjectStorageSettings{InternalAddress: "s:443", Bucket: "b", TLS: true},
				objectStorage{kind: kindMinIO, address: "https://s:443", bucket: "b", accessKey: "id", secretKey: "sesame"}},
			{&openim.ObjectStorageSettings{Kind: openim.StorageAWS, Region: "eu-central-1", Bucket: "b"}, objectStorage{kind: kindAWS,
				address: "https://b.s3.eu-central-1.amazonaws.com", bucket: "b", region: "eu-central-1", accessKey: "id", secretKey: "sesame"}},
			{&openim.ObjectStorageSettings{Kind: openim.StorageCOS, BucketURL: "https://b.example.com"},
				objectStorage{kind: kindCOS, address: "https://b.example.com", bucket: "https://b.example.com", accessKey: "id", secretKey: "sesame"}},
			{&openim.ObjectStorageSettings{Kind: openim.StorageOSS, Endpoint: "https://oss.example.com", BucketURL: "https://x", Bucket: "b"},
				objectStorage{kind: kindOSS, address: "https://b.oss.example.com", bucket: "b", accessKey: "id", secretKey: "sesame"}},
			{&openim.ObjectStorageSettings{Kind: openim.StorageKodo, Endpoint: "https://s3.example.com", BucketURL: "https://x", Bucket: "b"},
				objectStorage{kind: kindKodo, address: "https://b.s3.example.com", bucket: "b", region: "b", accessKey: "id", secretKey: "sesame"}},
		} {
			g := NewWithT(t)
			env := map[string]string{}
			if c.settings != nil {
				id, secret := c.settings.CredentialsEnv()
				env[id], env[secret] = "id", "sesame"
			}
			s := settings{getenv: func(name string) string { return env[name] }, dir: rendered(t, p, openim.Settings{
				Release: release, RedisAddresses: []string{"r:6379"}, MongoDB: openim.MongoDBSettings{Database: "db"}, ObjectStorage: c.settings,
			})}
			g.Expect(s.objectStorage()).To(Equal(c.want), release.Tag)
			checks, err := s.checks([]string{"object-storage"})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(checks).To(HaveLen(map[bool]int{true: 1}[c.settings != nil]))
		}
	}
}

func TestAnUnknownKindOfObjectStoreIsNamed(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	g.Expect(os.WriteFile(filepath.Join(dir, "openim-rpc-third.yml"), []byte("object: {enable: tape}"), 0o600)).To(Succeed())
	_, err := settings{dir: dir, getenv: os.Getenv}.objectStorage()
	g.Expect(err).To(MatchError(ContainSubstring("object.enable is none of the known kinds")))
	g.Expect(os.WriteFile(filepath.Join(dir, "openim-rpc-third.yml"), []byte("object: {enable: minio}"), 0o600)).To(Succeed())
	g.Expect(os.WriteFile(filepath.Join(dir, "minio.yml"), []byte("bucket: \"\""), 0o600)).To(Succeed())
	_, err = settings{dir: dir, getenv: os.Getenv}.objectStorage()
	g.Expect(err).To(MatchError(ContainSubstring("bucket is missing")), "OpenIM ends on it")
}
