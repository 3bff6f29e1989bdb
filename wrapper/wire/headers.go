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

	// HeaderRequestID carries the request identifier, both ways and on every leg.
	HeaderRequestID = "X-Request-Id"
	// HeaderOperationID is OpenIM's name for the same thing: required by OpenIM on every POST.
	HeaderOperationID = "operationID"
	// HeaderToken is where OpenIM's API looks for a token. It is never read from a client.
	HeaderToken = "token"
	// HeaderErrCode repeats the envelope's errCode from backend to gateway, so that the gateway can log it
	// without decoding the body. It never leaves the gateway.
	HeaderErrCode = "X-Openim-Err-Code"
	// HeaderReason names the Failure that the backend answered with, for the gateway's log. It never leaves the gateway.
	HeaderReason = "X-Openim-Reason"
	// HeaderUsers names the users whom a call was about, for the gateway's audit trail: a JSON list in base64url. It never
	// leaves the gateway.
	HeaderUsers = "X-Openim-Users"
	// HeaderInstance names the backend's process in each of its replies, so that the gateway can bind what it asks next on the same
	// connection to it. It never leaves the gateway.
	HeaderInstance = "X-Openim-Instance"
	// HeaderProof carries the caller's own credential from the gateway to the backend, which verifies it by itself.
	HeaderProof = "X-Openim-Proof"
	// HeaderUserCount is their number, when there are more than are named.
	HeaderUserCount = "X-Openim-User-Count"
)

// SchemeBearer is the authentication scheme of both legs (RFC 6750).
const SchemeBearer = "Bearer"

// MediaTypeJSON is the only media type that is accepted and produced.
const MediaTypeJSON = "application/json"

const (
	// AdminPrefix stands before OpenIM's own path on the admins' listener: /admin/v1/user/user_register.
	AdminPrefix = "/admin/v1"
	// HandshakePath is answered by the backend to a gateway that holds the assertion key. It is no OpenIM route.
	HandshakePath = "/internal/v1/handshake"
)

const (
	// MaxHeaderBytes bounds the header block of every request that is read, MaxUserHeaderBytes that of users' requests, whose SDKs may send
	// an operationID of MaxOperationIDBytes.
	MaxHeaderBytes     = 16 << 10
	MaxUserHeaderBytes = MaxHeaderBytes + MaxOperationIDBytes
	// MaxReplyBytes bounds a reply's body on both legs behind the gateway.
	MaxReplyBytes = 8 << 20
	// MaxErrMsgBytes bounds the errMsg that is passed on.
	MaxErrMsgBytes = 256
)

// RetryAfter is what a caller is asked to wait when a refusal is about the moment, not about the request.
const RetryAfter = time.Second
