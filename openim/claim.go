package openim

import "strings"

// Claim is a part of a store that a stack must not share with another stack. Example: redis redis.infra.svc:6379 database 0
type Claim struct {
	// Store that contains the part.
	Store Dependency
	// Address, host:port, in canonical form.
	Address string
	// Within is the claimed part of the store: a kind and a name, such as database openim_im_chat. Empty for a store whose keys contain
	// the stack's name.
	Within string
	// Field of the spec that makes the claim. Empty when the claim was read from a status.
	Field string
}

// String returns the claim in the form of status.stores.
func (c Claim) String() string {
	return strings.TrimSpace(string(c.Store) + " " + c.Address + " " + c.Within)
}

// ParseClaim parses the result of String.
func ParseClaim(text string) (Claim, bool) {
	parts := strings.SplitN(text, " ", 3)
	if len(parts) < 2 {
		return Claim{}, false
	}
	c := Claim{Store: Dependency(parts[0]), Address: parts[1]}
	if len(parts) == 3 {
		c.Within = parts[2]
	}
	return c, true
}

// Collides reports whether two stacks must not have these two claims.
func (c Claim) Collides(other Claim) bool {
	if c.Address != other.Address {
		return false
	}
	if c.Store != other.Store {
		// The password of a Redis gives access to all of its databases, and a gateway must not reach OpenIM's Redis of any stack.
		return c.Store == Redis && other.Store == WrapperRedis || c.Store == WrapperRedis && other.Store == Redis
	}
	// MongoDB does not allow two databases whose names differ only in case.
	return c.Within != "" && (c.Within == other.Within || c.Store == MongoDB && strings.EqualFold(c.Within, other.Within))
}

// SharesPresence reports whether two stacks with these claims receive each other's presence events. Redis' channels are not bound to a
// database, and OpenIM publishes the presence of users on a channel with a fixed name.
func (c Claim) SharesPresence(other Claim) bool {
	return c.Store == Redis && other.Store == Redis && c.Address == other.Address && c.Within != other.Within
}
