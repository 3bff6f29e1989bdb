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
	// freshLasts is how long a token is used without asking Redis. When it was voided meanwhile, OpenIM refuses it and the caller comes
	// back with its hash.
	freshLasts = 30 * time.Second
	// strandedLasts is how long a token is used while Redis does not answer.
	strandedLasts = 10 * time.Minute
	// heldAtMost is the largest number of tokens in this process' memory.
	heldAtMost = 16384

	// flightTimeout bounds one attempt to get a token, which several callers may share.
	flightTimeout = 8 * time.Second
	// mintTimeout bounds OpenIM's part of an attempt. It is well below lockLasts: a replica that holds the lock afterwards is the only
	// one that has minted.
	mintTimeout = 4 * time.Second
	lockLasts   = 10 * time.Second
	// lockSpent is the largest age of a lock with which OpenIM is still called.
	lockSpent = 2 * time.Second
	// keepTries is how long storing a new token is retried.
	keepTries = 3 * time.Second
	// waitFirst and waitMost are the first and the longest pause while another replica holds the lock.
	waitFirst, waitMost = 15 * time.Millisecond, 250 * time.Millisecond
	// mintApart is the shortest time between two tokens of one user and platform: OpenIM's tokens of one second are the same text.
	mintApart = 1100 * time.Millisecond
	// failurePause is the shortest time between a failed attempt and the next. Callers in between receive the failure.
	failurePause = time.Second
	// newerKeySpared is the age up to which a token under an unknown key is attributed to a replica that already has the next key.
	newerKeySpared = 3 * time.Minute
)

// ErrUnavailable says that Redis or the custody key cannot be used and that no cached token may be used without them.
var ErrUnavailable = errors.New(
	"getting an OpenIM token: the token vault is not available: check the wrapper's Redis and the custody key file")

// Token is an OpenIM token.
type Token struct {
	Value   string
	Hash    string
	Expires time.Time
}

// String keeps a token out of logs and error texts.
func (t Token) String() string { return "OpenIM token " + t.Hash }

// GoString does the same for %#v.
func (t Token) GoString() string { return t.String() }

// Hash identifies a token without revealing it: 16 bytes of its SHA-256, base64url.
func Hash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// Mint requests a new token from OpenIM. Its error must not hold a token.
type Mint func(ctx context.Context, userID string, platformID int32) (token string, expires time.Time, err error)

// Store is the wrapper's Redis.
type Store interface {
	redis.Scripter
	Get(ctx context.Context, key string) *redis.StringCmd
	SetNX(ctx context.Context, key string, value any, expiration time.Duration) *redis.BoolCmd
	// Key adds the prefix of the wrapper's keys to the parts.
	Key(parts ...string) string
}

// Observer receives the result of each attempt: one of the constants below. It must not block.
type Observer func(result string)

// Results of an attempt.
const (
	ResultHeld        = "held"        // found in this process
	ResultFound       = "found"       // found in Redis
	ResultMinted      = "minted"      // minted by OpenIM
	ResultStranded    = "stranded"    // found in this process, while Redis does not answer
	ResultFailed      = "failed"      // OpenIM refused or failed
	ResultUnavailable = "unavailable" // Redis or the custody key failed
)

// Options of a vault.
type Options struct {
	Store   Store
	Keys    KeySource
	Mint    Mint
	Now     func() time.Time
	Observe Observer
}

// Custody returns users' OpenIM tokens. It is safe for concurrent use, and any number of vaults may share one Redis.
type Custody struct {
	store   Store
	ring    *Keyring
	mint    Mint
	now     func() time.Time
	observe Observer
	held    *held
	flight  singleflight.Group
}

// New returns a vault. It makes no connection.
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

// owner identifies a token: its user and platform.
type owner struct {
	userID     string
	platformID int32
}

func (o owner) platform() string { return strconv.Itoa(int(o.platformID)) }

// slot returns the owner's part of a key. The braces keep all keys of one owner on one node of a Redis Cluster. The user id is encoded,
// because it may contain braces.
func (o owner) slot() string {
	return "{" + base64.RawURLEncoding.EncodeToString([]byte(o.userID)) + "." + o.platform() + "}"
}

// Token returns the user's token on a platform and mints it if there is none. refused is the hash of a token that OpenIM has just refused,
// or empty. That token is not returned again.
func (c *Custody) Token(ctx context.Context, userID string, platformID int32, refused string) (Token, error) {
	o := owner{userID, platformID}
	if t, ok := c.held.get(o, refused, c.now(), freshLasts); ok {
		c.observe(ResultHeld)
		return t, nil
	}
	// The attempt does not end with the caller that started it. Callers with a refused token do not share an attempt with others.
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

// Drop removes the user's token on a platform, after OpenIM has voided it.
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

// get finds the token in Redis, or has one replica mint it.
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
		// Another replica holds the lock and is minting.
		if err := wait(ctx, pause); err != nil {
			return Token{}, fmt.Errorf("%w: another replica holds the lock", ErrUnavailable)
		}
		pause = min(2*pause, waitMost)
	}
}

// makeUnder mints a token while this replica holds the lock, unless another replica stored one before.
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
			return Token{}, fmt.Errorf("%w: a token was minted a moment ago", ErrUnavailable)
		}
	}
	if l.age() > lockSpent {
		return Token{}, fmt.Errorf("%w: Redis was too slow to hold the lock safely", ErrUnavailable)
	}
	if _, err := c.ring.Primary(); err != nil { // a token that cannot be stored is not minted
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
		// The lock expired meanwhile. Another replica may have minted a token since, which voided this one.
		if other, err := c.read(ctx, o); err == nil && other.usable(refused, c.now()) {
			r = other
		}
	}
	// A token that could not be stored is used anyway: it has voided the one before, so there is no better one.
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
