package openim_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

func release(t *testing.T, tag string) openim.Release {
	t.Helper()
	r, err := openim.ParseRelease(tag)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func settings(t *testing.T, tag string) openim.Settings {
	return openim.Settings{
		Release:        release(t, tag),
		Brokers:        []string{"kafka.infra.svc:9092"},
		TopicPrefix:    "im.chat.",
		RedisAddresses: []string{"redis.infra.svc:6379"},
		EtcdEndpoints:  []string{"etcd.infra.svc:2379"},
		EtcdRoot:       "openim.im.chat",
		MongoDB:        openim.MongoDBSettings{Addresses: []string{"mongodb.infra.svc:27017"}, Database: "openim_im_chat"},
	}
}

// All files of all processes, for each format of the configuration, are golden files: every change of OpenIM's configuration is reviewed.
// UPDATE_GOLDEN=1 writes them.
func TestConfigurationIsWhatWasReviewed(t *testing.T) {
	withStore := settings(t, "v3.8.3-patch.16")
	withStore.RedisAddresses = []string{"redis-0.infra.svc:6379", "redis-1.infra.svc:6379"}
	withStore.MongoDB = openim.MongoDBSettings{
		Addresses:   []string{"mongodb.infra.svc:27017"},
		Database:    "chat",
		AuthSource:  "admin",
		Credentials: true,
	}
	withStore.KafkaTLS = &openim.KafkaTLS{Authority: true, Certificate: true}
	withStore.ObjectStorage = &openim.ObjectStorageSettings{
		InternalAddress: "minio.infra.svc:9000",
		ExternalAddress: "https://files.example.com",
		Bucket:          "openim",
	}
	// Another database, and a Redis Cluster behind one address, as releases before patch 12 have them.
	cluster := settings(t, "v3.8.3-patch.7")
	cluster.RedisCluster = true
	database := settings(t, "v3.8.3-patch.7")
	database.RedisDatabase = 3
	everything := settings(t, "v3.8.3-patch.16")
	everything.Chosen = chosen(t)
	cases := map[string]openim.Settings{
		"v3.8.3-patch.16-chosen":      everything,
		"v3.8.3":                      settings(t, "v3.8.3"),
		"v3.8.3-patch.5":              settings(t, "v3.8.3-patch.5"),
		"v3.8.3-patch.7":              database,
		"v3.8.3-patch.7-cluster":      cluster,
		"v3.8.3-patch.16-with-stores": withStore,
	}
	for name, s := range cases {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			files := map[string]string{}
			for _, p := range openim.Processes() {
				rendered, err := openim.Render(p, s)
				g.Expect(err).NotTo(HaveOccurred())
				for file, text := range rendered {
					if before, ok := files[file]; ok {
						g.Expect(text).To(Equal(before), "%s must be the same for every process that reads it", file)
					}
					files[file] = text
				}
			}
			dir := filepath.Join("testdata", name)
			if os.Getenv("UPDATE_GOLDEN") != "" {
				g.Expect(os.RemoveAll(dir)).To(Succeed())
				g.Expect(os.MkdirAll(dir, 0o755)).To(Succeed())
				for file, text := range files {
					g.Expect(os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644)).To(Succeed())
				}
			}
			golden, err := os.ReadDir(dir)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(golden).To(HaveLen(len(files)))
			for file, text := range files {
				want, err := os.ReadFile(filepath.Join(dir, file))
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(text).To(Equal(string(want)), file)
			}
		})
	}
}

func TestEveryFileIsYAMLAndHoldsTheKeysThatTheEnvironmentOverrides(t *testing.T) {
	overridden := map[openim.File][]string{
		openim.ShareFile:     {openim.KeySecret},
		openim.RedisFile:     {openim.KeyUsername, openim.KeyPassword},
		openim.MongoDBFile:   {openim.KeyURI, openim.KeyUsername, openim.KeyPassword},
		openim.KafkaFile:     {openim.KeyUsername, openim.KeyPassword},
		openim.DiscoveryFile: {openim.KeyEtcdUsername, openim.KeyEtcdPassword},
		openim.PushFile:      {openim.KeyGeTuiAppKey, openim.KeyGeTuiSecret},
		openim.MinIOFile:     {openim.KeyAccessKeyID, openim.KeySecretAccessKey},
	}
	s := settings(t, "v3.8.3")
	s.Push = &v1alpha1.Push{GeTui: &v1alpha1.GeTui{}}
	s.ObjectStorage = &openim.ObjectStorageSettings{InternalAddress: "minio:9000", ExternalAddress: "https://f.example.com", Bucket: "openim"}
	for _, p := range openim.Processes() {
		rendered, err := openim.Render(p, s)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		for file, text := range rendered {
			g := NewWithT(t)
			var parsed map[string]any
			g.Expect(yaml.UnmarshalStrict([]byte(text), &parsed)).To(Succeed(), file)
			keys := slices.Clone(overridden[openim.File(file)])
			if _, grpc := p.Port(openim.GRPC); grpc && file == string(p.OwnFile()) {
				keys = append(keys, openim.KeyRegisterIP)
			}
			for _, key := range keys {
				at := parsed
				path := strings.Split(key, ".")
				for _, step := range path[:len(path)-1] {
					at, _ = at[step].(map[string]any)
				}
				g.Expect(at).To(HaveKey(path[len(path)-1]), "OpenIM ignores %s unless %s has the key", openim.EnvName(openim.File(file), key), file)
			}
		}
	}
}

func TestPortsAreFixed(t *testing.T) {
	for _, p := range openim.Processes() {
		rendered, err := openim.Render(p, settings(t, "v3.8.3-patch.16"))
		g := NewWithT(t)
		g.Expect(err).NotTo(HaveOccurred())
		own := rendered[string(p.OwnFile())]
		g.Expect(own).NotTo(ContainSubstring("autoSetPorts: true"), string(p.Name))
		var ports int
		for _, line := range strings.Split(own, "\n") {
			if strings.Contains(line, "ports: [") {
				ports++
			}
		}
		g.Expect(ports).To(Equal(len(p.Ports)-1), "%s: every port of the table but the supervisor's is configured, and no other", p.Name)
	}
}

func TestOpenIMLogsNeitherTokensNorMessages(t *testing.T) {
	rendered, err := openim.Render(openim.Processes()[0], settings(t, "v3.8.3"))
	g := NewWithT(t)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(rendered[string(openim.LogFile)]).To(And(ContainSubstring("remainLogLevel: 2\n"), ContainSubstring("isStdout: true\n")))
}

// TestNoFileHoldsAShareSecret: the processes that do not read it get none, and OpenIM's published default stands nowhere.
func TestNoFileHoldsAShareSecret(t *testing.T) {
	for _, p := range openim.Processes() {
		files, err := openim.Render(p, settings(t, "v3.8.3-patch.16"))
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		for name, text := range files {
			NewWithT(t).Expect(text).NotTo(ContainSubstring("openIM123"), "%s of %s", name, p.Name)
		}
		var share map[string]any
		NewWithT(t).Expect(yaml.Unmarshal([]byte(files[string(openim.ShareFile)]), &share)).To(Succeed())
		NewWithT(t).Expect(share).To(HaveKeyWithValue("secret", ""), "%s", p.Name)
		NewWithT(t).Expect(p.ShareSecret).To(Equal(p.Name == openim.RPCAuth), "%s", p.Name)
	}
}

// Patches 12 to 15 take a cluster with one address for a single server.
func TestARedisClusterBehindOneAddress(t *testing.T) {
	p, _ := openim.Lookup(openim.RPCUser)
	for tag, want := range map[string]string{
		"v3.8.3":          "address: [\"redis.infra.svc:6379\"]\nusername: \"\"\npassword: \"\"\nclusterMode: true\n",
		"v3.8.3-patch.10": "address: [\"redis.infra.svc:6379\"]\nusername: \"\"\npassword: \"\"\nclusterMode: true\n",
		"v3.8.3-patch.12": "address: [\"redis.infra.svc:6379\",\"redis.infra.svc:6379\"]\nusername: \"\"\npassword: \"\"\nredisMode: cluster\n",
		"v3.8.3-patch.15": "address: [\"redis.infra.svc:6379\",\"redis.infra.svc:6379\"]\nusername: \"\"\npassword: \"\"\nredisMode: cluster\n",
		"v3.8.3-patch.16": "address: [\"redis.infra.svc:6379\"]\nusername: \"\"\npassword: \"\"\nredisMode: cluster\n",
	} {
		s := settings(t, tag)
		s.RedisCluster = true
		files, err := openim.Render(p, s)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		NewWithT(t).Expect(files["redis.yml"]).To(HavePrefix(want), tag)
	}
}
