package session

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Sealer encrypts and authenticates under a key that nobody else has, for a place: what was sealed for another place does not open.
// Open gives ErrUnknown for what was not sealed under a key of its own, and any other error when that cannot be told.
type Sealer interface {
	Seal(content, place []byte) ([]byte, error)
	Open(sealed, place []byte) ([]byte, error)
}

// sealedSession is the part of a session's record that makes somebody be somebody. What is left out can end a session or let it idle
// longer, and no more: when it was last used, and that it was replaced.
type sealedSession struct {
	Hash     string `json:"hash"`
	User     string `json:"user"`
	Device   string `json:"device"`
	Platform int32  `json:"platform"`
	Epoch    int64  `json:"epoch"`
	Created  int64  `json:"created"` // Unix ms
	Expires  int64  `json:"expires"` // Unix ms
}

func sealedOf(s *Session, hash [sha256.Size]byte) sealedSession {
	return sealedSession{
		Hash: encoding.EncodeToString(hash[:]), User: s.UserID, Device: s.DeviceID, Platform: s.PlatformID, Epoch: s.Epoch,
		Created: s.Created.UnixMilli(), Expires: s.Expires.UnixMilli(),
	}
}

// Places. No identifier of a session and no hash of a ticket begins like the other's.
const (
	sessionPlace = "session "
	ticketPlace  = "ticket "
)

// sealFor gives the text that stands beside content in Redis; empty without a Sealer.
func sealFor(by Sealer, place string, content any) (string, error) {
	if by == nil {
		return "", nil
	}
	plain, err := json.Marshal(content)
	if err != nil {
		return "", fmt.Errorf("write down what is sealed: %w", err)
	}
	sealed, err := by.Seal(plain, []byte(place))
	if err != nil {
		return "", err
	}
	return encoding.EncodeToString(sealed), nil
}

// checkSeal gives ErrUnknown for content that was not sealed so at this place. Without a Sealer everything passes: such a store does not
// decide who somebody is.
func checkSeal(by Sealer, place string, content any, seal string) error {
	if by == nil {
		return nil
	}
	sealed, err := encoding.DecodeString(seal)
	if err != nil {
		return ErrUnknown
	}
	plain, err := by.Open(sealed, []byte(place))
	if err != nil {
		return err
	}
	wanted, err := json.Marshal(content)
	if err != nil {
		return fmt.Errorf("compare what is sealed: %w", err)
	}
	if subtle.ConstantTimeCompare(plain, wanted) != 1 {
		return ErrUnknown
	}
	return nil
}

// A grant is what a redeemed ticket leaves behind: whoever holds it had the ticket. A store with a Sealer believes it for as long as the
// session lasts. It is "g1.<ticket>.<the ticket's record>", and opens nothing at the gateway's door.
const (
	grantVersion  = "g1."
	maxGrantBytes = 4 << 10
)

// MaxProofBytes is the longest text that VerifyProof may accept.
const MaxProofBytes = maxGrantBytes

func grantOf(ticket, record string) string {
	return grantVersion + ticket + "." + encoding.EncodeToString([]byte(record))
}

// Proof is what a proof proves.
type Proof struct {
	Session Session
	// ForSocket: it is a redeemed ticket, which is good for what a socket needs and for nothing else.
	ForSocket bool
}

// VerifyProof says whose session a token, or the grant of a redeemed ticket, belongs to. A store without a Sealer accepts no grant. Its
// errors are Verify's.
func (s *Store) VerifyProof(ctx context.Context, text string) (Proof, error) {
	if !strings.HasPrefix(text, grantVersion) {
		found, err := s.Verify(ctx, text)
		return Proof{Session: found}, err
	}
	found, source, err := s.verifyGrant(ctx, text)
	return Proof{Session: found, ForSocket: true}, s.metrics.verdict(source, err)
}

func (s *Store) verifyGrant(ctx context.Context, grant string) (Session, string, error) {
	ticket, encoded, ok := strings.Cut(strings.TrimPrefix(grant, grantVersion), ".")
	raw, err := encoding.DecodeString(encoded)
	// The decoder passes over line breaks.
	if !ok || err != nil || len(grant) > maxGrantBytes || !canonical(ticket, secretBytes) || !canonical(encoded, len(raw)) {
		return Session{}, fromNothing, ErrMalformed
	}
	if s.records.seal == nil {
		return Session{}, fromNothing, ErrUnknown
	}
	record, err := s.readTicket(ticket, string(raw), PurposeRealtime)
	switch {
	case errors.Is(err, ErrUnknown):
		return Session{}, fromNothing, err
	case err != nil:
		return Session{}, fromNothing, unavailable(err)
	}
	e, source, err := s.find(ctx, record.Session, s.bounds.cache)
	if err != nil {
		return Session{}, source, err
	}
	found, err := s.admit(ctx, &e, record)
	return found, source, err
}
