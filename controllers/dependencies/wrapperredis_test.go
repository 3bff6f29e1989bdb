package dependencies_test

import (
	"maps"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/openim"
)

// sessions returns a Secret of namespace databases with a binding of the wrapper's Redis, and what permits stacks of namespace im to use
// it.
func sessions(data map[string]string) []client.Object {
	bound := secret("sessions", data).(*corev1.Secret)
	bound.Namespace = "databases"
	grant := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"from": []any{map[string]any{"group": "openimstack.dev", "kind": "OpenIMStack", "namespace": "im"}},
		"to":   []any{map[string]any{"group": "", "kind": "Secret", "name": "sessions"}},
	}}}
	grant.SetGroupVersionKind(dependencies.ReferenceGrant)
	grant.SetNamespace("databases")
	grant.SetName("sessions")
	return []client.Object{bound, grant}
}

func toSessions(change ...func(*spec)) *v1alpha1.OpenIMStack {
	return letIn(append([]func(*spec){func(s *spec) {
		s.Wrapper.Redis = &v1alpha1.WrapperRedis{Redis: v1alpha1.Redis{ResourceRef: &v1alpha1.ResourceReference{
			APIVersion: "v1", Kind: "Secret", Name: "sessions", Namespace: "databases",
		}}}
	}}, change...)...)
}

func resolveSessions(t *testing.T, s *v1alpha1.OpenIMStack, data map[string]string) (openim.Facts, []dependencies.Problem) {
	t.Helper()
	cluster := fake.NewClientBuilder().WithScheme(withStrimzi()).WithObjects(append(objectsForUsers(), sessions(data)...)...).Build()
	facts, problems, err := dependencies.Resolve(t.Context(), cluster, s)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return facts, problems
}

// Whoever reaches a Redis without a password has every session. A Secret of another namespace is named as it is there.
func TestTheWrappersRedisHasAPassword(t *testing.T) {
	for name, c := range map[string]struct {
		more map[string]string
		says string
	}{
		"an address alone":      {nil, `Secret "databases/sessions" has no key "password": add it`},
		"an empty password":     {map[string]string{"password": ""}, `key "password" of Secret "databases/sessions" is empty: give it a value`},
		"a blank password":      {map[string]string{"password": " "}, `key "password" of Secret "databases/sessions" is empty: give it a value`},
		"a user without one":    {map[string]string{"username": "u"}, `Secret "databases/sessions" has no key "password": add it`},
		"certificates alone":    {map[string]string{"certificates": "s3cret"}, `Secret "databases/sessions" has no key "password": add it`},
		"a password in the uri": {map[string]string{"uri": "redis://:s3cret@redis"}, `Secret "databases/sessions" has no key "password": add it`},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			data := map[string]string{"host": "redis-wrapper.infra.svc", "port": "6379"}
			maps.Copy(data, c.more)
			facts, problems := resolveSessions(t, toSessions(), data)
			g.Expect(problems).To(HaveLen(1))
			g.Expect(problems[0].Reason).To(Equal(v1alpha1.ReasonSecretKeyNotFound))
			g.Expect(problems[0].Field).To(Equal("spec.wrapper.redis.resourceRef"))
			g.Expect(problems[0].Message).To(Equal(c.says))
			g.Expect(problems[0].Components).To(ConsistOf("gateway", "backend"))
			g.Expect(facts.Wrapper.Redis.Endpoints).To(HaveLen(1), "its place does not depend on its password")
		})
	}
}

// Peers say where a store is, not which store it is, and so they hide nothing: an address of OpenIM's Redis is OpenIM's Redis.
func TestOpenIMsRedisIsRecognisedBehindPeers(t *testing.T) {
	block := []v1alpha1.Peer{{IPBlock: &v1alpha1.IPBlock{CIDR: "192.0.2.0/24"}}}
	bound := map[string]string{"host": "redis.infra.svc.cluster.local", "port": "6379", "password": "p"}
	for name, change := range map[string]func(*spec){
		"none":             func(*spec) {},
		"of the wrapper's": func(s *spec) { s.Wrapper.Redis.Peers = block },
		"of OpenIM's":      func(s *spec) { s.Dependencies.Redis.Peers = block },
		"of both":          func(s *spec) { s.Wrapper.Redis.Peers, s.Dependencies.Redis.Peers = block, block },
		"of a reference itself": func(s *spec) {
			s.Dependencies.Redis = v1alpha1.Redis{ResourceRef: s.Wrapper.Redis.ResourceRef, Peers: block}
		},
		"and without a reference": func(s *spec) {
			s.Wrapper.Redis.Redis = v1alpha1.Redis{
				Addresses: []v1alpha1.Address{"redis.infra:6379"}, Peers: block, CredentialsRef: &v1alpha1.LocalReference{Name: "redis-wrapper"},
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			facts, problems := resolveSessions(t, toSessions(change), bound)
			g.Expect(problems).To(HaveLen(1))
			g.Expect(problems[0].Reason).To(Equal(v1alpha1.ReasonInvalidSpec))
			g.Expect(problems[0].Message).To(ContainSubstring("it is OpenIM's Redis under another name"))
			g.Expect(problems[0].Components).To(ContainElements("gateway", "backend", "rpc-auth"))
			for _, at := range facts.Locations {
				moves := slices.ContainsFunc(at.Addresses, func(a openim.Address) bool { return a.Resolved })
				other := at.Party != openim.PartyRedis && at.Party != openim.PartyWrapperRedis && len(at.Addresses) > 0
				g.Expect(moves).To(Equal(other), string(at.Party))
			}
		})
	}
}
