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

// States keeps what a handshake needs between its two calls, for all replicas.
type States interface {
	// Reserve counts one more handshake from an address (invalid: not counted by address) and its networks, or gives ErrBusy when there
	// are too many of one of them or in all.
	Reserve(ctx context.Context, from netip.Addr, ttl time.Duration) error
	// Put keeps a state. An identifier that is there already is an error.
	Put(ctx context.Context, id string, sealed []byte, ttl time.Duration) error
	// Take gives a state away: of any number of calls for one identifier, on any replicas, one gets it, once.
	Take(ctx context.Context, id string) (sealed []byte, found bool, err error)
}

// Limits bound how many handshakes can be begun within one TTL of 30 seconds, and with it how many are outstanding: at most
// two windows' worth. A state takes some 400 bytes of Redis' memory.
type Limits struct {
	// PerSource is for an IPv4 address or an IPv6 /64. A /56 may have four times, a /48 sixteen times as many.
	PerSource int64
	Overall   int64
}

// networkTimes is how many times PerSource the networks of an address have, the smallest first.
var networkTimes = []int64{1, 4, 16}

// DefaultLimits let 20 logins a second in from one source and 2,000 from all, for at most some 50 MB of Redis' memory.
var DefaultLimits = Limits{PerSource: 600, Overall: 60000}

// Keys of Redis, behind the wrapper's prefix.
const (
	keyState = "hs:"
	keyCount = "hs:{n}:" // no identifier of a handshake has a colon; the counters share a hash tag, for a Cluster
)

//go:embed reserve.lua
var reserveLua string

var reserveScript = redis.NewScript(reserveLua)

// redisStates is States in the wrapper's Redis.
type redisStates struct {
	db     *redisdb.DB
	limits Limits
	now    func() time.Time
}

// NewStates keeps handshakes in the wrapper's Redis (6.2 or newer, for GETDEL).
func NewStates(db *redisdb.DB, limits Limits) States {
	return &redisStates{db: db, limits: limits, now: time.Now}
}

// Reserve implements States by counters of one window each, which Redis forgets by itself.
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

// short is a name of fixed length for a source.
func short(source string) string {
	sum := sha256.Sum256([]byte(source))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// Put implements States.
func (r *redisStates) Put(ctx context.Context, id string, sealed []byte, ttl time.Duration) error {
	err := r.db.SetArgs(ctx, r.db.Key(keyState, id), sealed, redis.SetArgs{Mode: "NX", TTL: ttl}).Err()
	if err != nil { // redis.Nil too: it is there already
		return fmt.Errorf("keep the handshake: %w", err)
	}
	return nil
}

// Take implements States. GETDEL is one step of Redis', whoever else asks.
func (r *redisStates) Take(ctx context.Context, id string) ([]byte, bool, error) {
	sealed, err := r.db.GetDel(ctx, r.db.Key(keyState, id)).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("take the handshake: %w", err)
	}
	return sealed, true, nil
}
