package devices

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
)

// enrolTimeout bounds MongoDB's part of an enrolment. What prepare does has the caller's time.
const enrolTimeout = 2 * callTimeout

// Enrol uses a code up and registers a device with a key whose possession was proved. Of calls with one code and different keys one
// succeeds; the same call may be made again and gives the same device. prepare is called when nothing speaks against it and before
// the code is used up: if it fails, the code stays good.
//
// The order: take the code, take the key, write the device down as pending, look whether the code is still there, activate the
// device. Until the last step nothing can be used. Whoever revokes all devices of a user takes his codes away first, so that an
// enrolment under way either finds its code gone or its device revoked.
func (r *Registry) Enrol(ctx context.Context, req internalapi.Enrol, prepare func(context.Context, Invitation) error) (internalapi.Enrolled, error) {
	public, err := handshake.ParsePublicKey(req.Key)
	if err != nil {
		return internalapi.Enrolled{Refused: internalapi.KeyTaken}, nil
	}
	key := public.String()
	h, c, refused, err := r.examine(ctx, req, key)
	if err != nil || refused != "" {
		return internalapi.Enrolled{Refused: refused}, err
	}
	if err := prepare(ctx, c.invitation()); err != nil {
		return internalapi.Enrolled{}, err
	}

	ctx, cancel := context.WithTimeout(ctx, enrolTimeout)
	defer cancel()
	if c, err = r.claim(ctx, h, req.CodeID, key); err != nil || c == nil {
		return internalapi.Enrolled{Refused: internalapi.CodeGone}, err
	}
	ok, err := h.take(ctx, key, c.Claimed, r.now())
	if err != nil {
		return internalapi.Enrolled{}, err
	}
	if !ok {
		return internalapi.Enrolled{Refused: internalapi.KeyTaken}, nil
	}
	d, err := r.register(ctx, h, c, req, key)
	if err != nil || d == nil {
		return internalapi.Enrolled{Refused: internalapi.CodeGone}, err
	}
	u, err := h.user(ctx, d.UserID)
	if err != nil {
		return internalapi.Enrolled{}, err
	}
	return internalapi.Enrolled{Device: d.link(), User: u.link(), Under: c.Under}, nil
}

// examine looks without changing anything.
func (r *Registry) examine(ctx context.Context, req internalapi.Enrol, key string) (*handle, *code, internalapi.Refused, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	h, err := r.open(ctx)
	if err != nil {
		return nil, nil, "", err
	}
	c, err := found[code](h.codes.FindOne(ctx, byID(req.CodeID)))
	if err != nil {
		return nil, nil, "", err
	}
	if c == nil || !r.now().Before(c.Expires) || c.Claimed != "" && c.ClaimedKey != key {
		return nil, nil, internalapi.CodeGone, nil
	}
	if c.PlatformID != 0 && c.PlatformID != req.PlatformID {
		return nil, nil, internalapi.WrongPlatform, nil
	}
	by, err := h.takenBy(ctx, key)
	if err != nil {
		return nil, nil, "", err
	}
	if by != "" && by != c.Claimed {
		return nil, nil, internalapi.KeyTaken, nil
	}
	u, err := h.user(ctx, c.UserID)
	if err != nil {
		return nil, nil, "", err
	}
	if u.Disabled {
		return nil, nil, internalapi.NoSuchUser, nil
	}
	return h, c, "", nil
}

// claim takes the code for a key, or finds that it was taken for the same key before. nil: it is gone.
func (r *Registry) claim(ctx context.Context, h *handle, codeID, key string) (*code, error) {
	alive := bson.E{Key: fieldExpires, Value: bson.D{{Key: "$gt", Value: r.now()}}}
	c, err := found[code](h.codes.FindOneAndUpdate(ctx,
		bson.D{{Key: fieldID, Value: codeID}, alive, {Key: "claimed", Value: ""}},
		set(bson.E{Key: "claimed", Value: newID()}, bson.E{Key: "claimedKey", Value: key},
			bson.E{Key: fieldSeat, Value: codeID}), // it no longer counts as open
		options.FindOneAndUpdate().SetReturnDocument(options.After)))
	if err != nil || c != nil {
		return c, err
	}
	return found[code](h.codes.FindOne(ctx, bson.D{{Key: fieldID, Value: codeID}, alive, {Key: "claimedKey", Value: key}}))
}

// register writes the device down and activates it. nil: it, its code or its seat is gone.
func (r *Registry) register(ctx context.Context, h *handle, c *code, req internalapi.Enrol, key string) (*device, error) {
	there, err := h.device(ctx, c.Claimed)
	if err != nil {
		return nil, err
	}
	if there == nil {
		now := r.now().Truncate(time.Millisecond)
		if err := h.sweep(ctx, c.UserID, now); err != nil {
			return nil, err
		}
		doc := device{
			ID: c.Claimed, UserID: c.UserID, PlatformID: req.PlatformID, Name: req.Name, Key: key, Keys: []string{key},
			Status: statusPending, Created: now,
		}
		seated, err := sit(ctx, h.devices, doc.ID, c.UserID, MaxDevices, func(seat string) any { doc.Seat = seat; return doc })
		if err != nil || !seated {
			return nil, err
		}
	} else if there.Status == statusActive {
		return there, nil
	}
	still, err := found[code](h.codes.FindOne(ctx, bson.D{{Key: fieldID, Value: c.ID}, {Key: "claimed", Value: c.Claimed}}))
	if err != nil {
		return nil, err
	}
	if still == nil {
		_, err := h.revoke(ctx, c.Claimed, r.now())
		return nil, err
	}
	return found[device](h.devices.FindOneAndUpdate(ctx,
		bson.D{{Key: fieldID, Value: c.Claimed}, {Key: fieldStatus, Value: statusPending}},
		set(bson.E{Key: fieldStatus, Value: statusActive}), options.FindOneAndUpdate().SetReturnDocument(options.After)))
}

// sweep frees the seats of enrolments that were given up: their codes can no longer be alive.
func (h *handle) sweep(ctx context.Context, userID string, now time.Time) error {
	docs, err := h.find(ctx, bson.D{{Key: fieldUser, Value: userID}, {Key: fieldStatus, Value: statusPending},
		{Key: "created", Value: bson.D{{Key: "$lt", Value: now.Add(-2 * MaxCodeLifetime)}}}})
	if err != nil {
		return err
	}
	for i := range docs {
		if _, err := h.revoke(ctx, docs[i].ID, now); err != nil {
			return err
		}
	}
	return nil
}
