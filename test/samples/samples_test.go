package samples

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/chat"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/test/loopback"
)

const (
	// arrival bounds how long a message may take into MongoDB.
	arrival = 30 * time.Second
	look    = 100 * time.Millisecond
)

// Every stack in config/samples, from which the documents are copied.
func TestOpenIMRunsWithEverySample(t *testing.T) {
	files, err := filepath.Glob("../../config/samples/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, file := range files {
		if filepath.Base(file) == "kustomization.yaml" {
			continue
		}
		tried++
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			s := &sample{stack: read(t, file), uri: "mongodb://HOST/production"}
			if s.stack.Spec.Dependencies.MongoDB.URIRef != nil {
				s.database = "production"
			}
			s.adapt(t)
			s.run(t)
		})
	}
	if tried < 4 {
		t.Fatalf("only %d samples were found: look for them elsewhere", tried)
	}
}

// The forms of a connection string that differ in the database. OpenIM's processes that use MongoDB end without a database.
func TestOpenIMRunsWithEveryFormOfAConnectionString(t *testing.T) {
	minimal := "../../config/samples/openimstack_v1alpha1_minimal.yaml"
	for _, c := range []struct{ name, uri, field, database string }{
		{"MongoDB's own database in the path, and another number in Redis", "mongodb://HOST/admin", "", ""},
		{"a field beside it", "mongodb://HOST/?maxPoolSize=20", "written", "written"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &sample{stack: read(t, minimal), uri: c.uri, database: c.database}
			one := int32(1)
			s.stack.Spec.Dependencies.Redis.Database = &one
			s.stack.Spec.Dependencies.MongoDB = v1alpha1.MongoDB{URIRef: &v1alpha1.KeyReference{Name: "mongo", Key: "uri"}, Database: c.field}
			s.adapt(t)
			s.run(t)
		})
	}
}

// hello is a message from alice to bob.
var hello = loopback.Object{
	"sendID": "alice", "recvID": "bob", "senderNickname": "Alice", "senderPlatformID": 1, "contentType": 101, "sessionType": 1,
	"content": loopback.Object{"content": "hello"},
}

// run starts OpenIM and follows a message through Kafka into the stack's expected database.
func (s *sample) run(t *testing.T) {
	g := NewWithT(t)
	l := loopback.New(t, s.options)
	g.Expect(l.OpenIM.Register(t.Context(), "alice", "bob")).To(Succeed())
	l.OpenIM.Must(t, "/msg/send_msg", hello)
	database := s.database
	if database == "" {
		database = openim.DefaultDatabase(s.stack.Namespace, s.stack.Name)
	}
	g.Eventually(func() error {
		_, err := chat.FindInMongoDB(t.Context(), l.MongoDB, database, "si_alice_bob", 1)
		return err
	}, arrival, look).Should(Succeed(), "in the database %s", database)
	// The number of keys shows the Redis database that is used.
	number := "0"
	if n := s.stack.Spec.Dependencies.Redis.Database; n != nil && *n == 1 {
		number = "1"
	}
	for _, database := range []string{"0", "1"} {
		keys, err := l.RedisCLI(t.Context(), "-n", database, "--raw", "DBSIZE")
		g.Expect(err).NotTo(HaveOccurred())
		if database == number {
			g.Expect(strings.TrimSpace(keys)).NotTo(Equal("0"), "keys in database %s of Redis", database)
		} else {
			g.Expect(strings.TrimSpace(keys)).To(Equal("0"), "keys in database %s of Redis", database)
		}
	}
	g.Expect(l.Err()).To(Succeed(), "all twelve processes run")
	if s.options.User != 0 {
		for _, process := range openim.Processes() {
			g.Expect(l.UserOf(string(process.Name))).To(BeEquivalentTo(s.options.User), "the user of %s", process.Name)
		}
	}
}
