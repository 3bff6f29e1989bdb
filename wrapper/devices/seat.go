package devices

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// A user has a number of seats for active devices, and a number for open codes. Each document that counts sits on one, by a field with
// a unique index; one that no longer counts has its own _id there. So the bound holds under any concurrency, without a
// counter that a crash could leave wrong.

// seat names the nth place of a user. The length keeps users apart whose ids hold the separator.
func seat(userID string, n int) string { return fmt.Sprintf("%d:%s:%d", len(userID), userID, n) }

// sit inserts the document of an id on the user's first free seat; one that is there already is left as it is. ok is false when no seat
// is free.
func sit(ctx context.Context, into *mongo.Collection, id, userID string, seats int, insert func(seat string) any) (ok bool, err error) {
	for range seats + 1 { // each lost race is another's success, so there cannot be more
		taken, err := seatsOf(ctx, into, userID)
		if err != nil {
			return false, err
		}
		free := ""
		for n := range seats {
			if s := seat(userID, n); !taken[s] {
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
			return false, failed(err)
		}
		there, err := found[struct{}](into.FindOne(ctx, byID(id)))
		if err != nil || there != nil {
			return there != nil, err
		}
	}
	return false, fmt.Errorf("%w: too many calls for one user at once", ErrUnavailable)
}

func seatsOf(ctx context.Context, in *mongo.Collection, userID string) (map[string]bool, error) {
	all := make(bson.A, 0, MaxDevices)
	for n := range max(MaxDevices, MaxCodes) {
		all = append(all, seat(userID, n))
	}
	cursor, err := in.Find(ctx, bson.D{{Key: fieldSeat, Value: bson.D{{Key: "$in", Value: all}}}},
		options.Find().SetProjection(bson.D{{Key: fieldSeat, Value: 1}}))
	if err != nil {
		return nil, failed(err)
	}
	var docs []struct {
		Seat string `bson:"seat"`
	}
	if err := cursor.All(ctx, &docs); err != nil {
		return nil, failed(err)
	}
	taken := make(map[string]bool, len(docs))
	for _, d := range docs {
		taken[d.Seat] = true
	}
	return taken, nil
}
