package routes

import (
	"cmp"
	"time"
)

// Audience says who may call a route.
type Audience string

const (
	// Admin is a caller whose verified token carries an administrator's role.
	Admin Audience = "admin"
	// User is a caller with a session. His body is rewritten by Enforce.
	User Audience = "user"
	// UserAndAdmin is both, each at his own door. An administrator's body is passed on as it is.
	UserAndAdmin Audience = "user and admin"
	// Nobody marks a route of OpenIM's that must not be reached from outside, with the reason beside it. Routes
	// that are not in the table are refused just the same; these are the ones a reader would look for.
	Nobody Audience = "nobody"
)

// Audit is how a call shows in the log.
type Audit string

const (
	AuditRead    Audit = "read"    // looks at what is public among users, or at counts
	AuditPrivate Audit = "private" // looks at one person's messages, contacts or conversations
	AuditWrite   Audit = "write"   // changes something
)

// Limit is a class of calls that share a budget on each backend replica.
type Limit struct {
	Name     string
	Deadline time.Duration // from the start of the call at the backend to OpenIM's last byte
	InFlight int           // calls at once; one more is refused with 429
}

// The classes. A search that crawls through MongoDB must not keep registrations out.
var (
	Read   = Limit{"read", 5 * time.Second, 64}
	Write  = Limit{"write", 10 * time.Second, 64}
	Bulk   = Limit{"bulk", 20 * time.Second, 8}
	Search = Limit{"search", 20 * time.Second, 4}
)

// Limits are all classes.
var Limits = []Limit{Read, Write, Bulk, Search}

// MaxDeadline is the longest deadline of any class: servers keep their own timeouts above it.
func MaxDeadline() time.Duration {
	var longest time.Duration
	for _, l := range Limits {
		longest = max(longest, l.Deadline)
	}
	return longest
}

// Body limits in bytes.
const (
	Small  = 16 << 10  // a few identifiers
	Medium = 128 << 10 // one message: OpenIM's own socket takes 50 KiB
	Large  = 1 << 20   // a list of a thousand users
)

// MaxBody is the largest body limit.
const MaxBody = Large

// MediaTypeProtobuf is how an official SDK sends the bodies of the rows marked so.
const MediaTypeProtobuf = "application/x-protobuf"

// Route is one row.
type Route struct {
	Method   string
	Path     string // OpenIM's own, matched byte for byte
	Audience Audience
	Limit    Limit
	Audit    Audit
	Body     int64 // bytes
	// Users are the fields of an administrator's body that name the users for whom, or to whom, the call does something:
	// "userID", "userInfo.userID", "users[].userID", "userIDs[]".
	Users []string
	// Identity is what is done with each field of a user's body that names a user, a group, a conversation or an object, and
	// with those that OpenIM would honour though the caller has no business with them.
	Identity []Identity
	// Repeatable: a second time does no more than the first, so a broken connection may be answered by a new try.
	Repeatable bool
	// Ends is what an administrator's call ends at OpenIM. The gateway ends the same of its own first: OpenIM's tokens are made anew for
	// whoever has a session here.
	Ends Ends
	// Since is the first supported release that has the route.
	Since Release
	// Calls is OpenIM's path where it is not Path: an official SDK calls one that OpenIM does not have.
	Calls string
	// Protobuf: an official SDK sends the body as protobuf.
	Protobuf bool
	// Example is a small body of a user's that OpenIM could carry out. {self}, {peer} and {group} stand for a user, a friend and a
	// group of his, {pair} for the conversation with the friend, {sg} for that of the group.
	Example string
	// Nothing is the data of the reply to a caller who has no conversations, where OpenIM would take their absence for all that it knows.
	Nothing string
	// Why is what the route is for, or why nobody may call it.
	Why string
}

// Ends is what a call of an administrator's ends.
type Ends string

// EndsPlatform is a user's sessions on a platform: userID and platformID of the body.
const EndsPlatform Ends = "platform"

// Name is the route's label in logs and metrics: the path without its first slash.
func (r *Route) Name() string { return r.Path[1:] }

// Upstream is the path at OpenIM.
func (r *Route) Upstream() string { return cmp.Or(r.Calls, r.Path) }

// For reports whether an audience, User or Admin, may call the route.
func (r *Route) For(a Audience) bool {
	return a != Nobody && (r.Audience == a || r.Audience == UserAndAdmin)
}

// ForAdmins reports whether administrators may call the route.
func (r *Route) ForAdmins() bool { return r.For(Admin) }

// ForUsers reports whether users may.
func (r *Route) ForUsers() bool { return r.For(User) }
