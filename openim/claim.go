package openim

import "strings"

// Claim is what a stack must have to itself at one address of a store. Example: redis redis.infra.svc:6379 database 0
type Claim struct {
	// Store that it is in.
	Store Dependency
	// Address, host:port, in the one form that all its spellings have in common.
	Address string
	// Within is what of the store is claimed: a kind and a name, such as database openim_im_chat. Empty for a store whose keys carry
	// the stack's name.
	Within string
	// Field of the spec that asks for it. Empty when the claim was read from a status.
	Field string
}

// String is the form in which a status holds the claim.
func (c Claim) String() string {
	return strings.TrimSpace(string(c.Store) + " " + c.Address + " " + c.Within)
}

// ParseClaim reads what String wrote.
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

// Collides reports whether two stacks may not have both claims.
func (c Claim) Collides(other Claim) bool {
	if c.Address != other.Address {
		return false
	}
	if c.Store != other.Store {
		// Whoever reaches a Redis with its password reaches all of its databases: a gateway must not reach any stack's OpenIM.
		return c.Store == Redis && other.Store == WrapperRedis || c.Store == WrapperRedis && other.Store == Redis
	}
	// MongoDB has no two databases whose names differ in case alone.
	return c.Within != "" && (c.Within == other.Within || c.Store == MongoDB && strings.EqualFold(c.Within, other.Within))
}

// SharesPresence reports whether two stacks with both claims see each other's users come and go: Redis' channels are not bound to a
// database, and OpenIM tells who is online on a channel whose name nobody can change.
func (c Claim) SharesPresence(other Claim) bool {
	return c.Store == Redis && other.Store == Redis && c.Address == other.Address && c.Within != other.Within
}
