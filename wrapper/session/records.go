package session

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/openimstack/openim-operator/wrapper/redisdb"
)

//go:embed lua/write.lua
var writeLua string

//go:embed lua/touch.lua
var touchLua string

// Fields of a session's hash in Redis. Times are Unix milliseconds.
var recordFields = []string{"hash", "user", "device", "platform", "epoch", "created", "end", "last"}

// readFields are recordFields, the reason why the session was replaced, which few have, and the seal.
var readFields = append(slices.Clip(recordFields), "ended", "seal")

// records stores the sessions in Redis.
type records struct {
	db             *redisdb.DB
	revocationsKey string
	seal           Sealer // nil: records are neither sealed nor checked
}

func newRecords(db *redisdb.DB, seal Sealer) *records {
	return &records{db: db, revocationsKey: newRevocationList(db).entries, seal: seal}
}

func (r *records) key(id string) string       { return r.db.Key("s:", id) }
func (r *records) userKey(user string) string { return r.db.Key("su:", user) }

// deviceKey returns the key of a device's sessions. The length keeps apart ids that contain the separator.
func (r *records) deviceKey(s *Session) string {
	return r.db.Key("sd:", strconv.Itoa(len(s.UserID)), ":", s.UserID, ":", s.DeviceID)
}

// write stores a new session and then reads the revocations that concern it, so that a revocation during the login is seen. ofDevice holds
// the ids of the device's sessions, oldest first. Some of them may have ended.
func (r *records) write(
	ctx context.Context, s *Session, hash [sha256.Size]byte,
) (found map[string]mergedRevocation, ofDevice []string, err error) {
	forget := s.Expires.Add(keptAfterEnd).UnixMilli()
	seal, err := sealFor(r.seal, sessionPlace+s.ID, sealedOf(s, hash))
	if err != nil {
		return nil, nil, err
	}
	pipe := r.db.Pipeline()
	wrote := pipe.Eval(ctx, writeLua, []string{r.key(s.ID)}, forget,
		"hash", encoding.EncodeToString(hash[:]), "user", s.UserID, "device", s.DeviceID, "platform", s.PlatformID, "epoch", s.Epoch,
		"created", s.Created.UnixMilli(), "end", s.Expires.UnixMilli(), "last", s.LastUsed.UnixMilli(), "seal", seal)
	index := r.userKey(s.UserID)
	pipe.ZRemRangeByScore(ctx, index, "-inf", strconv.FormatInt(s.Created.UnixMilli(), 10))
	pipe.ZAdd(ctx, index, redis.Z{Score: float64(s.Expires.UnixMilli()), Member: s.ID})
	pipe.PExpireAt(ctx, index, time.UnixMilli(forget))
	remembered := s.Expires.Sub(s.Created) + keptAfterEnd
	listed := pipe.Eval(ctx, deviceLua, []string{r.deviceKey(s)}, s.ID, s.Created.UnixMilli(), remembered.Milliseconds())
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, nil, err
	}
	if err := wrote.Err(); err != nil {
		return nil, nil, err
	}
	if ofDevice, err = listed.StringSlice(); err != nil {
		return nil, nil, err
	}
	fields := s.fields()
	found, err = r.revocations(ctx, fields[:])
	return found, ofDevice, err
}

// replace marks a session as replaced in its record.
func (r *records) replace(ctx context.Context, id, reason string) error {
	return r.db.Eval(ctx, replaceLua, []string{r.key(id)}, reason, keptAfterEnd.Milliseconds()).Err()
}

// unlist removes sessions from the lists of their device and user.
func (r *records) unlist(ctx context.Context, of *Session, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	members := make([]any, len(ids))
	for i, id := range ids {
		members[i] = id
	}
	pipe := r.db.Pipeline()
	pipe.ZRem(ctx, r.deviceKey(of), members...)
	pipe.ZRem(ctx, r.userKey(of.UserID), members...)
	_, err := pipe.Exec(ctx)
	return err
}

func (r *records) revocations(ctx context.Context, fields []string) (map[string]mergedRevocation, error) {
	values, err := r.db.HMGet(ctx, r.revocationsKey, fields...).Result()
	if err != nil {
		return nil, err
	}
	return parseRevocations(fields, values)
}

func parseRevocations(fields []string, values []any) (map[string]mergedRevocation, error) {
	found := map[string]mergedRevocation{}
	for i, v := range values {
		text, there := v.(string)
		if !there {
			continue
		}
		c, _, err := parseRevocation(text)
		if err != nil {
			return nil, err
		}
		found[fields[i]] = c
	}
	return found, nil
}

// read returns a session and the revocations that may concern it, in one round trip when the session's fields are already known.
func (r *records) read(ctx context.Context, id string, fields *[scopes]string) (entry, map[string]mergedRevocation, error) {
	pipe := r.db.Pipeline()
	record := pipe.HMGet(ctx, r.key(id), readFields...)
	var revocations *redis.SliceCmd
	if fields != nil {
		revocations = pipe.HMGet(ctx, r.revocationsKey, fields[:]...)
	}
	if _, err := pipe.Exec(ctx); err != nil && !isWrongType(err) {
		return entry{}, nil, err
	}
	e, err := r.recordOf(id, record)
	if err != nil {
		return e, nil, err
	}
	if fields == nil {
		found, err := r.revocations(ctx, e.fields[:])
		return e, found, err
	}
	values, err := revocations.Result()
	if err != nil {
		return entry{}, nil, err
	}
	found, err := parseRevocations(fields[:], values)
	return e, found, err
}

// reading is what Redis holds for one session: its entry, or why there is none.
type reading struct {
	entry entry
	// err is nil, ErrUnknown, ErrKeyUnknown with the entry that could not be opened, or errDamaged.
	err error
}

// readAll returns what Redis holds for each of the ids, and then the revocations that may concern the sessions found: two round trips to
// each node. Its error concerns Redis, never a single record.
func (r *records) readAll(ctx context.Context, ids []string) ([]reading, map[string]mergedRevocation, error) {
	pipe := r.db.Pipeline()
	replies := make([]*redis.SliceCmd, len(ids))
	for i, id := range ids {
		replies[i] = pipe.HMGet(ctx, r.key(id), readFields...)
	}
	if _, err := pipe.Exec(ctx); err != nil && !isWrongType(err) {
		return nil, nil, err
	}
	found := make([]reading, len(ids))
	var fields []string
	for i, id := range ids {
		e, err := r.recordOf(id, replies[i])
		switch {
		case err == nil:
			fields = append(fields, e.fields[:]...)
		case !errors.Is(err, ErrUnknown) && !errors.Is(err, ErrKeyUnknown) && !errors.Is(err, errDamaged):
			return nil, nil, err
		}
		found[i] = reading{e, err}
	}
	if len(fields) == 0 {
		return found, nil, nil
	}
	slices.Sort(fields)
	revocations, err := r.revocations(ctx, slices.Compact(fields))
	return found, revocations, err
}

// errDamaged is the error for a record that no version of the wrapper writes.
var errDamaged = errors.New("a session's record is damaged")

func isWrongType(err error) bool { return redis.HasErrorPrefix(err, "WRONGTYPE") }

// recordOf returns the session in a reply to HMGet of readFields. After ErrKeyUnknown the entry is the one that could not be opened.
func (r *records) recordOf(id string, reply *redis.SliceCmd) (entry, error) {
	values, err := reply.Result()
	if isWrongType(err) {
		return entry{}, fmt.Errorf("%w: it is not a hash", errDamaged)
	}
	if err != nil {
		return entry{}, err
	}
	e, err := entryOf(id, values)
	if err != nil {
		return entry{}, err
	}
	seal, _ := values[len(readFields)-1].(string)
	return e, checkSeal(r.seal, sessionPlace+id, sealedOf(&e.session, e.hash), seal)
}

func entryOf(id string, values []any) (entry, error) {
	texts := make([]string, len(recordFields))
	for i := range texts {
		if i >= len(values) || values[i] == nil {
			return entry{}, ErrUnknown
		}
		texts[i], _ = values[i].(string)
	}
	var numbers [5]int64
	for i := range numbers {
		n, err := strconv.ParseInt(texts[i+3], 10, 64)
		if err != nil {
			return entry{}, fmt.Errorf("%w: %s is not a number", errDamaged, recordFields[i+3])
		}
		numbers[i] = n
	}
	raw, err := encoding.DecodeString(texts[0])
	if err != nil || len(raw) != sha256.Size || numbers[0] < 0 || numbers[0] > 1<<31-1 {
		return entry{}, fmt.Errorf("%w: invalid hash or platform", errDamaged)
	}
	platform := int32(numbers[0]) //nolint:gosec // bounded above
	s := Session{ID: id, UserID: texts[1], DeviceID: texts[2], PlatformID: platform, Epoch: numbers[1],
		Created: time.UnixMilli(numbers[2]), Expires: time.UnixMilli(numbers[3]), LastUsed: time.UnixMilli(numbers[4])}
	e := entry{session: s, hash: [sha256.Size]byte(raw), fields: s.fields()}
	if len(values) > len(recordFields) {
		e.ended, _ = values[len(recordFields)].(string)
	}
	return e, nil
}

// touch records a use of each session and returns the ids of those that no longer exist.
func (r *records) touch(ctx context.Context, ids []string, at time.Time) (gone []string, err error) {
	pipe := r.db.Pipeline()
	replies := make([]*redis.Cmd, len(ids))
	for i, id := range ids {
		replies[i] = pipe.Eval(ctx, touchLua, []string{r.key(id)}, at.UnixMilli())
	}
	if _, err = pipe.Exec(ctx); err != nil {
		return nil, err
	}
	for i, id := range ids {
		there, err := replies[i].Int()
		if err != nil {
			return nil, err
		}
		if there == 0 {
			gone = append(gone, id)
		}
	}
	return gone, nil
}

// listed returns a user's sessions on the user's list with their ends, those that end last first.
func (r *records) listed(ctx context.Context, user string, limit int64) ([]redis.Z, error) {
	return r.db.ZRevRangeWithScores(ctx, r.userKey(user), 0, limit-1).Result()
}

// unlistUser removes sessions from the list of their user.
func (r *records) unlistUser(ctx context.Context, user string, ids []any) error {
	return r.db.ZRem(ctx, r.userKey(user), ids...).Err()
}

// list returns ids of a user's sessions, those that end last first.
func (r *records) list(ctx context.Context, user string, limit int64) ([]string, error) {
	return r.db.ZRevRange(ctx, r.userKey(user), 0, limit-1).Result()
}
