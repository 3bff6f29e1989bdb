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
	// readAtOnce is how many sessions are read in one round trip: their records have about 40 KiB together.
	readAtOnce = 128
)

// Exclude applies the multi-login policy to a user's sessions, after a login and before its reply. It returns the sessions that the policy
// excludes, and with Enforce it ends them: the oldest first, so that a failure half-way leaves the newest.
//
// It may be called by any number of replicas at once, and repeated. A login is on the user's list before it calls Exclude, and all
// replicas agree on the order of the logins. So of two concurrent logins at least the one that reads the list last sees both, and ends the
// earlier one, even if that is its own. A login whose replica stopped before Exclude was never answered, and the next login repeats it.
func (s *Store) Exclude(ctx context.Context, userID string, m MultiLogin) ([]Session, error) {
	alive, err := s.ofUser(ctx, userID)
	if err != nil {
		return nil, err
	}
	out := excluded(m, alive, s.redisNow())
	if m.Enforcement != config.EnforcementEnforce {
		s.metrics.excluded.WithLabelValues("reported").Add(float64(len(out)))
		return out, nil
	}
	var ended []any
	for _, old := range slices.Backward(out) {
		if err = s.replace(ctx, &old, otherDeviceReason); err != nil {
			break
		}
		s.metrics.excluded.WithLabelValues("ended").Inc()
		ended = append(ended, old.ID)
	}
	// Also when the time of the login has run out: what is off the list does not delay the next login.
	if err = errors.Join(err, s.unlistUser(context.WithoutCancel(ctx), userID, ended)); err != nil {
		return nil, err
	}
	return out, nil
}

// ofUser returns a user's sessions that are in force. It takes those that have ended off the user's list as it finds them, so that a login
// whose time runs out leaves less to read for the next one.
func (s *Store) ofUser(ctx context.Context, userID string) (alive []Session, err error) {
	var list []listedSession
	if err := s.call(ctx, func(ctx context.Context) error {
		entries, err := s.records.listed(ctx, userID, maxConsidered)
		for _, z := range entries {
			id, _ := z.Member.(string)
			list = append(list, listedSession{id, time.UnixMilli(int64(z.Score))})
		}
		return err
	}); err != nil {
		return nil, err
	}
	for part := range slices.Chunk(list, readAtOnce) {
		inForce, gone, err := s.readListed(ctx, userID, part)
		if err != nil {
			return nil, err
		}
		if err = s.unlistUser(ctx, userID, gone); err != nil {
			return nil, err
		}
		alive = append(alive, inForce...)
	}
	return alive, nil
}

// listedSession is an entry of a user's list.
type listedSession struct {
	id  string
	end time.Time
}

// readListed returns those of a user's sessions that are in force, and the ids of those that have ended. It reads all of them from Redis,
// never from memory: one that another replica has just ended must not take the place of one in force.
func (s *Store) readListed(ctx context.Context, userID string, list []listedSession) (alive []Session, gone []any, err error) {
	ids := make([]string, len(list))
	for i, l := range list {
		ids[i] = l.id
	}
	var found []reading
	if err := s.call(ctx, func(ctx context.Context) (err error) {
		found, err = s.readFresh(ctx, ids)
		return err
	}); err != nil {
		return nil, nil, err
	}
	written := s.redisNow().Add(s.lifetimeNow() - beingWritten)
	for i, l := range list {
		e, err := &found[i].entry, found[i].err
		switch {
		case errors.Is(err, ErrKeyUnknown): // made by a replica that already has the next key
		case err != nil:
			if l.end.Before(written) {
				gone = append(gone, l.id)
			}
		case e.session.UserID != userID: // only somebody who can write to Redis puts it there
			gone = append(gone, l.id)
		case s.checkEnd(e) != nil:
			gone = append(gone, l.id)
		default:
			alive = append(alive, e.session)
		}
	}
	return alive, gone, nil
}

// readFresh reads sessions from Redis into memory. The errors of the result are nil, ErrUnknown and ErrKeyUnknown.
func (s *Store) readFresh(ctx context.Context, ids []string) ([]reading, error) {
	asked := s.now()
	if s.asOf.Load() == 0 { // as in read
		if err := s.refresh(ctx); err != nil {
			return nil, err
		}
	}
	found, revocations, err := s.records.readAll(ctx, ids)
	if err != nil {
		return nil, err
	}
	s.learn(revocations)
	for i := range found {
		f := &found[i]
		if f.err == nil {
			s.table.put(&f.entry, asked)
			continue
		}
		f.err = s.whyUnread(ids[i], f.entry.session.Created, f.err)
		if errors.Is(f.err, ErrUnknown) {
			s.table.forget(ids[i], ErrUnknown)
		}
	}
	return found, nil
}

func (s *Store) unlistUser(ctx context.Context, userID string, ids []any) error {
	if len(ids) == 0 {
		return nil
	}
	return s.call(ctx, func(ctx context.Context) error { return s.records.unlistUser(ctx, userID, ids) })
}
