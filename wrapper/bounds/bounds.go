package bounds

// Of messages.
const (
	// Seq is the largest sequence number: the largest that JavaScript's clients can write.
	Seq = 1 << 53
	// Pulled is the number of messages that one range, or one list of seqs to read, may ask for.
	Pulled = 10_000
	// Span is the number of seqs that all ranges of a call may list together. Of a notification queue OpenIM lists the whole range,
	// whatever number is asked for.
	Span = 100_000
	// Seqs is the number of messages that one call may mark or delete.
	Seqs = 1000
	// Content is a message's content in bytes. OpenIM keeps 100 messages of a conversation in one document of MongoDB, which takes 16 MiB.
	Content = 100 << 10
)

// Of lists.
const (
	// Conversations is the number of conversations that one call may name. For each OpenIM may keep a key in Redis for a year.
	Conversations = 500
	// Records is the number of the caller's own records, or of names, that one call may read by their ids.
	Records = 5000
	// Groups is the number of groups.
	Groups = 500
	// Users is the number of users.
	Users = 1000
	// Presence is the number of users of one subscription, and of all that a socket holds.
	Presence = 3000
	// Parts is the number of parts of an upload: S3 has no more.
	Parts = 10_000
	// Signed is the number of parts that OpenIM signs addresses for in one call.
	Signed = 1000
	// Options is the number of entries of a small list or map: results to filter by, options of a message, files of a log.
	Options = 16
)

// Of pages: a page's number times its size is what MongoDB skips.
const (
	// PageSize is the number of entries of one page.
	PageSize = 1000
	// PageNumber is the last page.
	PageNumber = 100_000
)

// Of texts, in bytes. Ids are bounded by package ids.
const (
	// Short is a name, a remark, a version, a media type.
	Short = 256
	// Address is a URL, or an object's name.
	Address = 1024
	// Push is one text of a push notification.
	Push = 2 << 10
	// Token is a push token or an upload ticket.
	Token = 4 << 10
	// Note is an extension that goes with a message or a conversation.
	Note = 16 << 10
	// Notice is a text that OpenIM repeats in messages of its own: a group's notice, description or extension, a user's, a request's
	// reason. There it stands in JSON inside JSON, where one byte can take seven; a group's three must leave 100 such messages room in
	// one document.
	Notice = 5 << 10
)

// Of other numbers.
const (
	// Millis is the latest time, in milliseconds or seconds since 1970.
	Millis = 1 << 53
	// Seconds is the longest duration: ten years.
	Seconds = 10 * 366 * 24 * 3600
	// Size is the largest object: what S3 takes.
	Size = 5 << 40
	// Enum is above every enumeration of OpenIM's that a user may set.
	Enum = 200
	// Int32 is the largest number that OpenIM's int32 holds.
	Int32 = 1<<31 - 1
)

// Listed returns how many seqs OpenIM lists in memory for one range of a pull: num, or the whole range when none is asked for or the
// conversation is a notification queue. A range that is not one lists nothing.
func Listed(begin, end, num int64, queue bool) int64 {
	if num != 0 && !queue {
		return num
	}
	return max(0, end-begin+1)
}
