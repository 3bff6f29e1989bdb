package devices

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
)

const (
	// MaxDevices is the largest number of active devices of a user.
	MaxDevices = 32
	// listedRevoked is how many revoked devices are listed, the last revoked first.
	listedRevoked = 32
	// maxKeys is how many keys one device may have had in its lifetime.
	maxKeys = 256

	statusActive  = string(internalapi.DeviceActive)
	statusRevoked = string(internalapi.DeviceRevoked)
	// statusPending marks a device whose enrolment is not finished. No call returns such a device.
	statusPending = "pending"

	deviceIDBytes = 16
)

// device is a document of CollectionDevices.
type device struct {
	ID         string    `bson:"_id"`
	UserID     string    `bson:"user"`
	Slot       string    `bson:"seat"`
	PlatformID int32     `bson:"platform"`
	Name       string    `bson:"name"`
	Key        string    `bson:"key"`
	Keys       []string  `bson:"keys"` // every key that the device ever had
	Status     string    `bson:"status"`
	Created    time.Time `bson:"created"`
	LastLogin  time.Time `bson:"lastLogin"`
	Revoked    time.Time `bson:"revoked"`
}

func (d *device) api() internalapi.Device {
	return internalapi.Device{
		ID: d.ID, UserID: d.UserID, PlatformID: d.PlatformID, Name: d.Name, Key: d.Key, Status: internalapi.DeviceStatus(d.Status),
		Created: d.Created, LastLogin: d.LastLogin, Revoked: d.Revoked,
	}
}

// takenKey is a document of CollectionKeys: the device that took a key. It is never changed and never removed.
type takenKey struct {
	Key      string    `bson:"_id"`
	DeviceID string    `bson:"device"`
	Taken    time.Time `bson:"taken"`
}

// take assigns a key to a device permanently. ok is false when another device has it.
func (h *handle) take(ctx context.Context, key, deviceID string, now time.Time) (ok bool, err error) {
	_, err = h.keys.InsertOne(ctx, takenKey{Key: key, DeviceID: deviceID, Taken: now})
	if err == nil {
		return true, nil
	}
	if !mongo.IsDuplicateKeyError(err) {
		return false, mongoError(err)
	}
	by, err := h.takenBy(ctx, key)
	return by == deviceID, err
}

// takenBy returns the device that took a key, or the empty text.
func (h *handle) takenBy(ctx context.Context, key string) (string, error) {
	t, err := found[takenKey](h.keys.FindOne(ctx, byID(key)))
	if err != nil || t == nil {
		return "", err
	}
	return t.DeviceID, nil
}

func (h *handle) device(ctx context.Context, id string) (*device, error) {
	return found[device](h.devices.FindOne(ctx, byID(id)))
}

// Resolve returns the holder of a key. It records the login when the device is active and its user enabled. Found is false for an
// unknown key and for a former key of a device. The same queries are made in every case, so that timing reveals nothing.
func (r *Registry) Resolve(ctx context.Context, key internalapi.Key) (Holder, error) {
	ctx, cancel := context.WithTimeout(ctx, r.bounds.call)
	defer cancel()
	h, err := r.open(ctx)
	if err != nil {
		return Holder{}, err
	}
	id, err := h.takenBy(ctx, key)
	if err != nil {
		return Holder{}, err
	}
	d, err := h.device(ctx, id)
	if err != nil {
		return Holder{}, err
	}
	if d == nil {
		d = &device{}
	}
	u, err := h.user(ctx, d.UserID)
	if err != nil {
		return Holder{}, err
	}
	login := id
	if u.Disabled {
		login = ""
	}
	if _, err := found[device](h.devices.FindOneAndUpdate(ctx,
		bson.D{{Key: fieldID, Value: login}, {Key: fieldStatus, Value: statusActive}, {Key: fieldKey, Value: key}},
		set(bson.E{Key: "lastLogin", Value: r.now().Truncate(time.Millisecond)}))); err != nil {
		return Holder{}, err
	}
	// Read again, so that a revocation during this call is seen.
	d, err = h.device(ctx, id)
	if err != nil || d == nil || d.Key != key || d.Status == statusPending {
		return Holder{}, err
	}
	return Holder{Found: true, Device: d.api(), User: u.api()}, nil
}

// Rotate replaces the key of an active device. The same call may be repeated.
func (r *Registry) Rotate(ctx context.Context, req KeyRotation) (Enrolled, error) {
	public, err := handshake.ParsePublicKey(req.Key)
	if err != nil {
		return Enrolled{Refused: KeyTaken}, nil
	}
	key := public.String()
	ctx, cancel := context.WithTimeout(ctx, r.bounds.call)
	defer cancel()
	h, err := r.open(ctx)
	if err != nil {
		return Enrolled{}, err
	}
	d, err := h.device(ctx, req.DeviceID)
	if err != nil {
		return Enrolled{}, err
	}
	if d == nil || d.Status != statusActive {
		return Enrolled{Refused: NoSuchDevice}, nil
	}
	u, err := h.user(ctx, d.UserID)
	switch {
	case err != nil:
		return Enrolled{}, err
	case u.Disabled:
		return Enrolled{Refused: NoSuchUser}, nil
	case d.Key == key:
		return Enrolled{Device: d.api(), User: u.api()}, nil
	case d.had(key) || len(d.Keys) >= maxKeys:
		return Enrolled{Refused: KeyTaken}, nil
	}
	// The key is taken before the device changes. After a crash in between nobody can use the key, and this device may try again.
	ok, err := h.take(ctx, key, d.ID, r.now())
	if err != nil {
		return Enrolled{}, err
	}
	if !ok {
		return Enrolled{Refused: KeyTaken}, nil
	}
	changed, err := found[device](h.devices.FindOneAndUpdate(ctx,
		bson.D{{Key: fieldID, Value: d.ID}, {Key: fieldStatus, Value: statusActive}, {Key: fieldKey, Value: d.Key}},
		append(set(bson.E{Key: fieldKey, Value: key}), bson.E{Key: "$push", Value: bson.D{{Key: "keys", Value: key}}}),
		options.FindOneAndUpdate().SetReturnDocument(options.After)))
	if err != nil {
		return Enrolled{}, err
	}
	if changed == nil { // revoked, or rotated by another call, meanwhile
		return Enrolled{Refused: NoSuchDevice}, nil
	}
	return Enrolled{Device: changed.api(), User: u.api()}, nil
}

func (d *device) had(key string) bool {
	return slices.Contains(d.Keys, key)
}

// ListDevices returns the user's active devices and those that were revoked last.
func (r *Registry) ListDevices(ctx context.Context, userID string) ([]internalapi.Device, error) {
	ctx, cancel := context.WithTimeout(ctx, r.bounds.call)
	defer cancel()
	h, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	list := []internalapi.Device{}
	for _, part := range []struct {
		status, by string
		most       int64
	}{{statusActive, "created", MaxDevices}, {statusRevoked, "revoked", listedRevoked}} {
		docs, err := h.find(ctx, bson.D{{Key: fieldUser, Value: userID}, {Key: fieldStatus, Value: part.status}},
			options.Find().SetSort(bson.D{{Key: part.by, Value: -1}}).SetLimit(part.most))
		if err != nil {
			return nil, err
		}
		for i := range docs {
			list = append(list, docs[i].api())
		}
	}
	return list, nil
}

func (h *handle) find(ctx context.Context, filter bson.D, o ...options.Lister[options.FindOptions]) ([]device, error) {
	cursor, err := h.devices.Find(ctx, filter, o...)
	if err != nil {
		return nil, mongoError(err)
	}
	var docs []device
	return docs, mongoError(cursor.All(ctx, &docs))
}

// ErrNoSelector says that a call selects neither a user nor a device.
var ErrNoSelector = errors.New("name a user or a device")

// RevokeDevices revokes one device and the open codes that it issued, or all devices and open codes of a user. It also returns a named
// device that was already revoked, so that a repeated call can end its sessions again.
func (r *Registry) RevokeDevices(ctx context.Context, req internalapi.RevokeDevices) ([]internalapi.Device, error) {
	ctx, cancel := context.WithTimeout(ctx, r.bounds.call)
	defer cancel()
	h, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	if req.UserID == "" && req.DeviceID == "" {
		return nil, ErrNoSelector
	}
	which := bson.D{}
	if req.UserID != "" {
		which = append(which, bson.E{Key: fieldUser, Value: req.UserID})
	}
	if req.DeviceID != "" {
		which = append(which, bson.E{Key: fieldID, Value: req.DeviceID})
	} else {
		which = append(which, bson.E{Key: fieldStatus, Value: bson.D{{Key: "$in", Value: bson.A{statusActive, statusPending}}}})
		// Codes go first: a concurrent enrolment checks its code before it activates the device.
		if _, err := h.codes.DeleteMany(ctx, bson.D{{Key: fieldUser, Value: req.UserID}}); err != nil {
			return nil, mongoError(err)
		}
	}
	docs, err := h.find(ctx, which, options.Find().SetLimit(2*MaxDevices))
	if err != nil {
		return nil, err
	}
	list, issuers := []internalapi.Device{}, bson.A{}
	for i := range docs {
		d, err := h.revoke(ctx, docs[i].ID, r.now())
		if err != nil {
			return nil, err
		}
		if d == nil && docs[i].Status == statusRevoked {
			d = &docs[i]
		}
		if d != nil && docs[i].Status != statusPending {
			list = append(list, d.api())
		}
		issuers = append(issuers, docs[i].ID)
	}
	// After the devices: a concurrent enrolment with such a code checks the code before it activates the other device.
	return list, h.dropCodes(ctx, bson.D{{Key: fieldByDevice, Value: bson.D{{Key: "$in", Value: issuers}}}})
}

// revoke revokes a device and frees its slot. It returns nil when the device was already revoked.
func (h *handle) revoke(ctx context.Context, id string, now time.Time) (*device, error) {
	return found[device](h.devices.FindOneAndUpdate(ctx,
		bson.D{{Key: fieldID, Value: id}, {Key: fieldStatus, Value: bson.D{{Key: "$ne", Value: statusRevoked}}}},
		set(bson.E{Key: fieldStatus, Value: statusRevoked}, bson.E{Key: "revoked", Value: now.Truncate(time.Millisecond)},
			bson.E{Key: fieldSlot, Value: id}),
		options.FindOneAndUpdate().SetReturnDocument(options.After)))
}
