package session

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/openimstack/openim-operator/wrapper/config"
)

const (
	// maxConsidered bounds the sessions of a user to which the policy is applied at one login: 32 devices have at most eight each. The
	// others on the list have ended, and are removed from it.
	maxConsidered = 512
	// beingWritten is how long a session may be on its user's list before its record can be read. Nodes of a Redis Cluster answer
	// independently.
	beingWritten = time.Minute
)

// Exclude applies the multi-login policy to a user's sessions, after a login and before its reply. It returns the sessions that the policy
// excludes, and with Enforce it ends them: the oldest first, so that a failure half-way leaves the newest.
//
// It may be called by any number of replicas at once, and repeated. A login is on the user's list before it calls Exclude, and all
// replicas agree on the order of the logins. So of two concurrent logins at least the one that reads the list last sees both, and ends the
// earlier one, even if that is its own. A login whose replica stopped before Exclude was never answered, and the next login repeats it.
func (s *Store) Exclude(ctx context.Context, userID string, m MultiLogin) ([]Session, error) {
	alive, gone, err := s.ofUser(ctx, userID)
	if err != nil {
		return nil, err
	}
	out := excluded(m, alive, s.redisNow())
	if m.Enforcement != config.EnforcementEnforce {
		s.metrics.excluded.WithLabelValues("reported").Add(float64(len(out)))
	} else {
		for _, old := range slices.Backward(out) {
			if err := s.replace(ctx, &old, otherDeviceReason); err != nil {
				return nil, err
			}
			s.metrics.excluded.WithLabelValues("ended").Inc()
			gone = append(gone, old.ID)
		}
	}
	if len(gone) == 0 {
		return out, nil
	}
	return out, s.call(ctx, func(ctx context.Context) error { return s.records.unlistUser(ctx, userID, gone) })
}

// ofUser returns a user's sessions that are in force, and the ids on the user's list of those that have ended. It reads each from Redis:
// one that another replica has just ended must not take the place of one in force.
func (s *Store) ofUser(ctx context.Context, userID string) (alive []Session, gone []any, err error) {
	type listed struct {
		id  string
		end time.Time
	}
	var list []listed
	if err := s.call(ctx, func(ctx context.Context) error {
		entries, err := s.records.listed(ctx, userID, maxConsidered)
		for _, z := range entries {
			id, _ := z.Member.(string)
			list = append(list, listed{id, time.UnixMilli(int64(z.Score))})
		}
		return err
	}); err != nil {
		return nil, nil, err
	}
	written := s.redisNow().Add(s.lifetimeNow() - beingWritten)
	for _, l := range list {
		e, _, err := s.find(ctx, l.id, 0)
		switch {
		case errors.Is(err, ErrKeyUnknown): // made by a replica that already has the next key
		case errors.Is(err, ErrUnknown):
			if l.end.Before(written) {
				gone = append(gone, l.id)
			}
		case err != nil:
			return nil, nil, err
		case e.session.UserID != userID: // only somebody who can write to Redis puts it there
			gone = append(gone, l.id)
		case s.checkEnd(&e) != nil:
			gone = append(gone, l.id)
		default:
			alive = append(alive, e.session)
		}
	}
	return alive, gone, nil
}
