package session

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Scope is what a revocation ends.
type Scope string

// Scopes.
const (
	ScopeSession  Scope = "session"
	ScopeDevice   Scope = "device"
	ScopePlatform Scope = "platform" // of a user on one of OpenIM's platforms
	ScopeUser     Scope = "user"
	ScopeAll      Scope = "all"
)

const (
	sessionField  = "s:"
	deviceField   = "d:"
	platformField = "p:"
	userField     = "u:"
	allField      = "a"
	// maxAhead bounds Revocation.Before.
	maxAhead       = time.Hour
	maxReasonBytes = 64
)

// Revocation ends sessions permanently. It cannot be undone. A user who is still allowed to can log in again.
type Revocation struct {
	Scope Scope
	// ID of the session, device or user. Empty for all.
	ID string
	// PlatformID is set with ScopePlatform alone. ID is then the user's.
	PlatformID int32
	// Before ends sessions created up to and including this time. Zero means now, by Redis' clock. It may be up to an hour ahead, to
	// end a session that a concurrent login of a revoked device is about to create.
	Before time.Time
	// Epoch ends, with ScopeUser, sessions of a smaller epoch too, whenever they are created. It ends the session of a concurrent login
	// without affecting the next login.
	Epoch int64
	// Reason is a fixed word for logs, such as logout.
	Reason string
}

func (r *Revocation) field() (string, error) {
	prefixes := map[Scope]string{
		ScopeSession: sessionField, ScopeDevice: deviceField, ScopePlatform: platformField, ScopeUser: userField, ScopeAll: allField,
	}
	prefix, known := prefixes[r.Scope]
	switch {
	case !known:
		return "", fmt.Errorf("revoking sessions: unknown scope %q: write session, device, platform, user or all", r.Scope)
	case r.Scope == ScopeAll && r.ID != "":
		return "", fmt.Errorf("revoking sessions: the scope all takes no id: leave it out")
	case r.Scope != ScopeAll && !validID(r.ID):
		return "", fmt.Errorf("revoking sessions: invalid id: write 1 to %d bytes without control characters", maxIDBytes)
	case r.PlatformID < 0 || r.PlatformID != 0 && r.Scope != ScopePlatform:
		return "", fmt.Errorf("revoking sessions: invalid platform: only the scope platform takes one, and it is not negative")
	case r.Epoch < 0 || r.Epoch != 0 && r.Scope != ScopeUser:
		return "", fmt.Errorf("revoking sessions: invalid epoch: only the scope user takes one, and it is not negative")
	case r.Reason != "" && (len(r.Reason) > maxReasonBytes || !validID(r.Reason)):
		return "", fmt.Errorf("revoking sessions: invalid reason: write at most %d bytes without control characters", maxReasonBytes)
	}
	if r.Scope == ScopePlatform {
		return platformName(r.PlatformID, r.ID), nil
	}
	return prefix + r.ID, nil
}

// mergedRevocation is the merged revocation of one session, device, platform, user or all, as it is stored. Times are Unix milliseconds.
type mergedRevocation struct {
	before, epoch, until int64
	reason               string
}

func (c mergedRevocation) ends(s *Session) bool {
	return s.Created.UnixMilli() <= c.before || s.Epoch < c.epoch
}

// covers reports whether c ends everything that o ends, for as long.
func (c mergedRevocation) covers(o mergedRevocation) bool {
	return c.before >= o.before && c.epoch >= o.epoch && c.until >= o.until
}

func (c mergedRevocation) merge(o mergedRevocation) mergedRevocation {
	return mergedRevocation{before: max(c.before, o.before), epoch: max(c.epoch, o.epoch), until: max(c.until, o.until), reason: o.reason}
}

// wellFormed reports whether the lengths of a revocation's field and reason are possible with Revoke.
func wellFormed(field, reason string) bool {
	return len(field) <= maxFieldBytes && len(reason) <= maxReasonBytes
}

// plausible reports whether the wrapper can have written the times of a revocation, which Revoke bounds. Clocks may differ by maxAhead.
func (c mergedRevocation) plausible(now time.Time) bool {
	return c.before <= now.Add(2*maxAhead).UnixMilli() && c.until <= lastUntil(now)
}

// clamp returns the part of a revocation that the wrapper can have written.
func (c mergedRevocation) clamp(now time.Time) mergedRevocation {
	if c.before > now.Add(2*maxAhead).UnixMilli() {
		c.before = now.UnixMilli()
	}
	c.until = min(c.until, lastUntil(now))
	return c
}

// lastUntil returns the latest time until which the wrapper remembers a revocation, Unix ms.
func lastUntil(now time.Time) int64 {
	return now.Add(MaxLifetime + 2*maxAhead + keptAfterEnd).UnixMilli()
}

// maxFieldBytes is the length of a field's prefix, a platform's number and an identifier.
const maxFieldBytes = 2 + 12 + maxIDBytes

// parseRevocation reads "before epoch until seq reason", as the script in revoke.lua writes it.
func parseRevocation(value string) (c mergedRevocation, seq int64, err error) {
	parts := strings.SplitN(value, " ", 5)
	if len(parts) != 5 {
		return mergedRevocation{}, 0, fmt.Errorf("reading a revocation: %d parts instead of 5", len(parts))
	}
	var n [4]int64
	for i := range n {
		if n[i], err = strconv.ParseInt(parts[i], 10, 64); err != nil {
			return mergedRevocation{}, 0, fmt.Errorf("reading a revocation: invalid number: %w", err)
		}
	}
	return mergedRevocation{before: n[0], epoch: n[1], until: n[2], reason: parts[4]}, n[3], nil
}
