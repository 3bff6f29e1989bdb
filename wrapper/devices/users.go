package devices

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/openimstack/openim-operator/wrapper/internalapi"
)

// user is a document of CollectionUsers. A user without a document is enabled and in epoch 0.
type user struct {
	ID       string `bson:"_id"`
	Disabled bool   `bson:"disabled"`
	Epoch    int64  `bson:"epoch"`
}

func (u user) api() internalapi.User {
	return internalapi.User{ID: u.ID, Disabled: u.Disabled, Epoch: u.Epoch}
}

func (h *handle) user(ctx context.Context, id string) (user, error) {
	u, err := found[user](h.users.FindOne(ctx, byID(id)))
	if err != nil {
		return user{}, err
	}
	if u == nil {
		return user{ID: id}, nil
	}
	return *u, nil
}

// SetUser applies the fields that are set in change and returns the user's record afterwards. A user who was disabled or got a new epoch
// loses all open codes.
func (r *Registry) SetUser(ctx context.Context, change internalapi.SetUser) (internalapi.User, error) {
	ctx, cancel := context.WithTimeout(ctx, r.bounds.call)
	defer cancel()
	h, err := r.open(ctx)
	if err != nil {
		return internalapi.User{}, err
	}
	var update bson.D
	if change.Disabled != nil {
		update = append(update, set(bson.E{Key: "disabled", Value: *change.Disabled})...)
	}
	if change.NextEpoch {
		update = append(update, bson.E{Key: "$inc", Value: bson.D{{Key: "epoch", Value: int64(1)}}})
	}
	if len(update) == 0 {
		u, err := h.user(ctx, change.UserID)
		return u.api(), err
	}
	for {
		result := h.users.FindOneAndUpdate(ctx, byID(change.UserID), update,
			options.FindOneAndUpdate().SetUpsert(true).SetReturnDocument(options.After))
		if mongo.IsDuplicateKeyError(result.Err()) && ctx.Err() == nil {
			continue // two calls inserted the user's first record at once: now it exists
		}
		u, err := found[user](result)
		if err != nil || u == nil {
			return internalapi.User{}, mongoError(err)
		}
		if u.Disabled || change.NextEpoch {
			err = h.dropCodes(ctx, bson.D{{Key: fieldUser, Value: u.ID}})
		}
		return u.api(), err
	}
}
