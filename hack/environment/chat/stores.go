package chat

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// storeTimeout bounds one query of a store.
const storeTimeout = 10 * time.Second

// Stored is a message as MongoDB holds it.
type Stored struct {
	SendID   string `bson:"send_id"`
	RecvID   string `bson:"recv_id"`
	ServerID string `bson:"server_msg_id"`
	Content  string `bson:"content"`
	Seq      int64  `bson:"seq"`
}

// ErrNotStored is returned while MongoDB does not hold a message.
var ErrNotStored = errors.New("not in MongoDB")

// FindInMongoDB reads a message from collection msg of a database. address is host:port.
func FindInMongoDB(ctx context.Context, address, database, conversation string, seq int64) (Stored, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	client, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + address).SetDirect(true))
	if err != nil {
		return Stored{}, fmt.Errorf("connecting to MongoDB: %w", err)
	}
	defer func() { _ = client.Disconnect(context.WithoutCancel(ctx)) }()
	var document struct {
		Msgs []struct {
			Msg *Stored `bson:"msg"`
		} `bson:"msgs"`
	}
	id := Document(conversation, seq)
	err = client.Database(database).Collection("msg").FindOne(ctx, bson.D{{Key: "doc_id", Value: id}}).Decode(&document)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return Stored{}, fmt.Errorf("document %q: %w", id, ErrNotStored)
	}
	if err != nil {
		return Stored{}, fmt.Errorf("reading document %q of MongoDB: %w", id, err)
	}
	for _, slot := range document.Msgs {
		if slot.Msg != nil && slot.Msg.Seq == seq {
			return *slot.Msg, nil
		}
	}
	return Stored{}, fmt.Errorf("document %q, seq %d: %w", id, seq, ErrNotStored)
}

// Cached is the state of a message in Redis.
type Cached struct {
	// CurrentSeq is the newest sequence number allocated in the conversation.
	CurrentSeq int64
	// Message reports whether the message itself is cached.
	Message bool
}

// FindInRedis reads the state of a message from a numbered database of Redis. address is host:port.
func FindInRedis(ctx context.Context, address, password string, database int, conversation string, seq int64) (Cached, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	client := redis.NewClient(&redis.Options{Addr: address, Password: password, DB: database, DisableIdentity: true})
	defer func() { _ = client.Close() }()
	current, err := client.HGet(ctx, "MALLOC_SEQ:"+conversation, "CURR").Int64()
	if err != nil && !errors.Is(err, redis.Nil) {
		return Cached{}, fmt.Errorf("reading a sequence number from Redis: %w", err)
	}
	found, err := client.Exists(ctx, fmt.Sprintf("MSG_CACHE:%s:%d", conversation, seq)).Result()
	if err != nil {
		return Cached{}, fmt.Errorf("looking for a message in Redis: %w", err)
	}
	return Cached{CurrentSeq: current, Message: found == 1}, nil
}
