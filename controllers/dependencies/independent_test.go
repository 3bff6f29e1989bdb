package dependencies_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/openim"
)

// without returns the objects of a cluster without those of a name.
func without(name string) []client.Object {
	return slices.DeleteFunc(objectsInCluster(), func(o client.Object) bool { return o.GetName() == name })
}

// loginSecrets returns the Secrets that the operator generates when users may log in.
func loginSecrets() []client.Object {
	key := map[string]string{"key": "k"}
	return []client.Object{secret("chat-login", key), secret("chat-custody", key)}
}

// located returns the first address of a party.
func located(t *testing.T, facts openim.Facts, party openim.Party) openim.Address {
	t.Helper()
	i := slices.IndexFunc(facts.Locations, func(l openim.Location) bool { return l.Party == party })
	NewWithT(t).Expect(i).To(BeNumerically(">=", 0))
	return facts.Locations[i].Addresses[0]
}

func TestAMissingSecretKeepsNoPlaceFromResolving(t *testing.T) {
	g := NewWithT(t)
	objects := slices.DeleteFunc(objectsInCluster(), func(o client.Object) bool {
		_, is := o.(*corev1.Secret)
		return is && o.GetName() == "redis"
	})
	facts, problems := resolve(t, stack(), objects...)
	g.Expect(problems).To(HaveLen(1))
	g.Expect(located(t, facts, openim.PartyRedis)).To(And(HaveField("Resolved", true), HaveField("Endpoints", Not(BeEmpty()))))
	g.Expect(facts.ShareSecretHash).NotTo(BeEmpty())
}

func TestAMissingServiceKeepsNoPasswordFromResolving(t *testing.T) {
	g := NewWithT(t)
	objects := slices.DeleteFunc(objectsInCluster(), func(o client.Object) bool {
		_, is := o.(*corev1.Service)
		return is && o.GetName() == "redis"
	})
	facts, problems := resolve(t, stack(), objects...)
	g.Expect(problems).To(HaveLen(1))
	g.Expect(located(t, facts, openim.PartyRedis)).To(Equal(openim.Address{Text: "redis.infra.svc:6379"}))
	g.Expect(facts.Credentials[openim.Redis]).NotTo(BeEmpty())
}

func TestAProblemNamesTheComponentsThatReadTheReference(t *testing.T) {
	cases := []struct {
		missing           string
		concerned, spared []string
	}{
		{"kafka", []string{"msgtransfer", "push", "rpc-msg"}, []string{"api", "rpc-auth", "rpc-user", "gateway", "backend"}},
		{"etcd", []string{"api", "crontask", "rpc-auth"}, []string{"gateway", "backend"}},
		{"jwks", []string{"gateway", "backend"}, []string{"api", "rpc-auth"}},
		{"chat-assertion", []string{"gateway", "backend"}, []string{"api"}},
		{"chat-share-secret", []string{"rpc-auth", "backend"}, []string{"api", "gateway"}},
		{"chat-digest", []string{"api", "rpc-auth", "gateway", "backend"}, nil},
	}
	for _, c := range cases {
		t.Run(c.missing, func(t *testing.T) {
			g := NewWithT(t)
			_, problems := resolve(t, stack(), without(c.missing)...)
			g.Expect(problems).To(HaveLen(1))
			for _, name := range c.concerned {
				g.Expect(problems[0].Concerns(name)).To(BeTrue(), name)
			}
			for _, name := range c.spared {
				g.Expect(problems[0].Concerns(name)).To(BeFalse(), name)
			}
		})
	}
}

func TestOneProblemOfAStoreThatOpenIMAndTheBackendShare(t *testing.T) {
	g := NewWithT(t)
	objects := append(without("mongodb"), loginSecrets()...)
	_, problems := resolve(t, stack(func(s *v1alpha1.OpenIMStackSpec) {
		s.Wrapper.Auth.Users = &v1alpha1.UserAuth{Audience: "https://im.example.com"}
		s.Wrapper.Redis = &v1alpha1.WrapperRedis{Redis: v1alpha1.Redis{Addresses: []v1alpha1.Address{"192.0.2.9:6379"}}}
	}), objects...)
	g.Expect(problems).To(HaveLen(1))
	g.Expect(problems[0].Concerns("backend")).To(BeTrue())
	g.Expect(problems[0].Concerns("rpc-user")).To(BeTrue())
	g.Expect(problems[0].Concerns("gateway")).To(BeFalse())
}

func TestAFailedReadStopsNoOtherReference(t *testing.T) {
	g := NewWithT(t)
	refused := errors.New("the API server is overloaded")
	reader := fake.NewClientBuilder().WithObjects(objectsInCluster()...).WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, into client.Object, o ...client.GetOption) error {
			if _, is := into.(*corev1.Service); is && key.Name == "kafka" {
				return refused
			}
			return c.Get(ctx, key, into, o...)
		},
	}).Build()
	facts, problems, err := dependencies.Resolve(context.Background(), reader, stack())
	g.Expect(err).To(MatchError(refused))
	g.Expect(problems).To(BeEmpty())
	g.Expect(located(t, facts, openim.PartyKafka).Resolved).To(BeFalse())
	g.Expect(located(t, facts, openim.PartyEtcd).Resolved).To(BeTrue())
	g.Expect(dependencies.Unread(err, "push")).To(BeTrue())
	g.Expect(dependencies.Unread(err, "rpc-auth")).To(BeFalse())
	g.Expect(dependencies.Unread(nil, "push")).To(BeFalse())
}

// The gateway reaches the wrapper's Redis. Were that OpenIM's, the gateway would control OpenIM.
func TestNoPlaceIsOpenedForOpenIMsRedisUnderAnotherName(t *testing.T) {
	g := NewWithT(t)
	objects := append(objectsInCluster(), loginSecrets()...)
	facts, problems := resolve(t, stack(func(s *v1alpha1.OpenIMStackSpec) {
		s.Wrapper.Auth.Users = &v1alpha1.UserAuth{Audience: "https://im.example.com"}
		s.Wrapper.Redis = &v1alpha1.WrapperRedis{Redis: v1alpha1.Redis{Addresses: []v1alpha1.Address{"redis.infra.svc.cluster.local:6379"}}}
	}), objects...)
	g.Expect(problems).To(HaveLen(1))
	g.Expect(problems[0].Concerns("rpc-auth")).To(BeTrue())
	for _, party := range []openim.Party{openim.PartyRedis, openim.PartyWrapperRedis} {
		g.Expect(located(t, facts, party).Resolved).To(BeFalse(), string(party))
	}
}

func TestAStoreThatAnotherStackHoldsHasNoPlace(t *testing.T) {
	g := NewWithT(t)
	s := stack()
	facts, _ := resolve(t, s, objectsInCluster()...)
	refused := []openim.Claim{{Store: openim.Redis, Address: "redis.infra.svc:6379", Within: "database 0"}}
	facts.Locations = dependencies.Refuse(s, facts.Locations, refused)
	g.Expect(located(t, facts, openim.PartyRedis).Resolved).To(BeFalse())
	g.Expect(located(t, facts, openim.PartyEtcd).Resolved).To(BeTrue())
	g.Expect(located(t, openim.Facts{Locations: dependencies.Unresolved(facts.Locations)}, openim.PartyEtcd).Resolved).To(BeFalse())
}
