package session

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Purpose is what a ticket opens. A ticket of another purpose opens nothing.
type Purpose string

// PurposeRealtime opens a WebSocket.
const PurposeRealtime Purpose = "realtime"

// ticketRecord stands in Redis under the hash of the ticket.
type ticketRecord struct {
	Session  string  `json:"session"`
	Device   string  `json:"device"`
	Platform int32   `json:"platform"`
	Purpose  Purpose `json:"purpose"`
	// Expires, in Unix ms: Redis forgets a ticket by itself, but somebody could put it back.
	Expires int64  `json:"expires"`
	Seal    string `json:"seal,omitempty"`
}

// IssueTicket gives a ticket for a session that was just verified: 43 letters, digits, - and _, good once, for 30 seconds. Only its hash is kept.
// Whether the session is idle is not asked again, so that LastUsed need not be known: the ticket's use asks it.
func (s *Store) IssueTicket(ctx context.Context, session Session, purpose Purpose) (ticket string, expires time.Time, err error) {
	fields := session.fields()
	if err = s.table.refused(&fields, &session); err != nil {
		return "", time.Time{}, err
	}
	if !s.redisNow().Before(session.Expires) {
		return "", time.Time{}, ErrExpired
	}
	ticket = randomText(secretBytes)
	expires = s.redisNow().Add(s.bounds.ticket)
	record := ticketRecord{
		Session: session.ID, Device: session.DeviceID, Platform: session.PlatformID, Purpose: purpose, Expires: expires.UnixMilli(),
	}
	if record.Seal, err = sealFor(s.records.seal, ticketPlace+hashOf(ticket), record); err != nil {
		return "", time.Time{}, unavailable(err)
	}
	text, err := json.Marshal(record)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("write down the ticket: %w", err)
	}
	if err = s.call(ctx, func(ctx context.Context) error {
		return s.records.db.Set(ctx, s.ticketKey(ticket), text, s.bounds.ticket).Err()
	}); err != nil {
		return "", time.Time{}, err
	}
	return ticket, expires, nil
}

// RedeemTicket uses a ticket up, whatever comes of it, and gives its session as it is now, with a grant for VerifyProof. ErrUnknown: no
// such ticket, or it was used, or is too old, or was issued for another purpose.
func (s *Store) RedeemTicket(ctx context.Context, ticket string, purpose Purpose) (session Session, grant string, err error) {
	if !canonical(ticket, secretBytes) {
		return Session{}, "", ErrMalformed
	}
	var raw string
	if err := s.call(ctx, func(ctx context.Context) (err error) {
		raw, err = s.records.db.GetDel(ctx, s.ticketKey(ticket)).Result()
		if errors.Is(err, redis.Nil) {
			return ErrUnknown
		}
		return err
	}); err != nil {
		return Session{}, "", err
	}
	record, err := s.readTicket(ticket, raw, purpose)
	switch {
	case errors.Is(err, ErrUnknown):
		return Session{}, "", err
	case err != nil:
		return Session{}, "", unavailable(err)
	}
	// Asked of Redis, never believed from memory: a socket lives long.
	e, _, err := s.find(ctx, record.Session, 0)
	if err != nil {
		return Session{}, "", err
	}
	if session, err = s.admit(ctx, &e, record); err != nil {
		return Session{}, "", err
	}
	if grant, err = s.Grant(session, purpose); err != nil {
		return Session{}, "", err
	}
	return session, grant, nil
}

// readTicket takes the record of a ticket apart. ErrUnknown: it is none, or was not issued here.
func (s *Store) readTicket(ticket, raw string, purpose Purpose) (ticketRecord, error) {
	var record ticketRecord
	if err := json.Unmarshal([]byte(raw), &record); err != nil || record.Purpose != purpose || s.redisNow().UnixMilli() >= record.Expires {
		return ticketRecord{}, ErrUnknown
	}
	seal := record.Seal
	record.Seal = ""
	return record, checkSeal(s.records.seal, ticketPlace+hashOf(ticket), record, seal)
}

// admit gives the session of a ticket, if it is the one that the ticket was issued for and has not ended.
func (s *Store) admit(ctx context.Context, e *entry, of ticketRecord) (Session, error) {
	if e.session.DeviceID != of.Device || e.session.PlatformID != of.Platform {
		return Session{}, ErrUnknown
	}
	if err := s.judge(e); err != nil {
		return Session{}, err
	}
	if err := s.use(ctx, &e.session); err != nil {
		return Session{}, err
	}
	return e.session, nil
}

func (s *Store) ticketKey(ticket string) string { return s.records.db.Key("t:", hashOf(ticket)) }

func hashOf(ticket string) string {
	sum := sha256.Sum256([]byte(ticket))
	return encoding.EncodeToString(sum[:])
}

// listed bounds List.
const listed = 100

// List gives a user's sessions that are in force, at most 100, those that end last first.
func (s *Store) List(ctx context.Context, userID string) ([]Session, error) {
	var ids []string
	if err := s.call(ctx, func(ctx context.Context) (err error) {
		ids, err = s.records.list(ctx, userID, listed)
		return err
	}); err != nil {
		return nil, err
	}
	var sessions []Session
	for _, id := range ids {
		e, _, err := s.find(ctx, id, s.bounds.cache)
		switch {
		case errors.Is(err, ErrUnknown):
		case err != nil:
			return nil, err
		case s.judge(&e) == nil:
			sessions = append(sessions, e.session)
		}
	}
	return sessions, nil
}
