package session

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"sync"
	"time"
)

// table is the memory of one replica: all revocations, recently confirmed sessions, and open sockets.
type table struct {
	mu          sync.RWMutex
	revocations map[string]mergedRevocation
	sessions    map[string]*entry
	// attached indexes the sessions with sockets by the fields of a revocation.
	attached map[string]map[*entry]struct{}
	sockets  int
	limit    int
}

// entry is a session that was read from Redis.
type entry struct {
	session   Session
	hash      [sha256.Size]byte
	fields    [scopes]string
	ended     string    // why the session was replaced; empty if it was not
	confirmed time.Time // by our clock, when Redis was last asked; zero: ask Redis at the next use
	recheck   bool      // ask Redis whether the session still exists, even without a use
	sockets   map[*socket]struct{}
}

type socket struct{ closed func(cause error) }

func newTable(limit int) *table {
	return &table{
		revocations: map[string]mergedRevocation{}, sessions: map[string]*entry{}, attached: map[string]map[*entry]struct{}{}, limit: limit,
	}
}

// get returns a copy without the sockets.
func (t *table) get(id string) (entry, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	e, found := t.sessions[id]
	if !found {
		return entry{}, false
	}
	return entry{session: e.session, hash: e.hash, fields: e.fields, ended: e.ended, confirmed: e.confirmed}, true
}

// put stores what Redis has just answered about a session.
func (t *table) put(said *entry, asked time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := said.session
	e, found := t.sessions[s.ID]
	if !found {
		t.evict()
		e = &entry{fields: s.fields()}
		t.sessions[s.ID] = e
	}
	if e.session.LastUsed.After(s.LastUsed) {
		s.LastUsed = e.session.LastUsed
	}
	e.session, e.hash, e.ended = s, said.hash, said.ended
	if asked.After(e.confirmed) {
		e.confirmed = asked
	}
}

// evict removes any session without sockets when there are too many. It is read from Redis again at its next use.
func (t *table) evict() {
	if len(t.sessions) < t.limit {
		return
	}
	for id, e := range t.sessions {
		if len(e.sockets) == 0 {
			delete(t.sessions, id)
			return
		}
	}
}

// recordUse records a use and returns true for the one caller that must write it to Redis.
func (t *table) recordUse(id string, at time.Time, every time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, found := t.sessions[id]
	if !found || at.Sub(e.session.LastUsed) < every {
		return false
	}
	e.session.LastUsed = at
	return true
}

// confirmUse records that Redis still had the session when its use was written.
func (t *table) confirmUse(id string, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e, found := t.sessions[id]; found {
		e.recheck = false
		if at.After(e.session.LastUsed) {
			e.session.LastUsed = at
		}
	}
}

// checkRevoked returns why a revocation ends the session, or nil.
func (t *table) checkRevoked(fields *[scopes]string, s *Session) error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.revocationOf(fields, s)
}

func (t *table) revocationOf(fields *[scopes]string, s *Session) error {
	for _, field := range fields {
		if c, found := t.revocations[field]; found && c.ends(s) {
			return revokedBecause(c.reason)
		}
	}
	return nil
}

func revokedBecause(reason string) error {
	switch reason {
	case "":
		return ErrRevoked
	case otherDeviceReason:
		return ErrReplaced
	}
	return fmt.Errorf("%w (%s)", ErrRevoked, reason)
}

// apply stores a revocation and closes the sockets that it concerns.
func (t *table) apply(field string, c mergedRevocation) {
	t.mu.Lock()
	old, found := t.revocations[field]
	if found && old.covers(c) {
		t.mu.Unlock()
		return
	}
	if found {
		c = old.merge(c)
	}
	t.revocations[field] = c
	var ended []*socket
	for e := range t.attached[field] {
		if c.ends(&e.session) {
			ended = append(ended, t.detachAll(e)...)
		}
	}
	t.mu.Unlock()
	notifyClosed(ended, revokedBecause(c.reason))
}

// attach registers a socket, unless refuse returns an error. It checks under the lock, so that no concurrent revocation is missed.
func (t *table) attach(s Session, k *socket, refuse func() error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	fields := s.fields()
	if err := t.revocationOf(&fields, &s); err != nil {
		return err
	}
	if err := refuse(); err != nil {
		return err
	}
	e, found := t.sessions[s.ID]
	if !found {
		// Removed from memory since it was verified, with its hash. The next token is therefore checked with Redis.
		e = &entry{session: s, fields: fields, recheck: true}
		t.sessions[s.ID] = e
	}
	if len(e.sockets) == 0 {
		e.sockets = map[*socket]struct{}{}
		for _, field := range e.fields {
			if t.attached[field] == nil {
				t.attached[field] = map[*entry]struct{}{}
			}
			t.attached[field][e] = struct{}{}
		}
	}
	e.sockets[k] = struct{}{}
	t.sockets++
	return nil
}

func (t *table) detach(id string, k *socket) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, found := t.sessions[id]
	if !found {
		return
	}
	if _, found = e.sockets[k]; !found {
		return
	}
	delete(e.sockets, k)
	t.sockets--
	if len(e.sockets) == 0 {
		t.unindex(e)
	}
}

func (t *table) unindex(e *entry) {
	for _, field := range e.fields {
		delete(t.attached[field], e)
		if len(t.attached[field]) == 0 {
			delete(t.attached, field)
		}
	}
}

// detachAll removes and returns all sockets of a session. The caller holds the lock.
func (t *table) detachAll(e *entry) []*socket {
	ended := make([]*socket, 0, len(e.sockets))
	for k := range e.sockets {
		ended = append(ended, k)
	}
	t.sockets -= len(ended)
	e.sockets = nil
	t.unindex(e)
	return ended
}

// forget removes a session and closes its sockets.
func (t *table) forget(id string, cause error) {
	t.mu.Lock()
	e, found := t.sessions[id]
	if !found {
		t.mu.Unlock()
		return
	}
	delete(t.sessions, id)
	ended := t.detachAll(e)
	t.mu.Unlock()
	notifyClosed(ended, cause)
}

// closeWhere closes the sockets of the sessions for which judge returns an error.
func (t *table) closeWhere(judge func(*entry) error) {
	t.mu.Lock()
	ended := map[error][]*socket{}
	for e := range t.attached[allField] {
		if err := judge(e); err != nil {
			ended[err] = append(ended[err], t.detachAll(e)...)
		}
	}
	t.mu.Unlock()
	for cause, sockets := range ended {
		notifyClosed(sockets, cause)
	}
}

// attachedIDs returns the ids of the sessions with sockets for which want is true.
func (t *table) attachedIDs(want func(*entry) bool) []string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var ids []string
	for e := range t.attached[allField] {
		if want(e) {
			ids = append(ids, e.session.ID)
		}
	}
	return ids
}

// recheckAll marks every session to be read from Redis again.
func (t *table) recheckAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range t.sessions {
		e.confirmed, e.recheck = time.Time{}, true
	}
}

// sweep removes revocations whose sessions have all ended, and sessions that were not confirmed lately and have no sockets.
func (t *table) sweep(redisNow int64, confirmedSince time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for field, c := range t.revocations {
		if c.until < redisNow {
			delete(t.revocations, field)
		}
	}
	for id, e := range t.sessions {
		if len(e.sockets) == 0 && e.confirmed.Before(confirmedSince) {
			delete(t.sessions, id)
		}
	}
}

// inForce returns a copy of the revocations.
func (t *table) inForce() map[string]mergedRevocation {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return maps.Clone(t.revocations)
}

func (t *table) sizes() (revocations, sessions, sockets int) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.revocations), len(t.sessions), t.sockets
}

// notifyClosed calls closed of each socket in its own goroutine, so that none delays another.
func notifyClosed(sockets []*socket, cause error) {
	for _, k := range sockets {
		go k.closed(cause)
	}
}
