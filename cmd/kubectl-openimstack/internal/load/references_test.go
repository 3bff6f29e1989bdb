package load

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/seal"
	"github.com/openimstack/openim-operator/netpol/snapshot"
	"github.com/openimstack/openim-operator/openim"
)

// The plugin reads neither Secrets nor objects of other operators: it relies on what the operator recorded.
func TestThePlacesOfAReferenceAreThoseOfTheRecord(t *testing.T) {
	g := NewWithT(t)
	stack, _ := moving(t)
	stack.Spec.Dependencies.Redis = v1alpha1.Redis{ResourceRef: &v1alpha1.ResourceReference{
		APIVersion: "databases.example.com/v1", Kind: "Redis", Name: "chat", Namespace: "infra",
	}}
	problemsOfRedis := func(known seal.Record) (found []string) {
		resolved, err := resolve(t.Context(), &snapshot.Snapshot{}, &stack, known, &Flags{})
		g.Expect(err).NotTo(HaveOccurred())
		for _, p := range resolved.Problems {
			if strings.HasPrefix(p, "spec.dependencies.redis") {
				found = append(found, p)
			}
		}
		return found
	}
	g.Expect(problemsOfRedis(seal.Record{})).To(ConsistOf(HavePrefix(
		"spec.dependencies.redis.resourceRef: the addresses are in an object of another operator or in a Secret, which is not read")))

	facts, _, err := dependencies.Resolve(t.Context(), readerFor(&snapshot.Snapshot{}, &stack, nil), &stack)
	g.Expect(err).NotTo(HaveOccurred())
	var source string
	for _, at := range facts.Locations {
		if at.Party == openim.PartyRedis {
			source = at.Source
		}
	}
	endpoints := openim.NetworkPeers("im", []v1alpha1.Peer{{IPBlock: &v1alpha1.IPBlock{CIDR: "192.0.2.2/32"}}})
	known := seal.Next(seal.Record{}, []openim.Location{{Party: openim.PartyRedis, Source: source, Addresses: []openim.Address{{
		Text: "192.0.2.2:6379", Resolved: true, Endpoints: []openim.Endpoint{{Peers: endpoints, Port: 6379}},
	}}}})
	g.Expect(problemsOfRedis(known)).To(BeEmpty())
	resolved, err := resolve(t.Context(), &snapshot.Snapshot{}, &stack, known, &Flags{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(redisOf(resolved.Graph)).To(Equal([]string{"192.0.2.2/32"}))
}
