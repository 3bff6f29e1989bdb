package devices

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Slots bound the active devices and the open codes of a user under any concurrency, without a counter that a crash could leave wrong.
// Each document that counts holds one of the user's slots in a field with a unique index (named "seat" in the database). A document
// that no longer counts holds its own _id there instead.

// slotName returns the name of a user's nth slot. The length keeps apart users whose ids contain the separator.
func slotName(userID string, n int) string { return fmt.Sprintf("%d:%s:%d", len(userID), userID, n) }

// insertInSlot inserts the document of an id into the user's first free slot. A document that exists already stays as it is. ok is false
// when no slot is free.
func insertInSlot(
	ctx context.Context, into *mongo.Collection, id, userID string, slots int, insert func(slot string) any,
) (ok bool, err error) {
	// A lost race is another call's success, so there are at most as many as slots.
	for range slots + 1 {
		taken, err := takenSlots(ctx, into, userID)
		if err != nil {
			return false, err
		}
		free := ""
		for n := range slots {
			if s := slotName(userID, n); !taken[s] {
				free = s
				break
			}
		}
		if free == "" {
			return false, nil
		}
		_, err = into.InsertOne(ctx, insert(free))
		switch {
		case err == nil:
			return true, nil
		case !mongo.IsDuplicateKeyError(err):
			return false, mongoError(err)
		}
		there, err := found[struct{}](into.FindOne(ctx, byID(id)))
		if err != nil || there != nil {
			return there != nil, err
		}
	}
	return false, fmt.Errorf("%w: too many concurrent calls for one user", ErrUnavailable)
}

func takenSlots(ctx context.Context, in *mongo.Collection, userID string) (map[string]bool, error) {
	all := make(bson.A, 0, MaxDevices)
	for n := range max(MaxDevices, MaxCodes) {
		all = append(all, slotName(userID, n))
	}
	cursor, err := in.Find(ctx, bson.D{{Key: fieldSlot, Value: bson.D{{Key: "$in", Value: all}}}},
		options.Find().SetProjection(bson.D{{Key: fieldSlot, Value: 1}}))
	if err != nil {
		return nil, mongoError(err)
	}
	var docs []struct {
		Slot string `bson:"seat"`
	}
	if err := cursor.All(ctx, &docs); err != nil {
		return nil, mongoError(err)
	}
	taken := make(map[string]bool, len(docs))
	for _, d := range docs {
		taken[d.Slot] = true
	}
	return taken, nil
}
