package load

import (
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/seal"
	"github.com/openimstack/openim-operator/netpol/snapshot"
	"github.com/openimstack/openim-operator/openim"
)

const notRead = ": the addresses are in an object of another operator or in a Secret, which is not read"

var database = v1alpha1.ResourceReference{APIVersion: "databases.example.com/v1", Kind: "Database", Name: "chat", Namespace: "infra"}

// recorded returns what the operator recorded for parties of a stack whose references resolved to 192.0.2.2.
func recorded(t *testing.T, stack *v1alpha1.OpenIMStack, parties ...openim.Party) seal.Record {
	t.Helper()
	facts, _, err := dependencies.Resolve(t.Context(), readerFor(&snapshot.Snapshot{}, stack, nil), stack)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	endpoints := openim.NetworkPeers("im", []v1alpha1.Peer{{IPBlock: &v1alpha1.IPBlock{CIDR: "192.0.2.2/32"}}})
	var locations []openim.Location
	for _, at := range facts.Locations {
		if slices.Contains(parties, at.Party) {
			locations = append(locations, openim.Location{Party: at.Party, Source: at.Source, Addresses: []openim.Address{{
				Text: "192.0.2.2:6379", Resolved: true, Endpoints: []openim.Endpoint{{Peers: endpoints, Port: 6379}},
			}}})
		}
	}
	NewWithT(t).Expect(locations).To(HaveLen(len(parties)))
	return seal.Next(seal.Record{}, locations)
}

// The plugin reads neither Secrets nor objects of other operators: it relies on what the operator recorded, for the same object.
func TestThePlacesOfAReferenceAreThoseOfTheRecord(t *testing.T) {
	to := func(change func(*v1alpha1.ResourceReference)) *v1alpha1.OpenIMStack {
		stack, _ := moving(t)
		ref := database
		change(&ref)
		stack.Spec.Dependencies.Redis = v1alpha1.Redis{ResourceRef: &ref}
		return &stack
	}
	same := to(func(*v1alpha1.ResourceReference) {})
	another := to(func(r *v1alpha1.ResourceReference) { r.Name = "another" })
	broken := to(func(r *v1alpha1.ResourceReference) { r.APIVersion = "a/b/c" })
	known := recorded(t, same, openim.PartyRedis)
	moved, _ := moving(t)
	const field = "spec.dependencies.redis.resourceRef"
	const invalid = field + `: "a/b/c" is not an apiVersion`
	for name, c := range map[string]struct {
		stack *v1alpha1.OpenIMStack
		known seal.Record
		says  string
		at    []string
	}{
		"no record":                  {same, seal.Record{}, field + notRead, nil},
		"a record of the object":     {same, known, "", []string{"192.0.2.2/32"}},
		"a record of another object": {another, known, field + notRead, []string{"192.0.2.2/32"}},
		"a record of addresses":      {same, recorded(t, &moved, openim.PartyRedis), field + notRead, []string{"192.0.2.2/32"}},
		"a wrong spec":               {broken, seal.Record{}, invalid, nil},
		"a wrong spec with a record": {broken, recorded(t, broken, openim.PartyRedis), invalid, []string{"192.0.2.2/32"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			resolved, err := resolve(t.Context(), &snapshot.Snapshot{}, c.stack, c.known, &Flags{})
			g.Expect(err).NotTo(HaveOccurred())
			if found := problemsOf(resolved, "spec.dependencies.redis"); c.says == "" {
				g.Expect(found).To(BeEmpty())
			} else {
				g.Expect(found).To(ConsistOf(HavePrefix(c.says)))
			}
			g.Expect(redisOf(resolved.Graph)).To(Equal(c.at), "earlier places included")
		})
	}
}

func problemsOf(resolved *Stack, field string) (found []string) {
	for _, p := range resolved.Problems {
		if strings.HasPrefix(p, field) {
			found = append(found, p)
		}
	}
	return found
}

// The backend's MongoDB is OpenIM's unless the spec names another: one reference leads both there.
func TestEachPartyOfAReferenceNeedsAPlace(t *testing.T) {
	stack, _ := moving(t)
	stack.Spec.Dependencies.MongoDB = v1alpha1.MongoDB{ResourceRef: &database}
	stack.Spec.Wrapper.Auth.Users = &v1alpha1.UserAuth{}
	const field = "spec.dependencies.mongodb"
	g := NewWithT(t)
	problems := func(parties ...openim.Party) []string {
		resolved, err := resolve(t.Context(), &snapshot.Snapshot{}, &stack, recorded(t, &stack, parties...), &Flags{})
		g.Expect(err).NotTo(HaveOccurred())
		return problemsOf(resolved, field)
	}
	g.Expect(problems(openim.PartyMongoDB, openim.PartyWrapperMongoDB)).To(BeEmpty())
	g.Expect(problems(openim.PartyMongoDB)).To(ConsistOf(HavePrefix(field + ".resourceRef" + notRead)))
}
