package tokenvault

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// A token is replaced after this part of its lifetime. The new token voids the old one, so replacement comes late: with OpenIM's default
// of 90 days, after 81 days.
const renewNumerator, renewDenominator = 9, 10

// record is a token and when it was minted.
type record struct {
	token Token
	made  time.Time
}

func newRecord(value string, made, expires time.Time) record {
	return record{token: Token{Value: value, Hash: Hash(value), Expires: expires.Truncate(time.Second)}, made: made}
}

// usable reports whether the token is neither refused nor due for replacement. The zero record is not usable.
func (r record) usable(refused string, now time.Time) bool {
	return r.token.Value != "" && r.token.Hash != refused && now.Before(r.due())
}

func (r record) due() time.Time {
	return r.made.Add(r.token.Expires.Sub(r.made) * renewNumerator / renewDenominator)
}

// storedRecord is a record in Redis. The clear fields are authenticated with the token.
type storedRecord struct {
	Made    int64  `json:"made"`    // Unix milliseconds
	Expires int64  `json:"expires"` // Unix seconds
	Sealed  string `json:"sealed"`  // base64
}

func (k *storedRecord) decode(text string) (sealed []byte, ok bool) {
	if len(text) > maxSealedBytes || json.Unmarshal([]byte(text), k) != nil {
		return nil, false
	}
	sealed, err := base64.StdEncoding.DecodeString(k.Sealed)
	return sealed, err == nil
}

func place(o tokenOwner, made, expires int64) []byte {
	return Place("token", o.userID, o.platform(), fmt.Sprint(made), fmt.Sprint(expires))
}

// read returns the owner's record, or the zero record when there is none or when no replica can ever open it.
func (c *Vault) read(ctx context.Context, o tokenOwner) (record, error) {
	text, err := c.store.Get(ctx, c.tokenKey(o)).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return record{}, nil
	case err != nil:
		return record{}, fmt.Errorf("%w: %w", ErrUnavailable, redisError(err))
	}
	var k storedRecord
	sealed, ok := k.decode(text)
	if !ok {
		return record{}, nil
	}
	made := time.UnixMilli(k.Made)
	value, err := c.keyring.Open(sealed, place(o, k.Made, k.Expires))
	switch {
	case err == nil:
		return newRecord(string(value), made, time.Unix(k.Expires, 0)), nil
	case errors.Is(err, ErrUnknownKey) && c.now().Sub(made) < newerKeyGrace:
		// Another replica sealed it with the next key, which is on its way to this one. A new token would void that replica's.
		return record{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	case errors.Is(err, ErrUnknownKey), errors.Is(err, ErrNotSealed):
		return record{made: made}, nil
	}
	return record{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// saveScript stores a token if the caller still holds the lock, and releases the lock.
var saveScript = redis.NewScript(`
if redis.call("GET", KEYS[2]) ~= ARGV[1] then return 0 end
redis.call("SET", KEYS[1], ARGV[2], "PX", ARGV[3])
redis.call("DEL", KEYS[2])
return 1`)

var dropScript = redis.NewScript(`return redis.call("DEL", KEYS[1])`)

// save stores a token while the lock is held, and reports whether it did. It retries for saveTimeout, because OpenIM invalidates a token
// that is not stored when it issues the next one.
func (c *Vault) save(ctx context.Context, l *lock, o tokenOwner, r record) (bool, error) {
	made, expires := r.made.UnixMilli(), r.token.Expires.Unix()
	sealed, err := c.keyring.Seal([]byte(r.token.Value), place(o, made, expires))
	if err != nil {
		return false, err
	}
	text, err := json.Marshal(storedRecord{Made: made, Expires: expires, Sealed: base64.StdEncoding.EncodeToString(sealed)})
	if err != nil {
		return false, err
	}
	lasts := max(r.token.Expires.Sub(r.made).Milliseconds(), 1)
	began := time.Now()
	for pause := waitFirst; ; pause = min(2*pause, waitMax) {
		stored, err := saveScript.Run(ctx, c.store, []string{c.tokenKey(o), c.lockKey(o)}, l.id, text, lasts).Int()
		if err == nil {
			return stored == 1, nil
		}
		if time.Since(began) > saveTimeout || wait(ctx, pause) != nil {
			return false, fmt.Errorf("%w: %w", ErrUnavailable, redisError(err))
		}
	}
}

// lock is held by one replica at a time for one owner. The id distinguishes a holder from the next one.
type lock struct {
	vault   *Vault
	key, id string
	taken   time.Time
}

// lock takes the lock of an owner. It returns nil when another replica holds it.
func (c *Vault) lock(ctx context.Context, o tokenOwner) (*lock, error) {
	l := &lock{vault: c, key: c.lockKey(o), id: wire.NewRequestID(), taken: time.Now()}
	got, err := c.store.SetNX(ctx, l.key, l.id, lockTTL).Result()
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, redisError(err))
	case !got:
		return nil, nil
	}
	return l, nil
}

// age returns the lock's age by the monotonic clock, counted from before the lock was requested.
func (l *lock) age() time.Duration { return time.Since(l.taken) }

var releaseScript = redis.NewScript(`if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("DEL", KEYS[1]) end return 0`)

// release releases the lock if this replica still holds it. When Redis does not answer, the lock expires.
func (l *lock) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = releaseScript.Run(ctx, l.vault.store, []string{l.key}, l.id).Err()
}

// redisError describes a failure of Redis without its address or the command.
func redisError(err error) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return errors.New("Redis did not answer in time")
	}
	return errors.New("Redis cannot be used")
}
