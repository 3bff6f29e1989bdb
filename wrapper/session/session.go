package session

import (
	"errors"
	"math"
	"strconv"
	"time"
)

// Why a token or ticket is not accepted. Compare with errors.Is.
var (
	ErrMalformed   = errors.New("this is no session token or ticket: log in again")
	ErrUnknown     = errors.New("the session is not known: log in again")
	ErrExpired     = errors.New("the session has expired: log in again")
	ErrRevoked     = errors.New("the session was ended: log in again")
	ErrUnavailable = errors.New("sessions cannot be checked now: try again in a moment")
)

// Session is one login of one device. Its times are of Redis' clock, in milliseconds.
type Session struct {
	ID         string // 16 random bytes, base64url
	UserID     string
	DeviceID   string
	PlatformID int32 // OpenIM's numbers, 1 to 9
	Epoch      int64 // the user's, at login
	Created    time.Time
	Expires    time.Time // the absolute end
	// LastUsed is written at most once a minute; see touchEvery.
	LastUsed time.Time
}

const (
	// MaxLifetime bounds what Options.Lifetime may ask for.
	MaxLifetime = 366 * 24 * time.Hour
	// keptAfterEnd is how long a session's record and the revocations that concern it outlive its end, so that an
	// expired or revoked one can be told from one that never was.
	keptAfterEnd = time.Hour
	maxIDBytes   = 128
	maxEpoch     = math.MaxInt64
	// MaxPerDevice is how many sessions a device may have; a further login ends the oldest. A device is one key, and an app has one session
	// of it; some are left over from restarts and some belong to pages open beside each other. Eight leaves room for these, and whoever
	// copies tokens or logs in without end holds no more.
	MaxPerDevice = 8
)

// bounds are the times that docs/sessions.md promises. Tests shorten them.
type bounds struct {
	cache   time.Duration // a confirmed session is not asked for again
	pulse   time.Duration // between proofs that no revocation was missed
	silence time.Duration // a proof no longer counts; a channel is dead
	outage  time.Duration // without Redis: the last confirmation no longer counts, sockets are closed
	touch   time.Duration // between writings of LastUsed
	ticket  time.Duration // life of a ticket
	sweep   time.Duration // between clearings of memory
	entries int           // sessions remembered, beside those with sockets
}

func defaultBounds() bounds {
	return bounds{
		cache: 5 * time.Second, pulse: 500 * time.Millisecond, silence: 2 * time.Second, outage: time.Minute,
		touch: time.Minute, ticket: 30 * time.Second, sweep: 10 * time.Second, entries: 200_000,
	}
}

func validID(id string) bool {
	if id == "" || len(id) > maxIDBytes {
		return false
	}
	for i := range len(id) {
		if id[i] < ' ' || id[i] == 0x7f {
			return false
		}
	}
	return true
}

// scopes is how many revocations can concern one session.
const scopes = 5

// fields names what a revocation can speak of: the session, its device, its user on its platform, its user, everybody.
func (s *Session) fields() [scopes]string {
	return [scopes]string{sessionField + s.ID, deviceField + s.DeviceID, platformName(s.PlatformID, s.UserID), userField + s.UserID, allField}
}

// platformName is the field of a user on one platform.
func platformName(platformID int32, userID string) string {
	return platformField + strconv.FormatInt(int64(platformID), 10) + ":" + userID
}
