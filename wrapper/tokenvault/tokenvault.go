package tokenvault

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/singleflight"
)

const (
	// freshLasts is how long a token is used without asking Redis again. One that was voided meanwhile is refused by
	// OpenIM, which brings its user back with its hash.
	freshLasts = 30 * time.Second
	// strandedLasts is how long a token is used while Redis does not answer.
	strandedLasts = 10 * time.Minute
	// heldAtMost bounds the tokens in this process' memory.
	heldAtMost = 16384

	// flightTimeout bounds one attempt to get a token, whoever waits for it.
	flightTimeout = 8 * time.Second
	// mintTimeout bounds OpenIM's part of it. It is well below lockLasts: who still holds the lock after it was the only one to ask.
	mintTimeout = 4 * time.Second
	lockLasts   = 10 * time.Second
	// lockSpent is how old a lock may be when OpenIM is asked.
	lockSpent = 2 * time.Second
	// keepTries is how long the store of a new token is tried.
	keepTries = 3 * time.Second
	// waitFirst and waitMost are the pauses of one who waits for another's token.
	waitFirst, waitMost = 15 * time.Millisecond, 250 * time.Millisecond
	// mintApart is the least time between two tokens of one user and platform: OpenIM's tokens of one second are the same text.
	mintApart = 1100 * time.Millisecond
	// failurePause is the shortest time between a failed attempt and the next; callers meanwhile get the failure.
	failurePause = time.Second
	// newerKeySpared: a token sealed that recently under a key unknown here comes from a replica that already has the next key.
	newerKeySpared = 3 * time.Minute
)

// ErrUnavailable says that Redis or the custody key is not to be had, and no token is held that may be used without them.
var ErrUnavailable = errors.New("the custody of OpenIM's tokens is not available: look at the wrapper's Redis and the custody key file")

// Token is an OpenIM token.
type Token struct {
	Value   string
	Hash    string
	Expires time.Time
}

// String keeps a token out of whatever prints it.
func (t Token) String() string { return "OpenIM token " + t.Hash }

// GoString does the same for %#v.
func (t Token) GoString() string { return t.String() }

// Hash names a token without giving it away: 16 bytes of its SHA-256, base64url.
func Hash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// Mint asks OpenIM for a new token, within ctx. Its error must not hold one.
type Mint func(ctx context.Context, userID string, platformID int32) (token string, expires time.Time, err error)

// Store is the wrapper's Redis.
type Store interface {
	redis.Scripter
	Get(ctx context.Context, key string) *redis.StringCmd
	SetNX(ctx context.Context, key string, value any, expiration time.Duration) *redis.BoolCmd
	// Key puts the prefix before the parts.
	Key(parts ...string) string
}

// Observer is told what became of each attempt: one of the results below. It must not block.
type Observer func(result string)

// Results of an attempt.
const (
	ResultHeld        = "held"        // found in this process
	ResultFound       = "found"       // found in Redis
	ResultMinted      = "minted"      // made by OpenIM
	ResultStranded    = "stranded"    // held, and Redis did not answer
	ResultFailed      = "failed"      // OpenIM gave none
	ResultUnavailable = "unavailable" // Redis or the key
)

// Options of a custody.
type Options struct {
	Store   Store
	Keys    KeySource
	Mint    Mint
	Now     func() time.Time
	Observe Observer
}

// Custody gives out tokens. It is safe for concurrent use, and any number of them may share one Redis.
type Custody struct {
	store   Store
	ring    *Keyring
	mint    Mint
	now     func() time.Time
	observe Observer
	held    *held
	flight  singleflight.Group
}

// New makes a custody; it calls nobody yet.
func New(o Options) *Custody {
	observe := o.Observe
	if observe == nil {
		observe = func(string) {}
	}
	return &Custody{
		store: o.Store, ring: NewKeyring(o.Keys, "OpenIM tokens", o.Now), mint: o.Mint, now: o.Now, observe: observe,
		held: newHeld(heldAtMost),
	}
}

// owner is whose token.
type owner struct {
	userID     string
	platformID int32
}

func (o owner) platform() string { return strconv.Itoa(int(o.platformID)) }

// slot is the owner's part of a key, in braces, so that all keys of one owner are on one node of a Redis Cluster. The user id is
// encoded, for it may hold braces itself.
func (o owner) slot() string {
	return "{" + base64.RawURLEncoding.EncodeToString([]byte(o.userID)) + "." + o.platform() + "}"
}

// Token gives the user's token on a platform, made if there is none. refused is the hash of one that OpenIM has just refused, or
// empty: that one is not given again.
func (c *Custody) Token(ctx context.Context, userID string, platformID int32, refused string) (Token, error) {
	o := owner{userID, platformID}
	if t, ok := c.held.get(o, refused, c.now(), freshLasts); ok {
		c.observe(ResultHeld)
		return t, nil
	}
	// The attempt does not end with the caller who happened to start it. One who must not be given a certain token does not
	// join those who may.
	done := c.flight.DoChan(o.slot()+refused, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flightTimeout)
		defer cancel()
		return c.get(ctx, o, refused)
	})
	select {
	case <-ctx.Done():
		return Token{}, fmt.Errorf("%w: the caller's time is over", ErrUnavailable)
	case result := <-done:
		if result.Err != nil {
			return Token{}, result.Err
		}
		return result.Val.(Token), nil
	}
}

// Drop forgets the user's token on a platform, after OpenIM has voided it.
func (c *Custody) Drop(ctx context.Context, userID string, platformID int32) error {
	o := owner{userID, platformID}
	c.held.drop(o)
	if err := dropScript.Run(ctx, c.store, []string{c.tokenKey(o)}).Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, plain(err))
	}
	return nil
}

func (c *Custody) tokenKey(o owner) string { return c.store.Key("tok:", o.slot()) }
func (c *Custody) lockKey(o owner) string  { return c.store.Key("lock:", o.slot()) }

// get finds the token in Redis, or has it made by one replica.
func (c *Custody) get(ctx context.Context, o owner, refused string) (Token, error) {
	if t, ok := c.held.get(o, refused, c.now(), freshLasts); ok {
		return t, nil
	}
	err := c.held.failure(o, c.now())
	if err == nil {
		var t Token
		if t, err = c.getShared(ctx, o, refused); err == nil {
			return t, nil
		}
		c.held.fail(o, err, c.now().Add(failurePause))
	}
	if !errors.Is(err, ErrUnavailable) {
		c.observe(ResultFailed)
		return Token{}, err
	}
	if t, ok := c.held.get(o, refused, c.now(), strandedLasts); ok {
		c.observe(ResultStranded)
		return t, nil
	}
	c.observe(ResultUnavailable)
	return Token{}, err
}

func (c *Custody) getShared(ctx context.Context, o owner, refused string) (Token, error) {
	pause := waitFirst
	for {
		r, err := c.read(ctx, o)
		if err != nil {
			return Token{}, err
		}
		if r.usable(refused, c.now()) {
			c.held.put(o, r, c.now())
			c.observe(ResultFound)
			return r.token, nil
		}
		l, err := c.lock(ctx, o)
		if err != nil {
			return Token{}, err
		}
		if l != nil {
			return c.makeUnder(ctx, l, o, refused)
		}
		// Another replica is at it.
		if err := wait(ctx, pause); err != nil {
			return Token{}, fmt.Errorf("%w: another replica holds the lock", ErrUnavailable)
		}
		pause = min(2*pause, waitMost)
	}
}

// makeUnder makes a token while this replica holds the lock, unless one came in before it got it.
func (c *Custody) makeUnder(ctx context.Context, l *lock, o owner, refused string) (Token, error) {
	defer l.release(ctx)
	r, err := c.read(ctx, o)
	if err != nil {
		return Token{}, err
	}
	if r.usable(refused, c.now()) {
		c.held.put(o, r, c.now())
		c.observe(ResultFound)
		return r.token, nil
	}
	if apart := c.now().Sub(r.made); apart >= 0 && apart < mintApart {
		if err := wait(ctx, mintApart-apart); err != nil {
			return Token{}, fmt.Errorf("%w: a token was made a moment ago", ErrUnavailable)
		}
	}
	if l.age() > lockSpent {
		return Token{}, fmt.Errorf("%w: Redis was too slow to hold the lock safely", ErrUnavailable)
	}
	if _, err := c.ring.Primary(); err != nil { // what cannot be kept is not made
		return Token{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	asking, cancel := context.WithTimeout(ctx, mintTimeout)
	defer cancel()
	value, expires, err := c.mint(asking, o.userID, o.platformID)
	if err != nil {
		return Token{}, err
	}
	c.observe(ResultMinted)
	r = newRecord(value, c.now(), expires)
	kept, err := c.keep(ctx, l, o, r)
	if err == nil && !kept {
		// The lock ran out under us and another replica may have made one since, which voided ours.
		if other, err := c.read(ctx, o); err == nil && other.usable(refused, c.now()) {
			r = other
		}
	}
	// A token that could not be kept is used all the same: it has voided the one before, so there is no better one.
	c.held.put(o, r, c.now())
	return r.token, nil
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
