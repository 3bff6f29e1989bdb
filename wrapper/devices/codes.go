package devices

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
)

const (
	// MaxCodeLifetime is the longest a code may live.
	MaxCodeLifetime = 10 * time.Minute
	// MaxCodes is how many open codes a user may have.
	MaxCodes = 8
	// MaxAttempts is how often a code may be opened.
	MaxAttempts = 5
)

// Reasons why no code is issued.
var (
	// ErrTooManyCodes: the user has as many open codes as he may.
	ErrTooManyCodes = fmt.Errorf("the user has %d open codes: use one, or wait until one has expired", MaxCodes)
	// ErrNoDevice: a code for an enrolled user was asked for, and he has no active device.
	ErrNoDevice = errors.New("the user has no enrolled device: let an administrator issue the code")
	// ErrTooManyDevices: the user has as many active devices as he may.
	ErrTooManyDevices = fmt.Errorf("the user has %d devices: revoke one first", MaxDevices)
	// ErrDisabled: the user is disabled.
	ErrDisabled = errors.New("the user is disabled: enable him first")
)

// Invitation is what a code is for.
type Invitation struct {
	UserID     string
	Nickname   string
	FaceURL    string
	PlatformID int32 // 0: any
	Issuer     string
	// SessionID and DeviceID are the issuer's. Under is what revocations are compared with; nobody here reads it.
	SessionID, DeviceID, Under string
}

// code is a document. The secret is not in it; what is made of it is sealed.
type code struct {
	ID         string    `bson:"_id"`
	UserID     string    `bson:"user"`
	Seat       string    `bson:"seat"`
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
	// Claimed is the device that uses the code up, empty while nobody does.
	Claimed    string `bson:"claimed"`
	ClaimedKey string `bson:"claimedKey"`
}

func (c *code) invitation() Invitation {
	return Invitation{UserID: c.UserID, Nickname: c.Nickname, FaceURL: c.FaceURL, PlatformID: c.PlatformID, Issuer: c.Issuer,
		SessionID: c.BySession, DeviceID: c.ByDevice, Under: c.Under}
}

func codePlace(id string) []byte { return []byte("enrolment code " + id) }

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

func newID() string { return base64.RawURLEncoding.EncodeToString(random(deviceIDBytes)) }

// IssueCode makes a one-time code that lives for a time of at most MaxCodeLifetime. It is the only place where the code can be seen.
// With enrolled the user must have an active device already.
func (r *Registry) IssueCode(ctx context.Context, in Invitation, lives time.Duration, enrolled bool) (text string, expires time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	h, err := r.open(ctx)
	if err != nil {
		return "", time.Time{}, err
	}
	if err := h.mayEnrol(ctx, in.UserID, enrolled); err != nil {
		return "", time.Time{}, err
	}
	now := r.now()
	// The database takes expired ones away by itself, but only once a minute; a stand-in may not do it at all.
	if _, err := h.codes.DeleteMany(ctx, bson.D{{Key: fieldExpires, Value: bson.D{{Key: "$lte", Value: now}}}}); err != nil {
		return "", time.Time{}, failed(err)
	}
	fresh := handshake.NewCode()
	doc := code{
		ID: fresh.ID(), UserID: in.UserID, Nickname: in.Nickname, FaceURL: in.FaceURL, PlatformID: in.PlatformID, Issuer: in.Issuer,
		BySession: in.SessionID, ByDevice: in.DeviceID, Under: in.Under,
		Created: now, Expires: now.Add(min(lives, MaxCodeLifetime)).Truncate(time.Millisecond),
	}
	if doc.PSK, err = r.sealer.Seal(fresh.PSK(), codePlace(doc.ID)); err != nil {
		return "", time.Time{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	seated, err := sit(ctx, h.codes, doc.ID, in.UserID, MaxCodes, func(seat string) any { doc.Seat = seat; return doc })
	if err != nil {
		return "", time.Time{}, err
	}
	if !seated {
		return "", time.Time{}, ErrTooManyCodes
	}
	return fresh.Reveal(), doc.Expires, nil
}

// mayEnrol wants a user who is not disabled, has room for a device and, if so asked, has one already.
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

// Opened is what is known of a code. OK is false for a code that does not hold: its key is random.
type Opened struct {
	PSK   []byte
	OK    bool
	Under string
}

// OpenCode counts an attempt and gives the pre-shared key. An unknown, used, expired or exhausted code gives a random one, after
// the same work.
func (r *Registry) OpenCode(ctx context.Context, id string) (Opened, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
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
	}, bson.D{{Key: "$inc", Value: bson.D{{Key: "attempts", Value: int32(1)}}}}, options.FindOneAndUpdate().SetReturnDocument(options.After)))
	if err != nil {
		return Opened{}, err
	}
	decoy, err := r.sealer.Seal(random(handshake.PSKBytes), codePlace(id))
	if err != nil {
		return Opened{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	sealed, under := decoy, ""
	if c != nil {
		sealed, under = c.PSK, c.Under
	}
	psk, err := r.sealer.Open(sealed, codePlace(id))
	if err != nil || len(psk) != handshake.PSKBytes {
		// Sealed under a key that is gone, or tampered with: as good as no code.
		return Opened{PSK: random(handshake.PSKBytes)}, nil
	}
	return Opened{PSK: psk, OK: c != nil, Under: under}, nil
}

// DropCodes removes open codes: those that a session or a device issued, those of a user, or all.
func (r *Registry) DropCodes(ctx context.Context, which internalapi.DropCodes) error {
	filter, err := codesOf(which)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	h, err := r.open(ctx)
	if err != nil {
		return err
	}
	return h.dropCodes(ctx, filter)
}

func (h *handle) dropCodes(ctx context.Context, filter bson.D) error {
	_, err := h.codes.DeleteMany(ctx, filter)
	return failed(err)
}

// codesOf wants one of the four.
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
	return nil, ErrNobody
}

// nonEmpty keeps an empty name from meaning every code that an administrator issued.
func nonEmpty(id string) error {
	if id == "" {
		return ErrNobody
	}
	return nil
}
