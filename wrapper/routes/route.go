package routes

import (
	"cmp"
	"time"
)

// Audience says who may call a route.
type Audience string

const (
	// Admin is a caller whose verified token has an administrator's role.
	Admin Audience = "admin"
	// User is a caller with a session. Enforce rewrites the body of such a call.
	User Audience = "user"
	// UserAndAdmin is both, each on their own listener. An administrator's body is passed on unchanged.
	UserAndAdmin Audience = "user and admin"
	// Nobody marks a route of OpenIM's that must not be reachable from outside, for the reason in Why. Routes that are not in the table are
	// refused as well; these are listed for readers who look for them.
	Nobody Audience = "nobody"
)

// Audit is the audit class of a call.
type Audit string

const (
	AuditRead    Audit = "read"    // reads what all users may see, or counts
	AuditPrivate Audit = "private" // reads a user's messages, contacts or conversations
	AuditWrite   Audit = "write"   // changes something
)

// Limit is a class of calls with a common limit on each backend replica.
type Limit struct {
	Name     string
	Deadline time.Duration // from the start of the call at the backend to OpenIM's last byte
	InFlight int           // concurrent calls; further ones are refused with 429
}

// The classes. Slow searches in MongoDB have a class of their own, so that they cannot delay registrations.
var (
	Read   = Limit{"read", 5 * time.Second, 64}
	Write  = Limit{"write", 10 * time.Second, 64}
	Bulk   = Limit{"bulk", 20 * time.Second, 8}
	Search = Limit{"search", 20 * time.Second, 4}
)

// Limits lists all classes.
var Limits = []Limit{Read, Write, Bulk, Search}

// MaxDeadline returns the longest deadline of all classes. The servers' timeouts must be longer.
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
	Medium = 128 << 10 // one message: OpenIM's WebSocket accepts 50 KiB
	Large  = 1 << 20   // a list of a thousand users
)

// MaxBody is the largest body limit.
const MaxBody = Large

// MediaTypeProtobuf is the media type of the bodies that an official SDK sends to the rows marked Protobuf.
const MediaTypeProtobuf = "application/x-protobuf"

// Route is one row of the route table.
type Route struct {
	Method   string
	Path     string // OpenIM's own path, matched byte for byte
	Audience Audience
	Limit    Limit
	Audit    Audit
	Body     int64 // bytes
	// Users lists the fields of an administrator's body that name the users whom the call affects: "userID", "userInfo.userID",
	// "users[].userID", "userIDs[]".
	Users []string
	// Identity has a rule for each field of a user's body that names a user, a group, a conversation or an object, and for fields that
	// OpenIM would use although a user must not set them.
	Identity []Identity
	// Repeatable: a second call has no further effect, so that the call may be repeated after a failed connection.
	Repeatable bool
	// Ends is what an administrator's call ends at OpenIM. The gateway ends its own sessions of the same user first; otherwise the
	// backend would request new tokens of OpenIM for them.
	Ends Ends
	// Since is the first supported release that has the route.
	Since Release
	// Calls is OpenIM's path, if it differs from Path: an official SDK calls a path that OpenIM does not have.
	Calls string
	// Protobuf: an official SDK sends the body as protobuf.
	Protobuf bool
	// Example is a small body of a user's call that OpenIM can execute. {self} is the user, {peer} a friend, {group} a group of the user,
	// {pair} the conversation with the friend, {sg} the conversation of the group,
	// {upload} and {form} the tickets of uploads of the user.
	Example string
	// Nothing is the data of the reply to a caller without conversations. OpenIM would interpret an empty list as all conversations.
	Nothing string
	// Why is the purpose of the route, or the reason why nobody may call it.
	Why string
}

// Ends is what an administrator's call ends.
type Ends string

// EndsPlatform ends a user's sessions on a platform: userID and platformID of the body.
const EndsPlatform Ends = "platform"

// Name returns the route's label in logs and metrics: the path without its first slash.
func (r *Route) Name() string { return r.Path[1:] }

// Upstream returns the path at OpenIM.
func (r *Route) Upstream() string { return cmp.Or(r.Calls, r.Path) }

// For reports whether an audience, User or Admin, may call the route.
func (r *Route) For(a Audience) bool {
	return a != Nobody && (r.Audience == a || r.Audience == UserAndAdmin)
}

// ForAdmins reports whether administrators may call the route.
func (r *Route) ForAdmins() bool { return r.For(Admin) }

// ForUsers reports whether users may call the route.
func (r *Route) ForUsers() bool { return r.For(User) }
