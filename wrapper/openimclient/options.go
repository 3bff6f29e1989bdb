package openimclient

import (
	"errors"
	"time"

	"github.com/openimstack/openim-operator/wrapper/filewatch"
)

// Options holds OpenIM's address and its administrator.
type Options struct {
	BaseURL     string // http://host:port without a path
	AdminUserID string // one of the ids in OpenIM's share.imAdminUserID
	// ExternalURL is the URL under which users reach OpenIM's paths, such as https://im.example.com/im/v1. OpenIM puts it before the
	// paths of objects in its replies. Empty: OpenIM uses its own address.
	ExternalURL string
	Secret      Secret
	// Previous is the share.secret before the present one, while it is being replaced: openim-rpc-auth knows one of the two. Nil: there is
	// none.
	Previous Secret
	Now      func() time.Time
	Observe  Observer
}

// Secret returns OpenIM's current share.secret.
type Secret interface {
	Get() ([]byte, error)
}

// SecretFile returns a source of share.secret in a mounted file.
func SecretFile(path string) *filewatch.Source[[]byte] {
	return filewatch.New("openim-secret", filewatch.Text(1, 1024), path)
}

// PreviousSecretFile returns a source of the share.secret that is being replaced, in a mounted file.
func PreviousSecretFile(path string) *filewatch.Source[[]byte] {
	return filewatch.New("openim-secret-previous", filewatch.Text(1, 1024), path)
}

// Observer is notified of requests for the admin token. Its methods must not block.
type Observer interface {
	// TokenMinted is called after each request for a token. On success err is nil, and expires is the end of the token.
	TokenMinted(err error, expires time.Time)
}

// Errors of a call without a usable reply of OpenIM. Their texts contain no secret.
var (
	// ErrUnavailable: the request was not sent, or OpenIM's processes cannot reach each other.
	ErrUnavailable = errors.New("calling OpenIM's API: it cannot be reached")
	// ErrBroken: the connection failed after the request was sent. The call may have taken effect.
	ErrBroken = errors.New("calling OpenIM's API: the connection failed before the reply")
	// ErrTimeout: the deadline passed. The call may have taken effect.
	ErrTimeout = errors.New("calling OpenIM's API: deadline exceeded")
	// ErrBadReply: the reply is not in OpenIM's format.
	ErrBadReply = errors.New("calling OpenIM's API: the reply is not in its format")
	// ErrNoRoute: this release of OpenIM lacks the route.
	ErrNoRoute = errors.New("this release of OpenIM has no such route")
	// ErrNoUser: OpenIM has no such user, or issues no token for the user.
	ErrNoUser = errors.New("requesting a user token: OpenIM refuses: register the user first, and do not use an administrator's id")
	// ErrNoToken: OpenIM issues no admin token, or refuses the one that it issued.
	ErrNoToken = errors.New("requesting the admin token: OpenIM refuses: " +
		"compare share.secret and the admin user id with OpenIM's configuration")
)
