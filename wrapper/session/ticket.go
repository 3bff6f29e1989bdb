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

// Purpose is what a ticket opens. A ticket is valid for its own purpose only.
type Purpose string

// PurposeRealtime opens a WebSocket.
const PurposeRealtime Purpose = "realtime"

// ticketRecord is stored in Redis under the hash of the ticket.
type ticketRecord struct {
	Session  string  `json:"session"`
	Device   string  `json:"device"`
	Platform int32   `json:"platform"`
	Purpose  Purpose `json:"purpose"`
	// Expires is in Unix ms. Redis expires the record itself, but somebody could write it again.
	Expires int64  `json:"expires"`
	Seal    string `json:"seal,omitempty"`
}

// IssueTicket returns a ticket for a session that was just verified: 43 letters, digits, - and _, valid once, for 30 seconds. Only its
// hash is stored. The idle timeout is not checked here, so that LastUsed need not be known. RedeemTicket checks it.
func (s *Store) IssueTicket(ctx context.Context, session Session, purpose Purpose) (ticket string, expires time.Time, err error) {
	fields := session.fields()
	if err = s.table.checkRevoked(&fields, &session); err != nil {
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
		return "", time.Time{}, fmt.Errorf("encoding the ticket: %w", err)
	}
	if err = s.call(ctx, func(ctx context.Context) error {
		return s.records.db.Set(ctx, s.ticketKey(ticket), text, s.bounds.ticket).Err()
	}); err != nil {
		return "", time.Time{}, err
	}
	return ticket, expires, nil
}

// RedeemTicket uses a ticket up, also when it is then refused, and returns its current session with a grant for VerifyProof. ErrUnknown
// means that the ticket does not exist, was used, has expired, or was issued for another purpose.
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
	// Read from Redis, never from memory: a socket stays open for long.
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

// readTicket decodes and checks the record of a ticket. ErrUnknown means that the record is invalid or was not issued by the wrapper.
func (s *Store) readTicket(ticket, raw string, purpose Purpose) (ticketRecord, error) {
	var record ticketRecord
	if err := json.Unmarshal([]byte(raw), &record); err != nil || record.Purpose != purpose || s.redisNow().UnixMilli() >= record.Expires {
		return ticketRecord{}, ErrUnknown
	}
	seal := record.Seal
	record.Seal = ""
	return record, checkSeal(s.records.seal, ticketPlace+hashOf(ticket), record, seal)
}

// admit returns the session of a ticket if it is the one that the ticket was issued for and has not ended.
func (s *Store) admit(ctx context.Context, e *entry, of ticketRecord) (Session, error) {
	if e.session.DeviceID != of.Device || e.session.PlatformID != of.Platform {
		return Session{}, ErrUnknown
	}
	if err := s.checkEnd(e); err != nil {
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

// maxListed is the largest number of sessions that List returns.
const maxListed = 100

// List returns a user's sessions that are in force, at most 100, those that end last first.
func (s *Store) List(ctx context.Context, userID string) ([]Session, error) {
	var ids []string
	if err := s.call(ctx, func(ctx context.Context) (err error) {
		ids, err = s.records.list(ctx, userID, maxListed)
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
		case s.checkEnd(&e) == nil:
			sessions = append(sessions, e.session)
		}
	}
	return sessions, nil
}
