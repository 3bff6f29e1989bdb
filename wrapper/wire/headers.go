package wire

import "time"

// Header names. HTTP compares them without regard to case.
const (
	HeaderAuthorization = "Authorization"
	HeaderAllow         = "Allow"
	HeaderCacheControl  = "Cache-Control"
	HeaderContentType   = "Content-Type"
	HeaderContentCoding = "Content-Encoding"
	HeaderNoSniff       = "X-Content-Type-Options"
	HeaderRetryAfter    = "Retry-After"
	HeaderChallenge     = "WWW-Authenticate"

	// HeaderRequestID carries the request identifier in requests and replies, on every connection.
	HeaderRequestID = "X-Request-Id"
	// HeaderOperationID is OpenIM's header for a request identifier. OpenIM requires it on every POST.
	HeaderOperationID = "operationID"
	// HeaderToken is the header in which OpenIM's API expects a token. The wrapper never reads it from a client.
	HeaderToken = "token"
	// HeaderErrCode repeats the envelope's errCode in the backend's reply, so that the gateway can log it without decoding
	// the body. The gateway removes the header.
	HeaderErrCode = "X-Openim-Err-Code"
	// HeaderReason is the name of the Failure with which the backend replied, for the gateway's log. The gateway removes the
	// header.
	HeaderReason = "X-Openim-Reason"
	// HeaderUsers lists the users whom a call concerns, for the gateway's audit log: a JSON list in base64url. The gateway
	// removes the header.
	HeaderUsers = "X-Openim-Users"
	// HeaderInstance identifies the backend's process in each of its replies, so that the gateway can bind its next request on
	// the same connection to that process. The gateway removes the header.
	HeaderInstance = "X-Openim-Instance"
	// HeaderLink holds the versions of the link that the backend reads, in each of its replies: "3-4". The gateway removes the
	// header.
	HeaderLink = "X-Openim-Link"
	// HeaderProof carries the caller's own credential (the proof) from the gateway to the backend, which verifies it
	// independently.
	HeaderProof = "X-Openim-Proof"
	// HeaderUserCount is the number of users whom a call concerns, if HeaderUsers does not list all of them.
	HeaderUserCount = "X-Openim-User-Count"
)

// SchemeBearer is the authentication scheme (RFC 6750) between client and gateway, and between gateway and backend.
const SchemeBearer = "Bearer"

// MediaTypeJSON is the only media type that the wrapper accepts and produces.
const MediaTypeJSON = "application/json"

const (
	// AdminPrefix precedes OpenIM's own path on the administrators' listener: /admin/v1/user/user_register.
	AdminPrefix = "/admin/v1"
	// HandshakePath is the backend's route by which a gateway proves that it holds the assertion key. It is not a route of
	// OpenIM's.
	HandshakePath = "/internal/v1/handshake"
)

const (
	// MaxHeaderBytes limits the headers of a request. MaxUserHeaderBytes is the limit on the users' listener, where official
	// SDKs may send an operationID of MaxOperationIDBytes.
	MaxHeaderBytes     = 16 << 10
	MaxUserHeaderBytes = MaxHeaderBytes + MaxOperationIDBytes
	// MaxReplyBytes limits the body of a reply, of OpenIM to the backend and of the backend to the gateway.
	MaxReplyBytes = 8 << 20
	// MaxErrMsgBytes limits the errMsg of a reply to a caller.
	MaxErrMsgBytes = 256
)

// RetryAfter is the default value of the Retry-After header in replies to temporary failures.
const RetryAfter = time.Second
