package devices

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
	"golang.org/x/sync/singleflight"
)

// Collections.
const (
	CollectionDevices = "wrapper_devices"
	CollectionKeys    = "wrapper_keys" // every key that was ever taken, and whose it is
	CollectionUsers   = "wrapper_users"
	CollectionCodes   = "wrapper_codes"
)

const (
	// callTimeout bounds one question to MongoDB, the wait for a server included.
	callTimeout   = 3 * time.Second
	selectTimeout = 2 * time.Second
	// indexTimeout bounds the making of all indexes, once after a start.
	indexTimeout = 15 * time.Second
	maxPool      = 64
	// oldLasts is how long the connections of a replaced address go on, for the calls that are on them.
	oldLasts = 30 * time.Second
)

// ErrUnavailable says that MongoDB cannot be used now. Whether a write took effect is not known; the call may be repeated.
var ErrUnavailable = errors.New("the registry's MongoDB cannot be used now: look at its address, credentials and health")

// URI gives the present connection string, and an error while there is none. It is secret.
type URI interface {
	Get() (string, error)
}

// Sealer encrypts what must not be read in the database. place is sealed along.
type Sealer interface {
	Seal(content, place []byte) ([]byte, error)
	Open(sealed, place []byte) ([]byte, error)
}

// Options of a registry.
type Options struct {
	URI      URI
	Database string
	Sealer   Sealer
	Now      func() time.Time
}

// Registry is safe for concurrent use, and any number of them may share one database.
type Registry struct {
	uri      URI
	database string
	sealer   Sealer
	now      func() time.Time

	connecting singleflight.Group
	mu         sync.Mutex
	present    *handle
}

// New makes a registry; it calls nobody yet.
func New(o Options) *Registry {
	return &Registry{uri: o.URI, database: o.Database, sealer: o.Sealer, now: o.Now}
}

// handle is one client and its collections.
type handle struct {
	uri                         string
	client                      *mongo.Client
	devices, keys, users, codes *mongo.Collection
	handshakes                  *mongo.Collection

	indexing singleflight.Group
	indexed  atomic.Bool
	swept    atomic.Int64 // when handshakes that are over were removed last, Unix ns
}

// Close ends the connections.
func (r *Registry) Close() {
	r.mu.Lock()
	h := r.present
	r.present = nil
	r.mu.Unlock()
	if h != nil {
		h.disconnect()
	}
}

func (h *handle) disconnect() {
	ctx, cancel := context.WithTimeout(context.Background(), selectTimeout)
	defer cancel()
	_ = h.client.Disconnect(ctx)
}

// Ping is nil when the database answers and its indexes are there.
func (r *Registry) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	h, err := r.open(ctx)
	if err != nil {
		return err
	}
	return failed(h.client.Ping(ctx, readpref.Primary()))
}

// open gives the client of the present address. The indexes that carry the bounds are there when it returns: without
// them nothing is written.
func (r *Registry) open(ctx context.Context) (*handle, error) {
	h, err := r.handle(ctx)
	if err != nil {
		return nil, err
	}
	if h.indexed.Load() {
		return h, nil
	}
	// One at a time makes them, and does not stop when the caller who began it gives up.
	done := h.indexing.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), indexTimeout)
		defer cancel()
		if err := h.index(ctx); err != nil {
			return nil, failed(err)
		}
		h.indexed.Store(true)
		return nil, nil
	})
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: it did not answer in time", ErrUnavailable)
	case result := <-done:
		return h, result.Err
	}
}

// handle is the client of the present address, or a new one.
func (r *Registry) handle(ctx context.Context) (*handle, error) {
	uri, err := r.uri.Get()
	if err != nil {
		return nil, fmt.Errorf("%w: its address cannot be read", ErrUnavailable)
	}
	r.mu.Lock()
	h := r.present
	r.mu.Unlock()
	if h != nil && h.uri == uri {
		return h, nil
	}
	// An address of the form mongodb+srv is looked up here, for as long as the resolver takes.
	done := r.connecting.DoChan(uri, func() (any, error) { return r.connect(uri) })
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: its address was not found in time", ErrUnavailable)
	case result := <-done:
		if result.Err != nil {
			return nil, result.Err
		}
		return result.Val.(*handle), nil
	}
}

func (r *Registry) connect(uri string) (*handle, error) {
	client, err := mongo.Connect(options.Client().ApplyURI(uri).
		SetAppName("openim-wrapper").
		SetServerSelectionTimeout(selectTimeout).SetConnectTimeout(selectTimeout).
		SetMaxPoolSize(maxPool).SetMaxConnecting(4).
		// Whatever the address says: a revocation that was confirmed must neither be lost with a primary nor overlooked on a
		// secondary that lags.
		SetWriteConcern(writeconcern.Majority()).SetReadPreference(readpref.Primary()))
	if err != nil { // its text can hold the address
		return nil, fmt.Errorf("%w: its address is malformed", ErrUnavailable)
	}
	db := client.Database(r.database)
	h := &handle{
		uri: uri, client: client,
		devices: db.Collection(CollectionDevices), keys: db.Collection(CollectionKeys),
		users: db.Collection(CollectionUsers), codes: db.Collection(CollectionCodes),
		handshakes: db.Collection(CollectionHandshakes),
	}
	r.mu.Lock()
	old := r.present
	r.present = h
	r.mu.Unlock()
	if old != nil {
		time.AfterFunc(oldLasts, old.disconnect)
	}
	return h, nil
}

// index makes what the bounds and the lists need. The identifiers of devices, keys, users and codes are _id and unique by themselves.
func (h *handle) index(ctx context.Context) error {
	unique := options.Index().SetUnique(true)
	for _, i := range []struct {
		in    *mongo.Collection
		model mongo.IndexModel
	}{
		{h.devices, mongo.IndexModel{Keys: bson.D{{Key: fieldSeat, Value: 1}}, Options: unique}},
		{h.devices, mongo.IndexModel{Keys: bson.D{{Key: fieldUser, Value: 1}}}},
		{h.codes, mongo.IndexModel{Keys: bson.D{{Key: fieldSeat, Value: 1}}, Options: unique}},
		{h.codes, mongo.IndexModel{Keys: bson.D{{Key: fieldUser, Value: 1}}}},
		{h.codes, mongo.IndexModel{Keys: bson.D{{Key: fieldByDevice, Value: 1}}}},
		{h.codes, mongo.IndexModel{Keys: bson.D{{Key: fieldBySession, Value: 1}}}},
	} {
		if _, err := i.in.Indexes().CreateOne(ctx, i.model); err != nil {
			return err
		}
	}
	// What has expired is never used, whatever the database does; this only takes it away sooner.
	for _, in := range []*mongo.Collection{h.codes, h.handshakes} {
		_, err := in.Indexes().CreateOne(ctx, mongo.IndexModel{
			Keys: bson.D{{Key: fieldExpires, Value: 1}}, Options: options.Index().SetExpireAfterSeconds(0),
		})
		if lacks, ok := errors.AsType[mongo.CommandError](err); ok && lacks.Code == codeNotImplemented {
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// codeNotImplemented is how a stand-in for MongoDB says that it does not expire documents.
const codeNotImplemented = 238

// failed turns the driver's error into ours. The driver's own can hold addresses and documents, so only its kind is told.
func failed(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrUnavailable):
		return err
	case mongo.IsTimeout(err), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: it did not answer in time", ErrUnavailable)
	case mongo.IsNetworkError(err):
		return fmt.Errorf("%w: it cannot be reached", ErrUnavailable)
	}
	if command, ok := errors.AsType[mongo.CommandError](err); ok {
		return fmt.Errorf("%w: it answered with error %d", ErrUnavailable, command.Code)
	}
	return ErrUnavailable
}

// Field names that stand in more than one place.
const (
	fieldID        = "_id"
	fieldUser      = "user"
	fieldSeat      = "seat"
	fieldStatus    = "status"
	fieldExpires   = "expires"
	fieldKey       = "key"
	fieldByDevice  = "byDevice"
	fieldBySession = "bySession"
)

func byID(id string) bson.D { return bson.D{{Key: fieldID, Value: id}} }

func set(fields ...bson.E) bson.D { return bson.D{{Key: "$set", Value: bson.D(fields)}} }

// found reads one document, or says that there is none.
func found[T any](result *mongo.SingleResult) (*T, error) {
	var doc T
	err := result.Decode(&doc)
	switch {
	case errors.Is(err, mongo.ErrNoDocuments):
		return nil, nil
	case err != nil:
		return nil, failed(err)
	}
	return &doc, nil
}
