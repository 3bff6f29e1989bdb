package dependencies

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// Tenant is a stack with its claims to stores.
type Tenant struct {
	Name    types.NamespacedName
	UID     types.UID
	Created time.Time
	// Wanted are the claims of the spec, Held those that the stack's children use.
	Wanted, Held []openim.Claim
}

// older orders two stacks. Both stacks get the same answer.
func (t Tenant) older(than Tenant) bool {
	if !t.Created.Equal(than.Created) {
		return t.Created.Before(than.Created)
	}
	return t.UID < than.UID
}

func (t Tenant) holds(c openim.Claim) bool {
	return slices.ContainsFunc(t.Held, func(h openim.Claim) bool { return h.String() == c.String() })
}

// ownsBucket reports whether a claim is another name of the bucket that t holds. The address at which OpenIM reaches the bucket comes first
// of its claims. Two stores may have one name for clients, as private names with split DNS have.
func (t Tenant) ownsBucket(c openim.Claim) bool {
	i := slices.IndexFunc(t.Wanted, func(w openim.Claim) bool { return w.Store == openim.ObjectStorage })
	return c.Store == openim.ObjectStorage && i >= 0 && t.Wanted[i].String() != c.String() && t.holds(t.Wanted[i])
}

// refusedFor reports whether a claim of t is refused in favour of another stack. A stack keeps a claim that it holds, so that no change of
// one stack takes a store from another that runs. When both stacks hold the claim, or both only want it, the older stack gets it. Of the
// names of a bucket that a stack holds, the one by which OpenIM reaches it decides.
func (t Tenant) refusedFor(c openim.Claim, other Tenant) bool {
	if t.ownsBucket(c) {
		return false
	}
	held := slices.ContainsFunc(other.Held, c.Collides)
	if t.holds(c) {
		return held && other.older(t)
	}
	return held || slices.ContainsFunc(other.Wanted, c.Collides) && other.older(t)
}

// changesSides reports whether a claim is refused in favour of the stack itself: what it holds as OpenIM's Redis would become the
// wrapper's, or the other way round, while the reference of the other is not read. Of two that are read the resolver compares the
// addresses.
func (t Tenant) changesSides(c openim.Claim) bool {
	return !t.holds(c) && slices.ContainsFunc(t.Held, func(h openim.Claim) bool {
		unread := !slices.ContainsFunc(t.Wanted, func(w openim.Claim) bool { return w.Store == h.Store })
		return h.Store != c.Store && unread && c.Collides(h)
	})
}

// Sharing is the result of Shared: the claims that collide with other stacks.
type Sharing struct {
	Problems []Problem
	Warnings []Warning
	// Refused are the claims that collide.
	Refused []openim.Claim
	// With are the stacks on which the outcome depends.
	With []types.NamespacedName
}

// Shared compares the claims of a stack with those of other stacks, and with what it holds itself.
func Shared(self Tenant, others []Tenant) Sharing {
	var s Sharing
	for _, c := range self.Wanted {
		if self.changesSides(c) {
			s.Refused = append(s.Refused, c)
			s.Problems = append(s.Problems, Problem{
				Reason: v1alpha1.ReasonSharedStore, Field: c.Field, Stalled: true, Components: readersOfClaim(c),
				Message: fmt.Sprintf("the stack uses the Redis at %s for its other side, OpenIM or the wrapper, whose reference cannot be read: a "+
					"client of OpenIM's Redis controls OpenIM. Write another Redis, or correct the other reference first", c.Address),
			})
		}
	}
	others = slices.Clone(others)
	slices.SortFunc(others, func(a, b Tenant) int { return strings.Compare(a.Name.String(), b.Name.String()) })
	for _, other := range others {
		refused, warned := map[openim.Dependency]bool{}, false
		for _, c := range self.Wanted {
			collides := self.refusedFor(c, other)
			if collides {
				s.Refused = append(s.Refused, c)
			}
			if collides && !refused[c.Store] {
				refused[c.Store] = true
				s.Problems = append(s.Problems, Problem{
					Reason: v1alpha1.ReasonSharedStore, Field: c.Field, Stalled: true, Components: readersOfClaim(c),
					Message: fmt.Sprintf("OpenIMStack %s has %s: %s", other.Name, described(c), remedies[c.Store]),
				})
			}
			if !warned && slices.ContainsFunc(other.Held, c.SharesPresence) {
				warned = true
				s.Warnings = append(s.Warnings, Warning{
					Reason: v1alpha1.ReasonSharedPresence, Field: c.Field, Message: fmt.Sprintf(
						"OpenIMStack %s uses another database of the Redis at %s, and OpenIM's channel of online users spans all databases: "+
							"users with the same ID in both stacks share their online state. Give each stack its own Redis", other.Name, c.Address),
				})
			}
		}
		if len(refused) > 0 || warned {
			s.With = append(s.With, other.Name)
		}
	}
	return s
}

// remedies hold the consequence of sharing and the remedy, by store.
var remedies = map[openim.Dependency]string{
	openim.Kafka: "each would consume the other's messages. Write other brokers, or create the stack again with another kafka.topics.prefix",
	openim.Redis: "OpenIM's keys have no prefix, and a client that reaches them controls OpenIM. Write another number to redis.database, or " +
		"another Redis",
	openim.MongoDB:       "each would read and change the other's users and messages. Write another name to mongodb.database",
	openim.ObjectStorage: "each would delete the other's files. Write another bucket",
	openim.WrapperRedis:  "it is OpenIM's, and a client of it controls OpenIM. Write a Redis that no OpenIM uses",
}

// described returns a claim as text: the part of the store and the address.
func described(c openim.Claim) string {
	if c.Within == "" {
		return c.Address
	}
	return c.Within + " at " + c.Address
}
