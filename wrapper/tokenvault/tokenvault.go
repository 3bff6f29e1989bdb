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
	// freshFor is how long a token is used without asking Redis. When it was voided meanwhile, OpenIM refuses it and the caller comes
	// back with its hash.
	freshFor = 30 * time.Second
	// outageFor is how long a token is used while Redis does not answer.
	outageFor = 10 * time.Minute
	// maxCached is the largest number of tokens in this process' memory.
	maxCached = 16384

	// flightTimeout bounds one attempt to get a token, which several callers may share.
	flightTimeout = 8 * time.Second
	// mintTimeout bounds OpenIM's part of an attempt. It is well below lockTTL: a replica that holds the lock afterwards is the only
	// one that has minted.
	mintTimeout = 4 * time.Second
	lockTTL     = 10 * time.Second
	// lockMaxAge is the largest age of a lock with which OpenIM is still called.
	lockMaxAge = 2 * time.Second
	// saveTimeout is how long storing a new token is retried.
	saveTimeout = 3 * time.Second
	// waitFirst and waitMax are the first and the longest pause while another replica holds the lock.
	waitFirst, waitMax = 15 * time.Millisecond, 250 * time.Millisecond
	// mintInterval is the shortest time between two tokens of one user and platform: OpenIM's tokens of one second are the same text.
	mintInterval = 1100 * time.Millisecond
	// failurePause is the shortest time between a failed attempt and the next. Callers in between receive the failure.
	failurePause = time.Second
	// newerKeyGrace is the age up to which a token under an unknown key is attributed to a replica that already has the next key.
	newerKeyGrace = 3 * time.Minute
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

// Vault returns users' OpenIM tokens. It is safe for concurrent use, and any number of vaults may share one Redis.
type Vault struct {
	store   Store
	keyring *Keyring
	mint    Mint
	now     func() time.Time
	observe Observer
	cache   *tokenCache
	flight  singleflight.Group
}

// New returns a vault. It makes no connection.
func New(o Options) *Vault {
	observe := o.Observe
	if observe == nil {
		observe = func(string) {}
	}
	return &Vault{
		store: o.Store, keyring: NewKeyring(o.Keys, "OpenIM tokens", o.Now), mint: o.Mint, now: o.Now, observe: observe,
		cache: newTokenCache(maxCached),
	}
}

// tokenOwner identifies a token: its user and platform.
type tokenOwner struct {
	userID     string
	platformID int32
}

func (o tokenOwner) platform() string { return strconv.Itoa(int(o.platformID)) }

// slot returns the owner's part of a key. The braces keep all keys of one owner on one node of a Redis Cluster. The user id is encoded,
// because it may contain braces.
func (o tokenOwner) slot() string {
	return "{" + base64.RawURLEncoding.EncodeToString([]byte(o.userID)) + "." + o.platform() + "}"
}

// Token returns the user's token on a platform and mints it if there is none. refused is the hash of a token that OpenIM has just refused,
// or empty. That token is not returned again.
func (c *Vault) Token(ctx context.Context, userID string, platformID int32, refused string) (Token, error) {
	o := tokenOwner{userID, platformID}
	if t, ok := c.cache.get(o, refused, c.now(), freshFor); ok {
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
func (c *Vault) Drop(ctx context.Context, userID string, platformID int32) error {
	o := tokenOwner{userID, platformID}
	c.cache.drop(o)
	if err := dropScript.Run(ctx, c.store, []string{c.tokenKey(o)}).Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, redisError(err))
	}
	return nil
}

func (c *Vault) tokenKey(o tokenOwner) string { return c.store.Key("tok:", o.slot()) }
func (c *Vault) lockKey(o tokenOwner) string  { return c.store.Key("lock:", o.slot()) }

// get finds the token in Redis, or has one replica mint it.
func (c *Vault) get(ctx context.Context, o tokenOwner, refused string) (Token, error) {
	if t, ok := c.cache.get(o, refused, c.now(), freshFor); ok {
		return t, nil
	}
	err := c.cache.failure(o, c.now())
	if err == nil {
		var t Token
		if t, err = c.getShared(ctx, o, refused); err == nil {
			return t, nil
		}
		c.cache.fail(o, err, c.now().Add(failurePause))
	}
	if !errors.Is(err, ErrUnavailable) {
		c.observe(ResultFailed)
		return Token{}, err
	}
	if t, ok := c.cache.get(o, refused, c.now(), outageFor); ok {
		c.observe(ResultStranded)
		return t, nil
	}
	c.observe(ResultUnavailable)
	return Token{}, err
}

func (c *Vault) getShared(ctx context.Context, o tokenOwner, refused string) (Token, error) {
	pause := waitFirst
	for {
		r, err := c.read(ctx, o)
		if err != nil {
			return Token{}, err
		}
		if r.usable(refused, c.now()) {
			c.cache.put(o, r, c.now())
			c.observe(ResultFound)
			return r.token, nil
		}
		l, err := c.lock(ctx, o)
		if err != nil {
			return Token{}, err
		}
		if l != nil {
			return c.mintUnderLock(ctx, l, o, refused)
		}
		// Another replica holds the lock and is minting.
		if err := wait(ctx, pause); err != nil {
			return Token{}, fmt.Errorf("%w: another replica holds the lock", ErrUnavailable)
		}
		pause = min(2*pause, waitMax)
	}
}

// mintUnderLock mints a token while this replica holds the lock, unless another replica stored one before.
func (c *Vault) mintUnderLock(ctx context.Context, l *lock, o tokenOwner, refused string) (Token, error) {
	defer l.release(ctx)
	r, err := c.read(ctx, o)
	if err != nil {
		return Token{}, err
	}
	if r.usable(refused, c.now()) {
		c.cache.put(o, r, c.now())
		c.observe(ResultFound)
		return r.token, nil
	}
	if apart := c.now().Sub(r.made); apart >= 0 && apart < mintInterval {
		if err := wait(ctx, mintInterval-apart); err != nil {
			return Token{}, fmt.Errorf("%w: a token was minted a moment ago", ErrUnavailable)
		}
	}
	if l.age() > lockMaxAge {
		return Token{}, fmt.Errorf("%w: Redis was too slow to hold the lock safely", ErrUnavailable)
	}
	if _, err := c.keyring.Primary(); err != nil { // a token that cannot be stored is not minted
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
	kept, err := c.save(ctx, l, o, r)
	if err == nil && !kept {
		// The lock expired meanwhile. Another replica may have minted a token since, which voided this one.
		if other, err := c.read(ctx, o); err == nil && other.usable(refused, c.now()) {
			r = other
		}
	}
	// A token that could not be stored is used anyway: it has voided the one before, so there is no better one.
	c.cache.put(o, r, c.now())
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
