package bounds

// Bounds of messages.
const (
	// Seq is the largest sequence number: the largest integer that JavaScript clients can write.
	Seq = 1 << 53
	// Pulled is the number of messages that one range, or one list of seqs, may request.
	Pulled = 10_000
	// Span is the number of seqs that all ranges of a call may list together. For a notification queue OpenIM lists the whole range,
	// whatever number was requested.
	Span = 100_000
	// Seqs is the number of messages that one call may mark or delete.
	Seqs = 1000
	// Content is the size of a message's content in bytes. OpenIM keeps 100 messages of a conversation in one document of MongoDB, and
	// a document may have 16 MiB.
	Content = 100 << 10
)

// Bounds of lists.
const (
	// Conversations is the number of conversations that one call may name. OpenIM may keep a key in Redis for each, for a year.
	Conversations = 500
	// Records is the number of the caller's own records, or of names, that one call may read by their ids.
	Records = 5000
	// Groups is the number of groups.
	Groups = 500
	// Users is the number of users.
	Users = 1000
	// Presence is the number of users of one subscription, and of all that a socket holds.
	Presence = 3000
	// Parts is the number of parts of an upload, as S3 allows.
	Parts = 10_000
	// Signed is the number of parts for which OpenIM signs addresses in one call.
	Signed = 1000
	// Options is the number of entries of a small list or map: filters of results, options of a message, files of a log.
	Options = 16
)

// Bounds of pages. MongoDB skips a page's number times its size.
const (
	// PageSize is the number of entries of one page.
	PageSize = 1000
	// PageNumber is the last page.
	PageNumber = 100_000
)

// Bounds of texts, in bytes. Package ids bounds identifiers.
const (
	// Short is a name, a remark, a version, a media type.
	Short = 256
	// Address is a URL, or an object's name.
	Address = 1024
	// Push is one text of a push notification.
	Push = 2 << 10
	// Token is a push token or an upload ticket.
	Token = 4 << 10
	// Note is an extension of a message or a conversation.
	Note = 16 << 10
	// Notice is a text that OpenIM repeats in its own messages: a group's notice, description or extension, a user's extension, or the
	// reason of a request. There it is JSON inside JSON, where one byte can take seven. 100 such messages with a group's three texts
	// must fit into one document.
	Notice = 5 << 10
)

// Other bounds.
const (
	// Millis is the latest time, in milliseconds or seconds since 1970.
	Millis = 1 << 53
	// Seconds is the longest duration: ten years.
	Seconds = 10 * 366 * 24 * 3600
	// Size is the size of the largest object, as S3 allows.
	Size = 5 << 40
	// Enum is larger than every enumeration value of OpenIM's that a user may set.
	Enum = 200
	// Int32 is the largest int32, which OpenIM's fields of that type hold.
	Int32 = 1<<31 - 1
)

// Listed returns how many seqs OpenIM lists in memory for one range of a pull: num, or the whole range when num is 0 or the conversation
// is a notification queue. An empty or reversed range lists nothing.
func Listed(begin, end, num int64, queue bool) int64 {
	if num != 0 && !queue {
		return num
	}
	return max(0, end-begin+1)
}
