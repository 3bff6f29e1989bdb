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
	// replacedReason is why the oldest session of a device ended.
	replacedReason = "replaced-by-newer-logins"
	// replacedFor is how long the list of revocations remembers a replaced session. Its record says so as well; the list tells memory and
	// sockets, all of which ask Redis again long before. So a client that logs in without end does not make the list grow.
	replacedFor = 10 * time.Minute
)

// keepNewest holds a device to MaxPerDevice sessions after a login: sessions that have ended leave the device's list, and of the others
// the oldest end. ids are those on the list, oldest first.
func (s *Store) keepNewest(ctx context.Context, made *Session, ids []string) error {
	if len(ids) <= MaxPerDevice {
		return nil
	}
	var gone []string
	var alive []Session
	for _, id := range ids {
		e, _, err := s.find(ctx, id, s.bounds.cache)
		switch {
		case errors.Is(err, ErrKeyUnknown): // another replica's, which has the next key: it stays
		case errors.Is(err, ErrUnknown), err == nil && s.judge(&e) != nil:
			gone = append(gone, id)
		case err != nil:
			return err
		default:
			alive = append(alive, e.session)
		}
	}
	for len(alive) > MaxPerDevice {
		if err := s.replace(ctx, &alive[0]); err != nil {
			return err
		}
		gone, alive = append(gone, alive[0].ID), alive[1:]
	}
	return s.call(ctx, func(ctx context.Context) error { return s.records.leave(ctx, made, gone) })
}

// replace ends one session for a newer one. The record comes first: whatever happens then, nobody who asks Redis accepts the session.
func (s *Store) replace(ctx context.Context, old *Session) error {
	return s.call(ctx, func(ctx context.Context) error {
		if err := s.records.replace(ctx, old.ID); err != nil {
			return err
		}
		field := sessionField + old.ID
		c := cut{reason: replacedReason, until: s.redisNow().Add(replacedFor).UnixMilli()}
		merged, err := s.ledger.revoke(ctx, field, c, s.lifetimeNow())
		if err == nil {
			s.table.apply(field, merged)
		}
		return err
	})
}

// Stands reports whether what was given under a session, such as an enrolment code, may still be used: ErrRevoked when a revocation
// concerns the session, whether or not the session itself is still there; ErrUnavailable. Redis is asked, memory is not enough: a
// revocation that was confirmed anywhere before this call is seen.
func (s *Store) Stands(ctx context.Context, session Session) error {
	fields := session.fields()
	if err := s.call(ctx, func(ctx context.Context) error {
		cuts, err := s.records.standing(ctx, fields)
		s.learn(fields, cuts)
		return err
	}); err != nil {
		return err
	}
	return s.table.refused(&fields, &session)
}

// Mark gives what stands for a user from now on without a login, for Stands: later revocations of the user and of everything end what is
// given under it. lives is for how long that may be used.
func (s *Store) Mark(ctx context.Context, userID string, lives time.Duration) (Session, error) {
	var at int64
	if err := s.call(ctx, func(ctx context.Context) (err error) {
		at, err = s.ledger.begin(ctx, lives)
		return err
	}); err != nil {
		return Session{}, err
	}
	begun := time.UnixMilli(at)
	// The user's epoch is not known here. The moment is enough: each new epoch comes with a revocation of all that began before.
	return Session{UserID: userID, Epoch: maxEpoch, Created: begun, Expires: begun.Add(lives), LastUsed: begun}, nil
}
