package openim_test

import (
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// Each row: what the spec says, and who verifies a server by the authorities of the system then.
func TestWhoVerifiesServersByTheAuthoritiesOfTheSystem(t *testing.T) {
	var (
		own         = &v1alpha1.KeyReference{Name: "ca", Key: "ca.crt"}
		byKafka     = []string{"msgtransfer", "push", "rpc-msg"}
		byMongoDB   = []string{"msgtransfer", "rpc-conversation", "rpc-friend", "rpc-group", "rpc-msg", "rpc-third", "rpc-user"}
		roles       = []string{"backend", "gateway"}
		all         = []string{"backend", "check", "gateway"}
		withBackend = append([]string{"backend"}, byMongoDB...)
	)
	var processes []string
	for _, p := range openim.Processes() {
		processes = append(processes, string(p.Name))
	}
	slices.Sort(processes)
	all = append(all, processes...)
	type spec = v1alpha1.OpenIMStackSpec
	users := func(change func(*spec)) func(*spec) {
		return func(s *spec) {
			s.Wrapper.Auth.Users = &v1alpha1.UserAuth{}
			change(s)
		}
	}
	jwks := func(source v1alpha1.JWKSSource) func(*spec) {
		return func(s *spec) { s.Wrapper.Auth.Admins.Issuers = []v1alpha1.Issuer{{JWKS: source}} }
	}
	storage := func(o v1alpha1.ObjectStorage) func(*spec) { return func(s *spec) { s.Dependencies.ObjectStorage = &o } }
	hooks := func(w v1alpha1.Webhooks) func(*spec) {
		return func(s *spec) {
			w.Hooks = []v1alpha1.Hook{{Name: "beforeSendSingleMsg"}, {Name: "afterUserOnline"}}
			s.Webhooks = &w
		}
	}
	for name, c := range map[string]struct {
		spec func(*spec)
		want []string
	}{
		"nothing of TLS":                     {func(*spec) {}, nil},
		"users, and nothing of TLS":          {users(func(*spec) {}), nil},
		"Kafka":                              {func(s *spec) { s.Dependencies.Kafka.TLS = &v1alpha1.StoreTLS{} }, byKafka},
		"Kafka with an authority of its own": {func(s *spec) { s.Dependencies.Kafka.TLS = &v1alpha1.StoreTLS{CASecretRef: own} }, nil},
		"Kafka, whoever it is": {func(s *spec) {
			s.Dependencies.Kafka.TLS = &v1alpha1.StoreTLS{Verification: v1alpha1.TLSVerificationNone}
		}, nil},
		"etcd": {func(s *spec) { s.Dependencies.Etcd.TLS = &v1alpha1.ServerTLS{} }, processes},
		"etcd with an authority, which is one of the system": {func(s *spec) {
			s.Dependencies.Etcd.TLS = &v1alpha1.ServerTLS{CASecretRef: own}
		}, processes},
		"MongoDB without users": {func(s *spec) { s.Dependencies.MongoDB.TLS = &v1alpha1.StoreTLS{} }, byMongoDB},
		"MongoDB":               {users(func(s *spec) { s.Dependencies.MongoDB.TLS = &v1alpha1.StoreTLS{} }), withBackend},
		"a connection string":   {users(func(s *spec) { s.Dependencies.MongoDB.URIRef = own }), withBackend},
		"a MongoDB's own":       {users(func(s *spec) { s.Dependencies.MongoDB.TLS = &v1alpha1.StoreTLS{CASecretRef: own} }), nil},
		"the wrapper's MongoDB": {users(func(s *spec) {
			s.Wrapper.MongoDB = &v1alpha1.MongoDB{TLS: &v1alpha1.StoreTLS{}}
		}), []string{"backend"}},
		"another MongoDB's data": {users(func(s *spec) {
			s.Wrapper.MongoDB, s.Dependencies.MongoDB.URIRef = &v1alpha1.MongoDB{}, own
		}), byMongoDB},
		"the wrapper's Redis": {users(func(s *spec) {
			s.Wrapper.Redis = &v1alpha1.WrapperRedis{Redis: v1alpha1.Redis{TLS: &v1alpha1.RedisTLS{}}}
		}), roles},
		"the wrapper's Redis with an authority": {users(func(s *spec) {
			s.Wrapper.Redis = &v1alpha1.WrapperRedis{Redis: v1alpha1.Redis{TLS: &v1alpha1.RedisTLS{CASecretRef: own}}}
		}), nil},
		"MinIO": {storage(v1alpha1.ObjectStorage{
			MinIO: &v1alpha1.MinIO{InternalAddress: "a:1", TLS: &v1alpha1.ServerTLS{}},
		}), []string{"rpc-third"}},
		"MinIO without TLS":         {storage(v1alpha1.ObjectStorage{MinIO: &v1alpha1.MinIO{InternalAddress: "a:1"}}), nil},
		"AWS":                       {storage(v1alpha1.ObjectStorage{AWS: &v1alpha1.AWS{Region: "r", Bucket: "b"}}), []string{"rpc-third"}},
		"a vendor of notifications": {func(s *spec) { s.Push = &v1alpha1.Push{FCM: &v1alpha1.FCM{}} }, []string{"push"}},
		"webhooks":                  {hooks(v1alpha1.Webhooks{URL: "https://hooks.example.com/openim"}), []string{"msggateway", "rpc-msg"}},
		"webhooks of a Service":     {hooks(v1alpha1.Webhooks{ServiceRef: &v1alpha1.ServiceReference{Name: "h", Port: 1}}), nil},
		"webhooks of one by https": {hooks(v1alpha1.Webhooks{
			ServiceRef: &v1alpha1.ServiceReference{Scheme: "https"},
		}), []string{"msggateway", "rpc-msg"}},
		"keys of an issuer":           {jwks(v1alpha1.JWKSSource{URL: "https://id.example.com/jwks.json"}), roles},
		"keys with an authority":      {jwks(v1alpha1.JWKSSource{URL: "https://id.example.com/jwks.json", CASecretRef: own}), nil},
		"keys of an issuer in a file": {jwks(v1alpha1.JWKSSource{SecretRef: own}), nil},
		"a collector":                 {func(s *spec) { s.Wrapper.Tracing = &v1alpha1.Tracing{Endpoint: "https://c:4318"} }, roles},
		"a collector without TLS":     {func(s *spec) { s.Wrapper.Tracing = &v1alpha1.Tracing{Endpoint: "http://c:4318"} }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := &spec{}
			c.spec(s)
			var found []string
			for _, component := range all {
				if openim.UsesSystemAuthorities(s, component) {
					found = append(found, component)
				}
			}
			slices.Sort(found)
			NewWithT(t).Expect(found).To(Equal(c.want))
		})
	}
}
