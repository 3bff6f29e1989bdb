package session

import (
	"context"
	_ "embed"
	"errors"
	"time"
)

//go:embed lua/device.lua
var deviceLua string

//go:embed lua/replace.lua
var replaceLua string

const (
	// replacedReason is the reason of a session that a newer login of the same device replaced.
	replacedReason = "replaced-by-newer-logins"
	// otherDeviceReason is the reason of a session that the login of another device replaced.
	otherDeviceReason = "replaced-by-another-device"
	// replacedFor is how long the list of revocations remembers a replaced session. The session's record remembers it longer. The list
	// only tells the memory and the sockets of the replicas, which ask Redis again long before that. So a client that logs in in a loop
	// does not make the list grow.
	replacedFor = 10 * time.Minute
)

// enforceMaxPerDevice limits a device to MaxPerDevice sessions after a login. Ended sessions are removed from the device's list. Of the
// others the oldest are ended. ids are those on the list, oldest first.
func (s *Store) enforceMaxPerDevice(ctx context.Context, made *Session, ids []string) error {
	if len(ids) <= MaxPerDevice {
		return nil
	}
	var gone []string
	var alive []Session
	for _, id := range ids {
		e, _, err := s.find(ctx, id, s.bounds.cache)
		switch {
		case errors.Is(err, ErrKeyUnknown): // made by a replica that already has the next key: keep it
		case errors.Is(err, ErrUnknown), err == nil && s.checkEnd(&e) != nil:
			gone = append(gone, id)
		case err != nil:
			return err
		default:
			alive = append(alive, e.session)
		}
	}
	for len(alive) > MaxPerDevice {
		if err := s.replace(ctx, &alive[0], replacedReason); err != nil {
			return err
		}
		gone, alive = append(gone, alive[0].ID), alive[1:]
	}
	return s.call(ctx, func(ctx context.Context) error { return s.records.unlist(ctx, made, gone) })
}

// replace ends a session in favour of a newer one. It writes the record first: after that, no replica that asks Redis accepts the session.
func (s *Store) replace(ctx context.Context, old *Session, reason string) error {
	return s.call(ctx, func(ctx context.Context) error {
		if err := s.records.replace(ctx, old.ID, reason); err != nil {
			return err
		}
		field := sessionField + old.ID
		c := mergedRevocation{reason: reason, until: s.redisNow().Add(replacedFor).UnixMilli()}
		merged, err := s.revocations.revoke(ctx, field, c, s.lifetimeNow())
		if err == nil {
			s.table.apply(field, merged)
		}
		return err
	})
}

// CheckNotRevoked checks whether something that was issued under a session, such as an enrolment code, may still be used. It returns
// ErrRevoked when a revocation concerns the session, whether or not the session itself still exists, and ErrUnavailable when Redis does
// not answer. It always asks Redis, so that it sees every revocation that was confirmed on any replica before the call.
func (s *Store) CheckNotRevoked(ctx context.Context, session Session) error {
	fields := session.fields()
	if err := s.call(ctx, func(ctx context.Context) error {
		revocations, err := s.records.revocations(ctx, fields[:])
		s.learn(revocations)
		return err
	}); err != nil {
		return err
	}
	return s.table.checkRevoked(&fields, &session)
}

// Mark returns a session value for a user without a login, for use with Stands: later revocations of the user, or of everything, concern
// it. lifetime is how long it may be used.
func (s *Store) Mark(ctx context.Context, userID string, lifetime time.Duration) (Session, error) {
	var at int64
	if err := s.call(ctx, func(ctx context.Context) (err error) {
		at, err = s.revocations.begin(ctx, lifetime)
		return err
	}); err != nil {
		return Session{}, err
	}
	begun := time.UnixMilli(at)
	// The user's epoch is not known here. The time is enough: each new epoch comes with a revocation of all earlier sessions.
	return Session{UserID: userID, Epoch: maxEpoch, Created: begun, Expires: begun.Add(lifetime), LastUsed: begun}, nil
}
