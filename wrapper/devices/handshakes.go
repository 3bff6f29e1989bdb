package devices

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// CollectionHandshakes holds the identifiers of recently finished logins.
const CollectionHandshakes = "wrapper_handshakes"

const (
	// handshakeTTL is how long a finished login is remembered: far longer than a login's state is accepted (30 s), with room for
	// clocks that differ.
	handshakeTTL = 5 * time.Minute
	// handshakeSweepInterval is the pause between removals of expired entries, for a database that does not expire documents itself.
	handshakeSweepInterval = time.Minute
)

// SpendHandshake records that a login was finished. It returns false when the login was finished before, on any replica. The record is
// not kept in the wrapper's Redis beside the states of logins, because the gateway can write there.
func (r *Registry) SpendHandshake(ctx context.Context, id string) (first bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.bounds.call)
	defer cancel()
	h, err := r.open(ctx)
	if err != nil {
		return false, err
	}
	now := r.now()
	if err := h.sweepHandshakes(ctx, now); err != nil {
		return false, err
	}
	_, err = h.handshakes.InsertOne(ctx, bson.D{{Key: "_id", Value: id}, {Key: fieldExpires, Value: now.Add(handshakeTTL)}})
	if mongo.IsDuplicateKeyError(err) {
		return false, nil
	}
	return err == nil, mongoError(err)
}

func (h *handle) sweepHandshakes(ctx context.Context, now time.Time) error {
	last := h.swept.Load()
	if now.UnixNano()-last < int64(handshakeSweepInterval) || !h.swept.CompareAndSwap(last, now.UnixNano()) {
		return nil
	}
	_, err := h.handshakes.DeleteMany(ctx, bson.D{{Key: fieldExpires, Value: bson.D{{Key: "$lte", Value: now}}}})
	return mongoError(err)
}
