package devices

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/ids"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
)

const (
	// MaxCodeLifetime is the longest lifetime of a code.
	MaxCodeLifetime = 10 * time.Minute
	// MaxCodes is the largest number of open codes of a user.
	MaxCodes = 8
	// MaxAttempts is how often a code may be opened before it is refused.
	MaxAttempts = 5
)

// Errors of IssueCode.
var (
	// ErrTooManyCodes says that the user has MaxCodes open codes.
	ErrTooManyCodes = fmt.Errorf("the user has %d open codes: use one, or wait until one has expired", MaxCodes)
	// ErrNoDevice says that only an enrolled user may issue the code and that the user has no active device.
	ErrNoDevice = errors.New("the user has no enrolled device: let an administrator issue the code")
	// ErrTooManyDevices says that the user has MaxDevices active devices.
	ErrTooManyDevices = fmt.Errorf("the user has %d devices: revoke one first", MaxDevices)
	// ErrDisabled says that the user is disabled.
	ErrDisabled = errors.New("the user is disabled: enable the user first")
)

// Invitation is what an enrolment code stands for.
type Invitation struct {
	UserID     string
	Nickname   string
	FaceURL    string
	PlatformID int32 // 0: any
	Issuer     string
	// SessionID and DeviceID are the issuer's. Under is the session with which revocations are compared. This package only stores it.
	SessionID, DeviceID, Under string
}

// code is a document of CollectionCodes. It holds no secret of the code in clear: PSK is sealed.
type code struct {
	ID         string    `bson:"_id"`
	UserID     string    `bson:"user"`
	Slot       string    `bson:"seat"`
	Nickname   string    `bson:"nickname"`
	FaceURL    string    `bson:"faceURL"`
	PlatformID int32     `bson:"platform"`
	Issuer     string    `bson:"issuer"`
	BySession  string    `bson:"bySession"`
	ByDevice   string    `bson:"byDevice"`
	Under      string    `bson:"under"`
	Created    time.Time `bson:"created"`
	Expires    time.Time `bson:"expires"`
	Attempts   int32     `bson:"attempts"`
	PSK        []byte    `bson:"psk"`
	// Claimed is the device that uses the code up. It is empty until an enrolment claims the code.
	Claimed    string `bson:"claimed"`
	ClaimedKey string `bson:"claimedKey"`
}

func (c *code) invitation() Invitation {
	return Invitation{UserID: c.UserID, Nickname: c.Nickname, FaceURL: c.FaceURL, PlatformID: c.PlatformID, Issuer: c.Issuer,
		SessionID: c.BySession, DeviceID: c.ByDevice, Under: c.Under}
}

func codePlace(id string) []byte { return []byte("enrolment code " + id) }

func newID() string { return base64.RawURLEncoding.EncodeToString(ids.RandomBytes(deviceIDBytes)) }

// IssueCode creates a one-time code and returns its text, which is not stored and cannot be shown again. The lifetime is cut to
// MaxCodeLifetime. With enrolled, the user must already have an active device.
func (r *Registry) IssueCode(
	ctx context.Context, in Invitation, lifetime time.Duration, enrolled bool,
) (text string, expires time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.bounds.call)
	defer cancel()
	h, err := r.open(ctx)
	if err != nil {
		return "", time.Time{}, err
	}
	if err := h.mayEnrol(ctx, in.UserID, enrolled); err != nil {
		return "", time.Time{}, err
	}
	now := r.now()
	// MongoDB removes expired codes only once a minute, and a stand-in may not remove them at all.
	if _, err := h.codes.DeleteMany(ctx, bson.D{{Key: fieldExpires, Value: bson.D{{Key: "$lte", Value: now}}}}); err != nil {
		return "", time.Time{}, mongoError(err)
	}
	fresh := handshake.NewCode()
	doc := code{
		ID: fresh.ID(), UserID: in.UserID, Nickname: in.Nickname, FaceURL: in.FaceURL, PlatformID: in.PlatformID, Issuer: in.Issuer,
		BySession: in.SessionID, ByDevice: in.DeviceID, Under: in.Under,
		Created: now, Expires: now.Add(min(lifetime, MaxCodeLifetime)).Truncate(time.Millisecond),
	}
	if doc.PSK, err = r.sealer.Seal(fresh.PSK(), codePlace(doc.ID)); err != nil {
		return "", time.Time{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	inserted, err := insertInSlot(ctx, h.codes, doc.ID, in.UserID, MaxCodes, func(slot string) any { doc.Slot = slot; return doc })
	if err != nil {
		return "", time.Time{}, err
	}
	if !inserted {
		return "", time.Time{}, ErrTooManyCodes
	}
	return fresh.Reveal(), doc.Expires, nil
}

// mayEnrol checks that the user is enabled and may have a further device and, with enrolled, that the user has one already.
func (h *handle) mayEnrol(ctx context.Context, userID string, enrolled bool) error {
	u, err := h.user(ctx, userID)
	if err != nil {
		return err
	}
	if u.Disabled {
		return ErrDisabled
	}
	docs, err := h.find(ctx, bson.D{{Key: fieldUser, Value: userID}, {Key: fieldStatus, Value: statusActive}})
	switch {
	case err != nil:
		return err
	case len(docs) >= MaxDevices:
		return ErrTooManyDevices
	case enrolled && len(docs) == 0:
		return ErrNoDevice
	}
	return nil
}

// Opened is the result of OpenCode. For a code that is not valid, OK is false and PSK is random.
type Opened struct {
	PSK   []byte
	OK    bool
	Under string
}

// OpenCode counts an attempt and returns the code's pre-shared key. For an unknown, used, expired or exhausted code it does the same work
// and returns a random key.
func (r *Registry) OpenCode(ctx context.Context, id string) (Opened, error) {
	ctx, cancel := context.WithTimeout(ctx, r.bounds.call)
	defer cancel()
	h, err := r.open(ctx)
	if err != nil {
		return Opened{}, err
	}
	c, err := found[code](h.codes.FindOneAndUpdate(ctx, bson.D{
		{Key: fieldID, Value: id},
		{Key: fieldExpires, Value: bson.D{{Key: "$gt", Value: r.now()}}},
		{Key: "attempts", Value: bson.D{{Key: "$lt", Value: MaxAttempts}}},
		{Key: "claimed", Value: ""},
	}, bson.D{{Key: "$inc", Value: bson.D{{Key: "attempts", Value: int32(1)}}}},
		options.FindOneAndUpdate().SetReturnDocument(options.After)))
	if err != nil {
		return Opened{}, err
	}
	decoy, err := r.sealer.Seal(ids.RandomBytes(handshake.PSKBytes), codePlace(id))
	if err != nil {
		return Opened{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	sealed, under := decoy, ""
	if c != nil {
		sealed, under = c.PSK, c.Under
	}
	psk, err := r.sealer.Open(sealed, codePlace(id))
	if err != nil || len(psk) != handshake.PSKBytes {
		// Sealed under a removed key, or manipulated: treated like an unknown code.
		return Opened{PSK: ids.RandomBytes(handshake.PSKBytes)}, nil
	}
	return Opened{PSK: psk, OK: c != nil, Under: under}, nil
}

// DropCodes removes open codes: those that a session or a device issued, those of a user, or all.
func (r *Registry) DropCodes(ctx context.Context, which internalapi.DropCodes) error {
	filter, err := codesOf(which)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, r.bounds.call)
	defer cancel()
	h, err := r.open(ctx)
	if err != nil {
		return err
	}
	return h.dropCodes(ctx, filter)
}

func (h *handle) dropCodes(ctx context.Context, filter bson.D) error {
	_, err := h.codes.DeleteMany(ctx, filter)
	return mongoError(err)
}

// codesOf returns the filter for the one field that is set.
func codesOf(which internalapi.DropCodes) (bson.D, error) {
	switch which {
	case internalapi.DropCodes{All: true}:
		return bson.D{}, nil
	case internalapi.DropCodes{UserID: which.UserID}:
		return bson.D{{Key: fieldUser, Value: which.UserID}}, nonEmpty(which.UserID)
	case internalapi.DropCodes{DeviceID: which.DeviceID}:
		return bson.D{{Key: fieldByDevice, Value: which.DeviceID}}, nonEmpty(which.DeviceID)
	case internalapi.DropCodes{SessionID: which.SessionID}:
		return bson.D{{Key: fieldBySession, Value: which.SessionID}}, nonEmpty(which.SessionID)
	}
	return nil, ErrNoSelector
}

// nonEmpty refuses an empty id, which would select every code that an administrator issued.
func nonEmpty(id string) error {
	if id == "" {
		return ErrNoSelector
	}
	return nil
}
