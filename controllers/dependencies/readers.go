package dependencies

import (
	"slices"
	"strings"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// ownMongoDB is the field of a MongoDB that the backend alone uses.
const ownMongoDB = "spec.wrapper.mongodb"

// Readers returns the components that use the store of a claim.
func Readers(stack *v1alpha1.OpenIMStack, c openim.Claim) []string {
	readers := readersOfClaim(c)
	if stack.Spec.Wrapper.Auth.Users == nil {
		readers = slices.DeleteFunc(readers, func(name string) bool { return name == v1alpha1.ComponentBackend })
	}
	return readers
}

// readersOfClaim returns the components that use the store of a claim when users may log in: the backend then has a MongoDB too, which is
// OpenIM's unless the spec names another.
func readersOfClaim(c openim.Claim) []string {
	switch {
	case c.Store == openim.WrapperRedis:
		return []string{v1alpha1.ComponentGateway, v1alpha1.ComponentBackend}
	case c.Store == openim.MongoDB && strings.HasPrefix(c.Field, ownMongoDB):
		return []string{v1alpha1.ComponentBackend}
	case c.Store == openim.MongoDB:
		return append(readersOf(c.Store), v1alpha1.ComponentBackend)
	default:
		return readersOf(c.Store)
	}
}

// Refuse returns locations in which the addresses of refused claims are not resolved: no policy opens a store that another stack holds.
func Refuse(stack *v1alpha1.OpenIMStack, locations []openim.Location, refused []openim.Claim) []openim.Location {
	return discarding(locations, func(party openim.Party, address string) bool {
		return slices.ContainsFunc(refused, func(c openim.Claim) bool {
			same := party == openim.Party(c.Store) || c.Store == openim.MongoDB && party == openim.PartyWrapperMongoDB
			// A bucket has claims under several names: a stack has one object store, which is refused by any of them.
			return same && (c.Store == openim.ObjectStorage || canonical(address, stack.Namespace) == c.Address)
		})
	})
}

// Unresolved returns the locations with no address resolved.
func Unresolved(locations []openim.Location) []openim.Location {
	return discarding(locations, func(openim.Party, string) bool { return true })
}

func discarding(locations []openim.Location, matches func(openim.Party, string) bool) []openim.Location {
	out := slices.Clone(locations)
	for i, at := range out {
		out[i].Addresses = slices.Clone(at.Addresses)
		for j := range out[i].Addresses {
			if matches(at.Party, at.Addresses[j].Text) {
				out[i].Addresses[j].Discard()
			}
		}
	}
	return out
}
