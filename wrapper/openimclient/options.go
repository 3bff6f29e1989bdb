package openimclient

import (
	"errors"
	"time"

	"github.com/openimstack/openim-operator/wrapper/filewatch"
)

// Options say where OpenIM is and who its administrator is.
type Options struct {
	BaseURL     string // http://host:port without a path
	AdminUserID string // one of OpenIM's share.imAdminUserID
	// ExternalURL is where users reach OpenIM's paths, such as https://im.example.com/im/v1: it stands before the paths of
	// objects in OpenIM's replies. Empty: OpenIM names its own address.
	ExternalURL string
	Secret      Secret
	Now         func() time.Time
	Observe     Observer
}

// Secret gives OpenIM's present share.secret.
type Secret interface {
	Get() ([]byte, error)
}

// SecretFile is share.secret in a mounted file.
func SecretFile(path string) *filewatch.Source[[]byte] {
	return filewatch.New("openim-secret", filewatch.Text(1, 1024), path)
}

// Observer is told what happens to the admin token. Its methods must not block.
type Observer interface {
	// TokenMinted is called after each attempt: err is nil on success, and expires is then the token's end.
	TokenMinted(err error, expires time.Time)
}

// Errors of a call that has no reply of OpenIM's to give. Their texts name no secret.
var (
	// ErrUnavailable: the request was not delivered, or OpenIM's own processes cannot reach each other.
	ErrUnavailable = errors.New("OpenIM's API cannot be reached")
	// ErrBroken: the connection broke after the request had gone out. It may have taken effect.
	ErrBroken = errors.New("the connection to OpenIM's API broke before the reply")
	// ErrTimeout: the deadline passed. The request may have taken effect.
	ErrTimeout = errors.New("OpenIM's API did not answer in time")
	// ErrBadReply: something answered, but not as OpenIM does.
	ErrBadReply = errors.New("OpenIM's API gave a reply that is not its own")
	// ErrNoRoute: this release of OpenIM does not have the route.
	ErrNoRoute = errors.New("this release of OpenIM has no such route")
	// ErrNoUser: OpenIM has no such user, or gives no token for him.
	ErrNoUser = errors.New("OpenIM gives no token for this user: register him first, and do not take an administrator's id")
	// ErrNoToken: OpenIM gives us no admin token, or does not accept the one it gave.
	ErrNoToken = errors.New("OpenIM gives no admin token: compare share.secret and the admin user id with OpenIM's configuration")
)
