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

// ErrKeyUnknown is a Sealer's for what is sealed under a key that it does not have: another replica may have the next key already.
var ErrKeyUnknown = errors.New("it is sealed under a key that is not here")

// errSealer wraps what a Sealer itself fails with: it says nothing about Redis.
var errSealer = errors.New("what is stored cannot be sealed or opened now")

// newerKeySpared: what was sealed that recently under a key unknown here comes from a replica that has the next key already. The kubelet
// brings a new key to each pod at its own time.
const newerKeySpared = 3 * time.Minute

// Sealer encrypts and authenticates under a key that nobody else has, for a place: what was sealed for another place does not open.
// Open gives ErrUnknown for what was not sealed so, ErrKeyUnknown, and any other error when it cannot be told.
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
		return "", fmt.Errorf("%w: %w", errSealer, err)
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
	if errors.Is(err, ErrUnknown) || errors.Is(err, ErrKeyUnknown) {
		return err
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errSealer, err)
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

// A grant holds a session, sealed. A store with a Sealer accepts it for as long as the session lasts and is not revoked, also while Redis
// cannot be asked for its record: an open socket needs it. It is "g1.<when it was made, Unix seconds>.<16 random bytes>.<sealed>",
// the last two in base64url, and opens nothing at the gateway's door.
const (
	grantVersion  = "g1."
	grantPlace    = "grant "
	maxGrantBytes = 2 << 10
)

// sealedGrant is what a grant holds.
type sealedGrant struct {
	Session Session `json:"session"`
	Purpose Purpose `json:"purpose"`
}

// Grant makes a grant for a session that was just verified; empty without a Sealer.
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

// openGrant gives what a grant holds.
func (s *Store) openGrant(grant string, purpose Purpose) (sealedGrant, error) {
	parts := strings.Split(strings.TrimPrefix(grant, grantVersion), ".")
	if len(grant) > maxGrantBytes || len(parts) != 3 || s.records.seal == nil {
		return sealedGrant{}, ErrMalformed
	}
	made, err := strconv.ParseInt(parts[0], 10, 64)
	sealed, notText := encoding.DecodeString(parts[2])
	// The decoder passes over line breaks.
	if err != nil || notText != nil || !canonical(parts[1], idBytes) || !canonical(parts[2], len(sealed)) {
		return sealedGrant{}, ErrMalformed
	}
	plain, err := s.records.seal.Open(sealed, []byte(grantPlace+parts[0]+"."+parts[1]))
	if errors.Is(err, ErrKeyUnknown) {
		return sealedGrant{}, s.skewed(time.Unix(made, 0))
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

// skewed says what it means that the key is unknown under which something was sealed at a time.
func (s *Store) skewed(made time.Time) error {
	if age := s.redisNow().Sub(made); age < newerKeySpared && age > -newerKeySpared {
		return ErrKeyUnknown
	}
	return ErrUnknown
}

// Proof is what a proof proves.
type Proof struct {
	Session Session
	// ForSocket: it is a grant, which is good for what a socket needs and for nothing else.
	ForSocket bool
}

// VerifyProof says whose session a token, or a grant, belongs to. A store without a Sealer accepts no grant. Its
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
	held, err := s.openGrant(grant, PurposeRealtime)
	switch {
	case errors.Is(err, ErrUnknown), errors.Is(err, ErrMalformed):
		return Session{}, fromNothing, err
	case err != nil:
		return Session{}, fromNothing, unavailable(err)
	}
	if !s.proved(s.now(), s.bounds.outage) { // a replica that has just started, or an outage that lasts
		if err := s.beatOnce(ctx); err != nil {
			return Session{}, fromOutage, err
		}
	}
	// That newer logins have replaced a session is remembered by its record for as long, and by the list for some minutes. Only while Redis
	// cannot be asked a grant is enough.
	e, _, err := s.find(ctx, held.Session.ID, s.bounds.cache)
	switch {
	case err == nil && e.ended != "":
		return Session{}, fromRedis, revokedBecause(e.ended)
	case errors.Is(err, ErrUnknown):
		return Session{}, fromRedis, err
	}
	fields := held.Session.fields()
	if err := s.table.refused(&fields, &held.Session); err != nil {
		return Session{}, fromCache, err
	}
	if !s.redisNow().Before(held.Session.Expires) {
		return Session{}, fromCache, ErrExpired
	}
	return held.Session, fromCache, nil
}

// beatOnce is beat, once for all who wait for it now.
func (s *Store) beatOnce(ctx context.Context) error {
	done := s.asking.DoChan("beat", func() (any, error) {
		return entry{}, s.call(context.WithoutCancel(ctx), s.beat)
	})
	select {
	case <-ctx.Done():
		return unavailable(ctx.Err())
	case r := <-done:
		return r.Err
	}
}
