package devices

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/openimstack/openim-operator/wrapper/handshake"
)

// Enrol uses a code up and registers a device with a key whose possession was proved. Of concurrent calls with one code and different
// keys one succeeds. The same call may be repeated and returns the same device. prepare is called after all checks and before the code
// is used up: when it fails, the code stays valid.
//
// The order of writes: claim the code, take the key, store the device as pending, check that the code still exists, activate the
// device. Nothing can be used before the last step. A revocation of all devices of a user first removes the user's codes, so that a
// concurrent enrolment either finds its code gone or its device revoked.
func (r *Registry) Enrol(
	ctx context.Context, req Enrolment, prepare func(context.Context, Invitation) error,
) (Enrolled, error) {
	public, err := handshake.ParsePublicKey(req.Key)
	if err != nil {
		return Enrolled{Refused: KeyTaken}, nil
	}
	key := public.String()
	h, c, refused, err := r.examine(ctx, req, key)
	if err != nil || refused != "" {
		return Enrolled{Refused: refused}, err
	}
	if err := prepare(ctx, c.invitation()); err != nil {
		return Enrolled{}, err
	}

	ctx, cancel := context.WithTimeout(ctx, r.bounds.enrol())
	defer cancel()
	if c, err = r.claim(ctx, h, req.CodeID, key); err != nil || c == nil {
		return Enrolled{Refused: CodeGone}, err
	}
	ok, err := h.take(ctx, key, c.Claimed, r.now())
	if err != nil {
		return Enrolled{}, err
	}
	if !ok {
		return Enrolled{Refused: KeyTaken}, nil
	}
	d, err := r.register(ctx, h, c, req, key)
	if err != nil || d == nil {
		return Enrolled{Refused: CodeGone}, err
	}
	u, err := h.user(ctx, d.UserID)
	if err != nil {
		return Enrolled{}, err
	}
	return Enrolled{Device: d.api(), User: u.api(), Under: c.Under}, nil
}

// examine checks an enrolment without changing anything.
func (r *Registry) examine(ctx context.Context, req Enrolment, key string) (*handle, *code, Refusal, error) {
	ctx, cancel := context.WithTimeout(ctx, r.bounds.call)
	defer cancel()
	h, err := r.open(ctx)
	if err != nil {
		return nil, nil, "", err
	}
	// The key is read before the code: the same enrolment, made at the same time, claims the code first and then takes the key. In the other
	// order its key would look like another device's.
	by, err := h.takenBy(ctx, key)
	if err != nil {
		return nil, nil, "", err
	}
	c, err := found[code](h.codes.FindOne(ctx, byID(req.CodeID)))
	if err != nil {
		return nil, nil, "", err
	}
	if c == nil || !r.now().Before(c.Expires) || c.Claimed != "" && c.ClaimedKey != key {
		return nil, nil, CodeGone, nil
	}
	if c.PlatformID != 0 && c.PlatformID != req.PlatformID {
		return nil, nil, WrongPlatform, nil
	}
	if by != "" && by != c.Claimed {
		return nil, nil, KeyTaken, nil
	}
	u, err := h.user(ctx, c.UserID)
	if err != nil {
		return nil, nil, "", err
	}
	if u.Disabled {
		return nil, nil, NoSuchUser, nil
	}
	return h, c, "", nil
}

// claim claims the code for a key, or returns it when it was claimed for the same key before. It returns nil when the code is gone.
func (r *Registry) claim(ctx context.Context, h *handle, codeID, key string) (*code, error) {
	alive := bson.E{Key: fieldExpires, Value: bson.D{{Key: "$gt", Value: r.now()}}}
	c, err := found[code](h.codes.FindOneAndUpdate(ctx,
		bson.D{{Key: fieldID, Value: codeID}, alive, {Key: "claimed", Value: ""}},
		set(bson.E{Key: "claimed", Value: newID()}, bson.E{Key: "claimedKey", Value: key},
			bson.E{Key: fieldSlot, Value: codeID}), // frees the slot: the code no longer counts as open
		options.FindOneAndUpdate().SetReturnDocument(options.After)))
	if err != nil || c != nil {
		return c, err
	}
	return found[code](h.codes.FindOne(ctx, bson.D{{Key: fieldID, Value: codeID}, alive, {Key: "claimedKey", Value: key}}))
}

// register stores the device and activates it. It returns nil when the device, its code or a free slot is gone.
func (r *Registry) register(ctx context.Context, h *handle, c *code, req Enrolment, key string) (*device, error) {
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
		inserted, err := insertInSlot(ctx, h.devices, doc.ID, c.UserID, MaxDevices, func(slot string) any { doc.Slot = slot; return doc })
		if err != nil || !inserted {
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

// sweep frees the slots of abandoned enrolments, which are older than any code can be.
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
