package session

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

// Reasons why a token or ticket is not accepted. Compare with errors.Is.
var (
	ErrMalformed = errors.New("not a session token or ticket: log in again")
	ErrUnknown   = errors.New("the session is not known: log in again")
	ErrExpired   = errors.New("the session has expired: log in again")
	ErrRevoked   = errors.New("the session was revoked: log in again")
	// ErrReplaced is ErrRevoked of a session that the multi-login policy ended.
	ErrReplaced    = fmt.Errorf("%w: another device of the user logged in", ErrRevoked)
	ErrUnavailable = errors.New("sessions cannot be checked now: try again in a moment")
)

// Session is one login of one device. Its times are by Redis' clock, in milliseconds.
type Session struct {
	ID         string // 16 random bytes, base64url
	UserID     string
	DeviceID   string
	PlatformID int32 // OpenIM's numbers, 1 to 9
	Epoch      int64 // the user's epoch at login
	Created    time.Time
	Expires    time.Time // the absolute end
	// LastUsed is written at most once a minute (see touchEvery).
	LastUsed time.Time
}

const (
	// MaxLifetime is the largest value of Options.Lifetime.
	MaxLifetime = 366 * 24 * time.Hour
	// keptAfterEnd is how long a session's record and its revocations are kept after its end, so that an expired or revoked session can
	// be told from an unknown one.
	keptAfterEnd = time.Hour
	maxIDBytes   = 128
	maxEpoch     = math.MaxInt64
	// MaxPerDevice is how many sessions a device may have. A further login ends the oldest. A device is one key, and its app uses one
	// session. Others are left over from restarts or belong to pages that are open side by side. Eight leaves enough for these, and
	// bounds what a thief of tokens or a login loop can hold.
	MaxPerDevice = 8
)

// bounds are the times that docs/sessions.md promises. Tests shorten them.
type bounds struct {
	cache     time.Duration // how long a confirmed session is used without asking Redis
	heartbeat time.Duration // between checks that no revocation was missed
	silence   time.Duration // after which the last check no longer counts, and a silent channel is dead
	outage    time.Duration // without Redis: after which the last confirmation no longer counts and sockets are closed
	touch     time.Duration // between writes of LastUsed
	ticket    time.Duration // lifetime of a ticket
	sweep     time.Duration // between removals of old entries from memory
	entries   int           // sessions in memory, besides those with sockets
}

func defaultBounds() bounds {
	return bounds{
		cache: 5 * time.Second, heartbeat: 500 * time.Millisecond, silence: 2 * time.Second, outage: time.Minute,
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

// scopes is how many entries of the list of revocations can concern one session.
const scopes = 5

// fields returns the entries that can concern a session: of the session, its device, its user on its platform, its user, and all.
func (s *Session) fields() [scopes]string {
	return [scopes]string{sessionField + s.ID, deviceField + s.DeviceID, platformName(s.PlatformID, s.UserID), userField + s.UserID, allField}
}

// platformName returns the field of a user on one platform.
func platformName(platformID int32, userID string) string {
	return platformField + strconv.FormatInt(int64(platformID), 10) + ":" + userID
}
