package login

import (
	"context"
	"crypto/sha256"
	_ "embed" // the script of Reserve
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/redisdb"
)

// States stores what a handshake needs between its two calls, for all replicas.
type States interface {
	// Reserve counts a handshake from an address and its networks. It returns ErrBusy when one of them, or all together, have too many.
	// An invalid address is counted in the total alone.
	Reserve(ctx context.Context, from netip.Addr, ttl time.Duration) error
	// Put stores a state. An identifier that exists already is an error.
	Put(ctx context.Context, id string, sealed []byte, ttl time.Duration) error
	// Take returns a state and removes it. Of any number of calls for one identifier, on any replicas, one gets the state.
	Take(ctx context.Context, id string) (sealed []byte, found bool, err error)
}

// Limits bound how many handshakes can be started within one TTL of 30 seconds, and so how many are outstanding: at most two windows'
// worth. A state takes about 400 bytes of Redis' memory.
type Limits struct {
	// PerSource is for an IPv4 address or an IPv6 /64. A /56 may have four times, and a /48 sixteen times as many.
	PerSource int64
	Overall   int64
}

// networkTimes is the multiple of PerSource for each network of an address, the smallest network first.
var networkTimes = []int64{1, 4, 16}

// DefaultLimits allow 20 logins a second from one source and 2,000 in all, in at most about 50 MB of Redis' memory.
var DefaultLimits = Limits{PerSource: 600, Overall: 60000}

// Keys of Redis, behind the wrapper's prefix.
const (
	keyState = "hs:"
	keyCount = "hs:{n}:" // identifiers of handshakes contain no colon; the hash tag keeps the counters on one node of a Cluster
)

//go:embed reserve.lua
var reserveLua string

var reserveScript = redis.NewScript(reserveLua)

// redisStates implements States in the wrapper's Redis.
type redisStates struct {
	db     *redisdb.DB
	limits Limits
	now    func() time.Time
}

// NewStates returns States in the wrapper's Redis (6.2 or newer, for GETDEL).
func NewStates(db *redisdb.DB, limits Limits) States {
	return &redisStates{db: db, limits: limits, now: time.Now}
}

// Reserve implements States with one counter for each window, which Redis expires.
func (r *redisStates) Reserve(ctx context.Context, from netip.Addr, ttl time.Duration) error {
	window := strconv.FormatInt(r.now().UnixNano()/int64(ttl), 36)
	counters := []string{r.db.Key(keyCount, window)}
	args := []any{2 * ttl.Milliseconds(), r.limits.Overall}
	for i, network := range httpserver.Networks(from) {
		counters = append(counters, r.db.Key(keyCount, window, ":", short(network.String())))
		args = append(args, r.limits.PerSource*networkTimes[i])
	}
	counted, err := reserveScript.Run(ctx, r.db, counters, args...).Int64()
	if err != nil {
		return fmt.Errorf("counting the handshakes: %w", err)
	}
	if counted == 0 {
		return ErrBusy
	}
	return nil
}

// short returns a name of fixed length for a source.
func short(source string) string {
	sum := sha256.Sum256([]byte(source))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// Put implements States.
func (r *redisStates) Put(ctx context.Context, id string, sealed []byte, ttl time.Duration) error {
	err := r.db.SetArgs(ctx, r.db.Key(keyState, id), sealed, redis.SetArgs{Mode: "NX", TTL: ttl}).Err()
	if err != nil { // also redis.Nil, for an identifier that exists already
		return fmt.Errorf("storing the handshake: %w", err)
	}
	return nil
}

// Take implements States. GETDEL is atomic.
func (r *redisStates) Take(ctx context.Context, id string) ([]byte, bool, error) {
	sealed, err := r.db.GetDel(ctx, r.db.Key(keyState, id)).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("taking the handshake: %w", err)
	}
	return sealed, true, nil
}
