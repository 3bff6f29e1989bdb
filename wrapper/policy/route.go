package policy

import "time"

// Audience says who may call a route.
type Audience string

const (
	// Admin is a caller whose verified token carries an administrator's role.
	Admin Audience = "admin"
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

// Route is one row.
type Route struct {
	Method   string
	Path     string // OpenIM's own, matched byte for byte
	Audience Audience
	Limit    Limit
	Audit    Audit
	Body     int64 // bytes
	// Users are the body's fields that name the users for whom, or to whom, the call does something:
	// "userID", "userInfo.userID", "users[].userID", "userIDs[]".
	Users []string
	// Repeatable: a second time does no more than the first, so a broken connection may be answered by a new try.
	Repeatable bool
	// Releases says which OpenIM releases have the route. Empty: all that are supported.
	Releases string
	// Why is what the route is for, or why nobody may call it.
	Why string
}

// Name is the route's label in logs and metrics: the path without its first slash.
func (r *Route) Name() string { return r.Path[1:] }
