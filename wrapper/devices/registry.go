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
	CollectionKeys    = "wrapper_keys" // every key that was ever taken, with its device
	CollectionUsers   = "wrapper_users"
	CollectionCodes   = "wrapper_codes"
)

const (
	// callTimeout bounds one call to MongoDB, including the wait for a server.
	callTimeout   = 3 * time.Second
	selectTimeout = 2 * time.Second
	// indexTimeout bounds the creation of all indexes, once after a start.
	indexTimeout = 15 * time.Second
	maxPool      = 64
	// oldConnectionsFor is how long the connections of a replaced address stay open for running calls.
	oldConnectionsFor = 30 * time.Second
)

// ErrUnavailable says that MongoDB cannot be used now. Whether a write took effect is unknown. The call may be repeated.
var ErrUnavailable = errors.New("using the registry's MongoDB failed: check its address, credentials and health")

// URI returns the current connection string, which is secret, or an error while there is none.
type URI interface {
	Get() (string, error)
}

// Sealer encrypts what must not be readable in the database. place is authenticated with the content, so that a sealed value cannot be
// moved to another document.
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

// Registry stores devices, users and codes. It is safe for concurrent use, and any number of registries may share one database.
type Registry struct {
	uri      URI
	database string
	sealer   Sealer
	now      func() time.Time
	bounds   bounds

	connecting singleflight.Group
	mu         sync.Mutex
	current    *handle
}

// New returns a registry. It does not connect before the first call.
func New(o Options) *Registry {
	return &Registry{uri: o.URI, database: o.Database, sealer: o.Sealer, now: o.Now,
		bounds: bounds{call: callTimeout, selection: selectTimeout, index: indexTimeout}}
}

// bounds of what is asked of MongoDB. Tests of what is stored have longer ones than the constants.
type bounds struct{ call, selection, index time.Duration }

// enrol bounds MongoDB's part of an enrolment. prepare is bounded by the caller's context alone.
func (b bounds) enrol() time.Duration { return 2 * b.call }

// handle is one MongoDB client and its collections.
type handle struct {
	uri                         string
	client                      *mongo.Client
	devices, keys, users, codes *mongo.Collection
	handshakes                  *mongo.Collection

	indexing singleflight.Group
	indexed  atomic.Bool
	swept    atomic.Int64 // when expired handshakes were last removed, Unix ns
}

// Close closes the connections.
func (r *Registry) Close() {
	r.mu.Lock()
	h := r.current
	r.current = nil
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

// Ping returns nil when the database answers and its indexes exist.
func (r *Registry) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.bounds.call)
	defer cancel()
	h, err := r.open(ctx)
	if err != nil {
		return err
	}
	return mongoError(h.client.Ping(ctx, readpref.Primary()))
}

// open returns the client of the current address, after its indexes exist. Nothing is written without the indexes, because they enforce
// the bounds.
func (r *Registry) open(ctx context.Context) (*handle, error) {
	h, err := r.handle(ctx)
	if err != nil {
		return nil, err
	}
	if h.indexed.Load() {
		return h, nil
	}
	// One call creates the indexes for all waiting callers, and does not stop when its own caller gives up.
	done := h.indexing.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.bounds.index)
		defer cancel()
		if err := h.index(ctx); err != nil {
			return nil, mongoError(err)
		}
		h.indexed.Store(true)
		return nil, nil
	})
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: MongoDB did not answer in time", ErrUnavailable)
	case result := <-done:
		return h, result.Err
	}
}

// handle returns the client of the current address, or connects a new one.
func (r *Registry) handle(ctx context.Context) (*handle, error) {
	uri, err := r.uri.Get()
	if err != nil {
		return nil, fmt.Errorf("%w: the address cannot be read", ErrUnavailable)
	}
	r.mu.Lock()
	h := r.current
	r.mu.Unlock()
	if h != nil && h.uri == uri {
		return h, nil
	}
	// An address of the form mongodb+srv is resolved here, for as long as the resolver takes.
	done := r.connecting.DoChan(uri, func() (any, error) { return r.connect(uri) })
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: the address was not resolved in time", ErrUnavailable)
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
		SetServerSelectionTimeout(r.bounds.selection).SetConnectTimeout(r.bounds.selection).
		SetMaxPoolSize(maxPool).SetMaxConnecting(4).
		// Set regardless of the address: a confirmed revocation must neither be lost with a primary nor missed on a lagging
		// secondary.
		SetWriteConcern(writeconcern.Majority()).SetReadPreference(readpref.Primary()))
	if err != nil { // the driver's text can hold the address
		return nil, fmt.Errorf("%w: the address is malformed", ErrUnavailable)
	}
	db := client.Database(r.database)
	h := &handle{
		uri: uri, client: client,
		devices: db.Collection(CollectionDevices), keys: db.Collection(CollectionKeys),
		users: db.Collection(CollectionUsers), codes: db.Collection(CollectionCodes),
		handshakes: db.Collection(CollectionHandshakes),
	}
	r.mu.Lock()
	old := r.current
	r.current = h
	r.mu.Unlock()
	if old != nil {
		time.AfterFunc(oldConnectionsFor, old.disconnect)
	}
	return h, nil
}

// index creates the indexes for bounds and lists. The identifiers of devices, keys, users and codes are _id and therefore unique.
func (h *handle) index(ctx context.Context) error {
	unique := options.Index().SetUnique(true)
	for _, i := range []struct {
		in    *mongo.Collection
		model mongo.IndexModel
	}{
		{h.devices, mongo.IndexModel{Keys: bson.D{{Key: fieldSlot, Value: 1}}, Options: unique}},
		{h.devices, mongo.IndexModel{Keys: bson.D{{Key: fieldUser, Value: 1}}}},
		{h.codes, mongo.IndexModel{Keys: bson.D{{Key: fieldSlot, Value: 1}}, Options: unique}},
		{h.codes, mongo.IndexModel{Keys: bson.D{{Key: fieldUser, Value: 1}}}},
		{h.codes, mongo.IndexModel{Keys: bson.D{{Key: fieldByDevice, Value: 1}}}},
		{h.codes, mongo.IndexModel{Keys: bson.D{{Key: fieldBySession, Value: 1}}}},
	} {
		if _, err := i.in.Indexes().CreateOne(ctx, i.model); err != nil {
			return err
		}
	}
	// Expired documents are never used in any case. The index only removes them sooner.
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

// codeNotImplemented is the error of a MongoDB stand-in that does not expire documents.
const codeNotImplemented = 238

// mongoError maps the driver's error to ErrUnavailable. The driver's text can hold addresses and documents, so only its kind is reported.
func mongoError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrUnavailable):
		return err
	case mongo.IsTimeout(err), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: MongoDB did not answer in time", ErrUnavailable)
	case mongo.IsNetworkError(err):
		return fmt.Errorf("%w: MongoDB cannot be reached", ErrUnavailable)
	}
	if command, ok := errors.AsType[mongo.CommandError](err); ok {
		return &commandError{code: command.Code}
	}
	return ErrUnavailable
}

// Field names that are used more than once.
const (
	fieldID        = "_id"
	fieldUser      = "user"
	fieldSlot      = "seat"
	fieldStatus    = "status"
	fieldExpires   = "expires"
	fieldKey       = "key"
	fieldByDevice  = "byDevice"
	fieldBySession = "bySession"
)

func byID(id string) bson.D { return bson.D{{Key: fieldID, Value: id}} }

func set(fields ...bson.E) bson.D { return bson.D{{Key: "$set", Value: bson.D(fields)}} }

// found decodes one document. It returns nil when there is none.
func found[T any](result *mongo.SingleResult) (*T, error) {
	var doc T
	err := result.Decode(&doc)
	switch {
	case errors.Is(err, mongo.ErrNoDocuments):
		return nil, nil
	case err != nil:
		return nil, mongoError(err)
	}
	return &doc, nil
}
