package dependencies_test

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// byURI resolves a stack with a connection string for its MongoDB.
func byURI(t *testing.T, uri, database string) (openim.Facts, []string) {
	t.Helper()
	facts, problems := resolve(t, letIn(func(s *spec) {
		s.Dependencies.MongoDB = v1alpha1.MongoDB{URIRef: &v1alpha1.KeyReference{Name: "mongo", Key: "uri"}, Database: database}
	}), objectsForUsers(secret("mongo", map[string]string{"uri": uri}))...)
	var found []string
	for _, p := range problems {
		found = append(found, p.String())
	}
	return facts, found
}

// OpenIM reads the database from its configuration even when it has a connection string: without the database seven processes exit.
func TestTheDatabaseBesideAConnectionString(t *testing.T) {
	for uri, want := range map[string]string{
		"mongodb://u:p@192.0.2.9/chat?replicaSet=rs": "chat",
		"mongodb://u:p@192.0.2.9/%63hat":             "chat",
		"mongodb://192.0.2.9":                        "openim_im_chat",
		"mongodb://192.0.2.9/?w=1":                   "openim_im_chat",
		"mongodb://u:p@192.0.2.9/admin?w=1":          "openim_im_chat", // authenticates the user and holds no data
		"mongodb://u:p@192.0.2.9/local":              "openim_im_chat",
		"mongodb://u:p@192.0.2.9/config":             "openim_im_chat",
	} {
		g := NewWithT(t)
		facts, problems := byURI(t, uri, "")
		g.Expect(problems).To(BeEmpty(), uri)
		g.Expect(facts.Settings.MongoDB.Database).To(Equal(want), uri)
		g.Expect(facts.Wrapper.MongoDB.Database).To(Equal(want), "the backend's is the same: %s", uri)
		facts, problems = byURI(t, uri, "own")
		g.Expect(problems).To(BeEmpty(), uri)
		g.Expect(facts.Settings.MongoDB.Database).To(Equal("own"), "the field decides: %s", uri)
		g.Expect(facts.Wrapper.MongoDB.Database).To(Equal("own"), uri)
		rpc, _ := openim.Lookup(openim.RPCUser)
		files, err := openim.Render(rpc, facts.Settings)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(files["mongodb.yml"]).To(ContainSubstring(`database: "own"`))
		g.Expect(files["mongodb.yml"]).NotTo(ContainSubstring("192.0.2.9"), "the connection string never enters a ConfigMap")
	}
}

// The text behind the hosts of a connection string may be part of a password that was not escaped. It is never written to a ConfigMap or a
// message.
func TestAPathThatIsNoDatabaseIsRefused(t *testing.T) {
	for _, uri := range []string{
		"mongodb://user:123/s3cr@t@192.0.2.9/db", "mongodb://192.0.2.9/a.s3cr-t", "mongodb://192.0.2.9/%22s3cr-t", "mongodb://192.0.2.9/a/s3cr-t",
		"mongodb://192.0.2.9/%zzs3cr-t", "mongodb://192.0.2.9/s3cr-t\n", "mongodb://192.0.2.9/s3cr-t" + strings.Repeat("x", 63),
	} {
		g := NewWithT(t)
		_, problems := byURI(t, uri, "")
		g.Expect(problems).NotTo(BeEmpty(), uri)
		for _, p := range problems {
			g.Expect(p).To(ContainSubstring("spec.dependencies.mongodb.uriRef"))
			g.Expect(p).NotTo(ContainSubstring("s3cr"), "a message holds no secret")
		}
	}
}

func TestTheUserIsLookedUpWhereTheSpecSays(t *testing.T) {
	g := NewWithT(t)
	facts, problems := resolve(t, letIn(func(s *spec) {
		s.Dependencies.MongoDB.CredentialsRef, s.Dependencies.MongoDB.AuthSource = &v1alpha1.LocalReference{Name: "mongo"}, "admin"
	}), objectsForUsers(secret("mongo", map[string]string{"username": "u",
		"password": "p"}), service("mongodb", 27017, intstr.FromInt32(27017)))...)
	g.Expect(problems).To(BeEmpty())
	g.Expect(facts.Settings.MongoDB.AuthSource).To(Equal("admin"))
	g.Expect(facts.Wrapper.MongoDB.AuthSource).To(Equal("admin"))
}
