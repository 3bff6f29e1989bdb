package session

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ErrKeyUnknown is a Sealer's error for content that is sealed under a key that it does not have. Another replica may already have the next
// key.
var ErrKeyUnknown = errors.New("sealed under an unknown key")

// errSealer wraps a Sealer's own failures, which say nothing about Redis.
var errSealer = errors.New("sealing or opening a record: check the custody key file")

// newerKeyGrace is the age up to which content under an unknown key is attributed to a replica that already has the next key. The kubelet
// updates each pod's files at its own time.
const newerKeyGrace = 3 * time.Minute

// Sealer encrypts and authenticates content for a place, under a key that no other program has. Content that was sealed for another place
// cannot be opened. Open returns ErrUnknown for content that was not sealed with this Sealer's keys for this place, ErrKeyUnknown for an
// unknown key, and any other error when it cannot decide.
type Sealer interface {
	Seal(content, place []byte) ([]byte, error)
	Open(sealed, place []byte) ([]byte, error)
}

// sealedSession is the sealed part of a session's record: everything that makes its holder a certain user. The rest is unsealed, because it
// can only end the session or let it idle longer: the last use, and the reason of a replacement.
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

// Places. A session's identifier and a ticket's hash have different prefixes, so that no seal fits the other.
const (
	sessionPlace = "session "
	ticketPlace  = "ticket "
)

// sealFor returns the seal of content, which is stored beside it. It is empty without a Sealer.
func sealFor(by Sealer, place string, content any) (string, error) {
	if by == nil {
		return "", nil
	}
	plain, err := json.Marshal(content)
	if err != nil {
		return "", fmt.Errorf("encoding what is sealed: %w", err)
	}
	sealed, err := by.Seal(plain, []byte(place))
	if err != nil {
		return "", fmt.Errorf("%w: %w", errSealer, err)
	}
	return encoding.EncodeToString(sealed), nil
}

// checkSeal returns ErrUnknown for content that was not sealed for this place. Without a Sealer it accepts everything: such a store does
// not decide finally who a caller is.
func checkSeal(by Sealer, place string, content any, seal string) error {
	if by == nil {
		return nil
	}
	sealed, err := encoding.DecodeString(seal)
	if err != nil {
		return ErrUnknown
	}
	plain, err := by.Open(sealed, []byte(place))
	if errors.Is(err, ErrUnknown) || errors.Is(err, ErrKeyUnknown) {
		return err
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errSealer, err)
	}
	wanted, err := json.Marshal(content)
	if err != nil {
		return fmt.Errorf("encoding what was sealed: %w", err)
	}
	if subtle.ConstantTimeCompare(plain, wanted) != 1 {
		return ErrUnknown
	}
	return nil
}

// A grant is a sealed session. A store with a Sealer accepts it until the session ends or is revoked, also while Redis cannot be asked for
// the session's record. Open sockets need that. Its form is "g1.<creation time, Unix seconds>.<16 random bytes>.<sealed>", the last two
// parts in base64url. The users' listener does not accept grants.
const (
	grantVersion  = "g1."
	grantPlace    = "grant "
	maxGrantBytes = 2 << 10
)

// sealedGrant is the content of a grant.
type sealedGrant struct {
	Session Session `json:"session"`
	Purpose Purpose `json:"purpose"`
}

// Grant returns a grant for a session that was just verified, or the empty text without a Sealer.
func (s *Store) Grant(of Session, purpose Purpose) (string, error) {
	name := strconv.FormatInt(s.redisNow().Unix(), 10) + "." + randomText(idBytes)
	sealed, err := sealFor(s.records.seal, grantPlace+name, sealedGrant{of, purpose})
	switch {
	case err != nil:
		return "", unavailable(err)
	case sealed == "":
		return "", nil
	}
	return grantVersion + name + "." + sealed, nil
}

// openGrant returns the content of a grant.
func (s *Store) openGrant(grant string, purpose Purpose) (sealedGrant, error) {
	parts := strings.Split(strings.TrimPrefix(grant, grantVersion), ".")
	if len(grant) > maxGrantBytes || len(parts) != 3 || s.records.seal == nil {
		return sealedGrant{}, ErrMalformed
	}
	made, err := strconv.ParseInt(parts[0], 10, 64)
	sealed, notText := encoding.DecodeString(parts[2])
	// canonical also refuses line breaks, which the decoder skips.
	if err != nil || notText != nil || !canonical(parts[1], idBytes) || !canonical(parts[2], len(sealed)) {
		return sealedGrant{}, ErrMalformed
	}
	plain, err := s.records.seal.Open(sealed, []byte(grantPlace+parts[0]+"."+parts[1]))
	if errors.Is(err, ErrKeyUnknown) {
		return sealedGrant{}, s.unknownKeyError(time.Unix(made, 0))
	}
	if err != nil {
		return sealedGrant{}, err
	}
	var held sealedGrant
	if json.Unmarshal(plain, &held) != nil || held.Purpose != purpose {
		return sealedGrant{}, ErrUnknown
	}
	return held, nil
}

// unknownKeyError returns the error for content that was sealed at a time under an unknown key: ErrKeyUnknown while another replica may
// have the next key, ErrUnknown afterwards.
func (s *Store) unknownKeyError(made time.Time) error {
	if age := s.redisNow().Sub(made); age < newerKeyGrace && age > -newerKeyGrace {
		return ErrKeyUnknown
	}
	return ErrUnknown
}

// Proof is the result of VerifyProof.
type Proof struct {
	Session Session
	// ForSocket says that the proof is a grant, which is valid for sockets' calls only.
	ForSocket bool
}

// VerifyProof returns the session of a token or a grant. A store without a Sealer accepts no grant. Its errors are those of Verify.
func (s *Store) VerifyProof(ctx context.Context, text string) (Proof, error) {
	if !strings.HasPrefix(text, grantVersion) {
		found, err := s.Verify(ctx, text)
		return Proof{Session: found}, err
	}
	found, source, err := s.verifyGrant(ctx, text)
	return Proof{Session: found, ForSocket: true}, s.metrics.verdict(source, err)
}

func (s *Store) verifyGrant(ctx context.Context, grant string) (Session, string, error) {
	held, err := s.openGrant(grant, PurposeRealtime)
	switch {
	case errors.Is(err, ErrUnknown), errors.Is(err, ErrMalformed):
		return Session{}, fromNothing, err
	case err != nil:
		return Session{}, fromNothing, unavailable(err)
	}
	if !s.upToDate(s.now(), s.bounds.outage) { // a replica that has just started, or a long outage
		if err := s.refreshOnce(ctx); err != nil {
			return Session{}, fromOutage, err
		}
	}
	// The session's record remembers that newer logins replaced it, the list of revocations only for some minutes. So the record is read
	// if possible. The grant alone is enough only while Redis cannot be asked.
	e, _, err := s.find(ctx, held.Session.ID, s.bounds.cache)
	switch {
	case err == nil && e.ended != "":
		return Session{}, fromRedis, revokedBecause(e.ended)
	case errors.Is(err, ErrUnknown):
		return Session{}, fromRedis, err
	}
	fields := held.Session.fields()
	if err := s.table.checkRevoked(&fields, &held.Session); err != nil {
		return Session{}, fromCache, err
	}
	if !s.redisNow().Before(held.Session.Expires) {
		return Session{}, fromCache, ErrExpired
	}
	return held.Session, fromCache, nil
}

// refreshOnce calls refresh, once for all callers that wait for it.
func (s *Store) refreshOnce(ctx context.Context) error {
	_, err := s.shareCall(ctx, "refresh", func(ctx context.Context) (entry, error) { return entry{}, s.call(ctx, s.refresh) })
	return err
}
