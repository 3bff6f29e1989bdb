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

// Tenant is a stack as its neighbours in a store see it.
type Tenant struct {
	Name    types.NamespacedName
	UID     types.UID
	Created time.Time
	// Wanted is what the spec asks for, Held what the stack's children were made with.
	Wanted, Held []openim.Claim
}

// older decides between two stacks, the same way whoever asks.
func (t Tenant) older(than Tenant) bool {
	if !t.Created.Equal(than.Created) {
		return t.Created.Before(than.Created)
	}
	return t.UID < than.UID
}

func (t Tenant) holds(c openim.Claim) bool {
	return slices.ContainsFunc(t.Held, func(h openim.Claim) bool { return h.String() == c.String() })
}

// refusedFor reports whether a claim of t must give way to another stack. Who holds something keeps it, so that no change of one stack
// takes a store from another that runs; of two that both hold it, or both want it, the older one gets it.
func (t Tenant) refusedFor(c openim.Claim, other Tenant) bool {
	held := slices.ContainsFunc(other.Held, c.Collides)
	if t.holds(c) {
		return held && other.older(t)
	}
	return held || slices.ContainsFunc(other.Wanted, c.Collides) && other.older(t)
}

// Sharing is what a stack's claims meet with.
type Sharing struct {
	Problems []Problem
	Warnings []Warning
	// With are the stacks on which the outcome depends.
	With []types.NamespacedName
}

// Shared compares what a stack wants with what others have.
func Shared(self Tenant, others []Tenant) Sharing {
	var s Sharing
	others = slices.Clone(others)
	slices.SortFunc(others, func(a, b Tenant) int { return strings.Compare(a.Name.String(), b.Name.String()) })
	for _, other := range others {
		refused, warned := map[openim.Dependency]bool{}, false
		for _, c := range self.Wanted {
			if !refused[c.Store] && self.refusedFor(c, other) {
				refused[c.Store] = true
				s.Problems = append(s.Problems, Problem{
					Reason: v1alpha1.ReasonSharedStore, Field: c.Field, Stalled: true,
					Message: fmt.Sprintf("OpenIMStack %s has %s: %s", other.Name, described(c), remedies[c.Store]),
				})
			}
			if !warned && slices.ContainsFunc(other.Held, c.SharesPresence) {
				warned = true
				s.Warnings = append(s.Warnings, Warning{
					Reason: v1alpha1.ReasonSharedPresence, Field: c.Field, Message: fmt.Sprintf(
						"OpenIMStack %s uses another database of the Redis at %s, and OpenIM's channel of who is online knows no databases: "+
							"users with the same id in both are taken for each other there. Give each stack a Redis of its own", other.Name, c.Address),
				})
			}
		}
		if len(refused) > 0 || warned {
			s.With = append(s.With, other.Name)
		}
	}
	return s
}

// remedies by store.
var remedies = map[openim.Dependency]string{
	openim.Kafka: "each would take the other's messages. Write other brokers, or make the stack anew with another kafka.topics.prefix",
	openim.Redis: "OpenIM gives its keys no prefix, and whoever reaches them owns OpenIM. Write another number to redis.database, or " +
		"another Redis",
	openim.MongoDB:       "each would read and change the other's users and messages. Write another name to mongodb.database",
	openim.ObjectStorage: "each would delete the other's files. Write another name to minio.bucket",
	openim.WrapperRedis:  "that is OpenIM's, and whoever reaches it owns OpenIM. Write a Redis that no OpenIM uses",
}

// described says what a claim is of.
func described(c openim.Claim) string {
	if c.Within == "" {
		return c.Address
	}
	return c.Within + " at " + c.Address
}
