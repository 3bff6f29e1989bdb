package session

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"

	"github.com/openimstack/openim-operator/wrapper/redisdb"
)

// Options of a Store.
type Options struct {
	Redis *redisdb.DB
	// Lifetime is the time from a login to the session's absolute end, at most MaxLifetime. A change applies to new sessions.
	Lifetime func() time.Duration
	// Idle is how long a session may be unused. 0 means without limit. A change applies to every session at once.
	Idle       func() time.Duration
	Now        func() time.Time
	Log        *slog.Logger
	Registerer prometheus.Registerer
	// Seal makes the store seal what it writes and accept only sealed records, so that write access to Redis is not enough to act as a
	// user. With nil the store does neither.
	Seal Sealer
}

// Store is one replica's view of all sessions. Run must run in the background. Without it every call asks Redis.
type Store struct {
	lifetime, idle func() time.Duration
	now            func() time.Time
	log            *slog.Logger
	bounds         bounds

	records     *records
	revocations *revocationList
	table       *table
	breaker     *redisdb.Breaker
	flight      singleflight.Group
	metrics     *metrics

	offset  atomic.Int64 // Redis' clock minus ours, ns
	asOf    atomic.Int64 // time as of which the revocations in memory are complete, by our clock, Unix ns; 0: never
	lastEnd atomic.Int64 // no session ends later, as of the last refresh, Unix ms
	reload  atomic.Bool  // the next refresh compares the whole list
	wake    chan struct{}

	refreshing sync.Mutex // guards last
	lastState  state      // of the last refresh; its name is empty before the first
}

const (
	// After failuresInARow failed calls no call is made to Redis for failurePause.
	failuresInARow = 3
	failurePause   = 500 * time.Millisecond
	// callTimeout bounds one check of a session, which several callers may share.
	callTimeout = time.Second
)

// New returns a Store and registers its metrics. It makes no connection.
func New(o Options) *Store { return newStore(o, defaultBounds()) }

func newStore(o Options, b bounds) *Store {
	s := &Store{lifetime: o.Lifetime, idle: o.Idle, now: o.Now, log: o.Log, bounds: b,
		records: newRecords(o.Redis, o.Seal), revocations: newRevocationList(o.Redis), table: newTable(b.entries),
		breaker: redisdb.NewBreaker(failuresInARow, failurePause, o.Now), wake: make(chan struct{}, 1)}
	s.metrics = newMetrics(o.Registerer, s)
	return s
}

// Create creates a session. The token is returned once, and only its hash is stored. epoch is the user's, as the registry returned it at
// login. ErrRevoked means that user or device were revoked during the login.
func (s *Store) Create(ctx context.Context, userID, deviceID string, platformID int32, epoch int64) (string, Session, error) {
	if !validID(userID) || !validID(deviceID) || platformID < 0 || epoch < 0 {
		return "", Session{}, errors.New("creating a session: invalid user, device, platform or epoch")
	}
	lifetime := s.lifetimeNow()
	token, id, hash := newToken()
	var made Session
	var ofDevice []string
	asked := s.now()
	err := s.call(ctx, func(ctx context.Context) error {
		at, err := s.revocations.begin(ctx, lifetime)
		if err != nil {
			return err
		}
		begun := time.UnixMilli(at)
		made = Session{ID: id, UserID: userID, DeviceID: deviceID, PlatformID: platformID, Epoch: epoch,
			Created: begun, Expires: begun.Add(lifetime), LastUsed: begun}
		revocations, listed, err := s.records.write(ctx, &made, hash)
		if err != nil {
			return err
		}
		ofDevice = listed
		s.learn(revocations)
		return nil
	})
	if err != nil {
		return "", Session{}, err
	}
	if err = s.checkMade(&made); err != nil {
		return "", Session{}, err
	}
	s.table.put(&entry{session: made, hash: hash}, asked)
	if err = s.enforceMaxPerDevice(ctx, &made, ofDevice); err != nil {
		return "", Session{}, err
	}
	// With more concurrent logins than MaxPerDevice, this session may be among the oldest and already ended.
	if err = s.checkMade(&made); err != nil {
		return "", Session{}, err
	}
	s.metrics.created.Inc()
	return token, made, nil
}

// checkMade checks whether a new session was revoked during its login. One that the later login of another device has already replaced
// is returned like any other, and the client's first call tells it so: an error would make the client log in once more.
func (s *Store) checkMade(made *Session) error {
	fields := made.fields()
	if err := s.table.checkRevoked(&fields, made); !errors.Is(err, ErrReplaced) {
		return err
	}
	return nil
}

// Verify returns the session of a token, or why it is not accepted: ErrMalformed, ErrUnknown, ErrExpired, ErrRevoked, ErrUnavailable.
func (s *Store) Verify(ctx context.Context, token string) (Session, error) {
	id, hash, err := parseToken(token)
	if err != nil {
		return Session{}, s.metrics.verdict(fromNothing, err)
	}
	e, source, err := s.find(ctx, id, s.bounds.cache)
	if err != nil {
		return Session{}, s.metrics.verdict(source, err)
	}
	if subtle.ConstantTimeCompare(e.hash[:], hash[:]) != 1 {
		return Session{}, s.metrics.verdict(source, ErrUnknown)
	}
	// Checked after the secret, so that a caller without the secret learns nothing about the session.
	if err = s.checkEnd(&e); err != nil {
		return Session{}, s.metrics.verdict(source, err)
	}
	if err = s.use(ctx, &e.session); err != nil {
		return Session{}, s.metrics.verdict(source, err)
	}
	return e.session, s.metrics.verdict(source, nil)
}

// Sources of an answer.
const (
	fromNothing = "nothing"
	fromCache   = "cache"
	fromRedis   = "redis"
	fromOutage  = "outage" // the cache, while Redis cannot be asked
)

// find returns a session from memory while the copy there is fresh, otherwise from Redis, and during an outage from memory for as long as
// the bounds allow. It does not check whether the session has ended.
func (s *Store) find(ctx context.Context, id string, believed time.Duration) (entry, string, error) {
	now := s.now()
	e, held := s.table.get(id)
	if held && s.upToDate(now, s.bounds.silence) && now.Sub(e.confirmed) < believed && !s.idleOut(&e.session) {
		return e, fromCache, nil
	}
	fresh, err := s.ask(ctx, id, e, held)
	switch {
	case err == nil:
		return fresh, fromRedis, nil
	case !errors.Is(err, ErrUnavailable):
		return entry{}, fromRedis, err
	case held && now.Sub(e.confirmed) < s.bounds.outage:
		return e, fromOutage, nil
	}
	return entry{}, fromOutage, err
}

// ask reads a session from Redis, once for all callers that wait for it.
func (s *Store) ask(ctx context.Context, id string, known entry, held bool) (entry, error) {
	return s.shareCall(ctx, id, func(ctx context.Context) (e entry, err error) {
		err = s.call(ctx, func(ctx context.Context) (err error) {
			e, err = s.read(ctx, id, known, held)
			return err
		})
		if errors.Is(err, ErrUnknown) {
			s.table.forget(id, ErrUnknown)
		}
		return e, err
	})
}

// shareCall runs do once for all callers that wait for the same key. The call does not end with the caller that started it: each caller
// stops waiting when its own ctx ends.
func (s *Store) shareCall(ctx context.Context, key string, do func(context.Context) (entry, error)) (entry, error) {
	done := s.flight.DoChan(key, func() (any, error) { return do(context.WithoutCancel(ctx)) })
	select {
	case <-ctx.Done():
		return entry{}, unavailable(ctx.Err())
	case r := <-done:
		return r.Val.(entry), r.Err
	}
}

func (s *Store) read(ctx context.Context, id string, known entry, held bool) (entry, error) {
	asked := s.now()
	if s.asOf.Load() == 0 {
		// Expiry is computed by Redis' clock, which was not read yet.
		if err := s.refresh(ctx); err != nil {
			return entry{}, err
		}
	}
	var fields *[scopes]string
	if held {
		fields = &known.fields
	}
	e, revocations, err := s.records.read(ctx, id, fields)
	if err != nil {
		return entry{}, s.whyUnread(id, e.session.Created, err)
	}
	s.learn(revocations)
	s.table.put(&e, asked)
	e.confirmed = asked
	return e, nil
}

// whyUnread returns the error for a record that was made at a time and could not be read. A damaged one counts as gone: otherwise it would
// refuse what concerns its session, and every login of its user, until it expires.
func (s *Store) whyUnread(id string, made time.Time, err error) error {
	switch {
	case errors.Is(err, ErrKeyUnknown):
		return s.unknownKeyError(made)
	case errors.Is(err, errDamaged):
		s.log.Warn("a session's record in the wrapper's Redis is damaged: the session counts as ended, and its client must log in again",
			"session", id, "error", err.Error())
		return ErrUnknown
	}
	return err
}

// use writes a use if the last write is long enough ago. One caller writes for all.
func (s *Store) use(ctx context.Context, session *Session) error {
	at := s.redisNow()
	if !s.touchDue(session) || !s.table.recordUse(session.ID, at, s.touchEvery()) {
		return nil
	}
	session.LastUsed = at
	var gone []string
	if err := s.call(ctx, func(ctx context.Context) (err error) {
		gone, err = s.records.touch(ctx, []string{session.ID}, at)
		return err
	}); err != nil {
		return nil //nolint:nilerr // the session is valid; the next use is written instead
	}
	if len(gone) > 0 {
		s.table.forget(session.ID, ErrUnknown)
		return ErrUnknown
	}
	return nil
}

// learn applies revocations that were read together with sessions.
func (s *Store) learn(revocations map[string]mergedRevocation) {
	for field, c := range revocations {
		s.applyStored(field, c)
	}
}

// call calls Redis with a timeout, unless recent calls have failed. Every failure on the way is ErrUnavailable.
func (s *Store) call(ctx context.Context, do func(context.Context) error) error {
	if !s.breaker.Allow() {
		return unavailable(errors.New("calling Redis: recent calls failed"))
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := do(ctx)
	switch {
	case err == nil, errors.Is(err, ErrUnknown):
		s.breaker.Done(nil)
		return err
	case errors.Is(err, ErrKeyUnknown), errors.Is(err, errSealer): // Redis itself answered
		s.breaker.Done(nil)
	default:
		s.breaker.Done(err)
	}
	return unavailable(err)
}

func unavailable(err error) error { return fmt.Errorf("%w: %w", ErrUnavailable, err) }

// checkEnd decides whether a session has ended. Nothing else decides it.
func (s *Store) checkEnd(e *entry) error {
	if err := s.table.checkRevoked(&e.fields, &e.session); err != nil {
		return err
	}
	if e.ended != "" {
		return revokedBecause(e.ended)
	}
	if !s.redisNow().Before(e.session.Expires) || s.idleOut(&e.session) {
		return ErrExpired
	}
	return nil
}

func (s *Store) lifetimeNow() time.Duration { return min(max(s.lifetime(), time.Second), MaxLifetime) }

func (s *Store) idleOut(session *Session) bool {
	idle := s.idle()
	return idle > 0 && s.redisNow().Sub(session.LastUsed) >= idle
}

// touchEvery returns the pause between writes of LastUsed: a minute, or less when the idle timeout is short.
func (s *Store) touchEvery() time.Duration {
	if idle := s.idle(); idle > 0 {
		return min(s.bounds.touch, idle/4)
	}
	return s.bounds.touch
}

func (s *Store) touchDue(session *Session) bool {
	return s.redisNow().Sub(session.LastUsed) >= s.touchEvery()
}

func (s *Store) redisNow() time.Time { return s.now().Add(time.Duration(s.offset.Load())) }

// upToDate reports whether every revocation older than within is known.
func (s *Store) upToDate(now time.Time, within time.Duration) bool {
	at := s.asOf.Load()
	return at != 0 && now.UnixNano()-at < int64(within)
}
