package session

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Scope is what a revocation speaks of.
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

// Revocation ends sessions for good. It can never be taken back; who may, logs in again.
type Revocation struct {
	Scope Scope
	// ID of the session, device or user. Empty for all.
	ID string
	// PlatformID goes with ScopePlatform: ID is the user's.
	PlatformID int32
	// Before: sessions created until then, it included. Zero: now, by Redis' clock. It may lie up to an hour ahead, to catch a login of
	// a device that is on its way while the device is revoked for good.
	Before time.Time
	// Epoch, for a user: sessions of a smaller epoch too, whenever they are created. This catches a login on its way
	// without hindering the next one.
	Epoch int64
	// Reason is a fixed word for the log, such as logout.
	Reason string
}

func (r *Revocation) field() (string, error) {
	prefixes := map[Scope]string{
		ScopeSession: sessionField, ScopeDevice: deviceField, ScopePlatform: platformField, ScopeUser: userField, ScopeAll: allField,
	}
	prefix, known := prefixes[r.Scope]
	switch {
	case !known:
		return "", fmt.Errorf("the scope %q is not known: write session, device, platform, user or all", r.Scope)
	case r.Scope == ScopeAll && r.ID != "":
		return "", fmt.Errorf("a revocation of everything names no id: leave it out")
	case r.Scope != ScopeAll && !validID(r.ID):
		return "", fmt.Errorf("the id is not usable: write 1 to %d bytes without control characters", maxIDBytes)
	case r.PlatformID < 0 || r.PlatformID != 0 && r.Scope != ScopePlatform:
		return "", fmt.Errorf("a platform belongs to a revocation of a user on a platform, and is not negative")
	case r.Epoch < 0 || r.Epoch != 0 && r.Scope != ScopeUser:
		return "", fmt.Errorf("an epoch belongs to a revocation of a user, and is not negative")
	case r.Reason != "" && (len(r.Reason) > maxReasonBytes || !validID(r.Reason)):
		return "", fmt.Errorf("the reason is not usable: write at most %d bytes without control characters", maxReasonBytes)
	}
	if r.Scope == ScopePlatform {
		return platformName(r.PlatformID, r.ID), nil
	}
	return prefix + r.ID, nil
}

// cut is a revocation as it is kept: what stands for one session, device, user or all. Times in Unix milliseconds.
type cut struct {
	before, epoch, until int64
	reason               string
}

func (c cut) ends(s *Session) bool {
	return s.Created.UnixMilli() <= c.before || s.Epoch < c.epoch
}

// covers is true when nothing of o is missing in c.
func (c cut) covers(o cut) bool {
	return c.before >= o.before && c.epoch >= o.epoch && c.until >= o.until
}

func (c cut) with(o cut) cut {
	return cut{before: max(c.before, o.before), epoch: max(c.epoch, o.epoch), until: max(c.until, o.until), reason: o.reason}
}

// legible reports whether a revocation has a field and a reason that Revoke takes.
func legible(field, reason string) bool {
	return len(field) <= maxFieldBytes && len(reason) <= maxReasonBytes
}

// plausible reports whether the wrapper can have written the times of a revocation: Revoke bounds them. Clocks may differ by maxAhead.
func (c cut) plausible(now time.Time) bool {
	return c.before <= now.Add(2*maxAhead).UnixMilli() && c.until <= lastUntil(now)
}

// within is the part of a revocation that the wrapper can have written.
func (c cut) within(now time.Time) cut {
	if c.before > now.Add(2*maxAhead).UnixMilli() {
		c.before = now.UnixMilli()
	}
	c.until = min(c.until, lastUntil(now))
	return c
}

// lastUntil is the latest moment until which a revocation is remembered, Unix ms.
func lastUntil(now time.Time) int64 {
	return now.Add(MaxLifetime + 2*maxAhead + keptAfterEnd).UnixMilli()
}

// maxFieldBytes is a field's prefix, a platform's number and an identifier.
const maxFieldBytes = 2 + 12 + maxIDBytes

// parseCut reads "before epoch until seq reason", as the script in revoke.lua writes it.
func parseCut(value string) (c cut, seq int64, err error) {
	parts := strings.SplitN(value, " ", 5)
	if len(parts) != 5 {
		return cut{}, 0, fmt.Errorf("a revocation of %d parts", len(parts))
	}
	var n [4]int64
	for i := range n {
		if n[i], err = strconv.ParseInt(parts[i], 10, 64); err != nil {
			return cut{}, 0, fmt.Errorf("a revocation with a bad number: %w", err)
		}
	}
	return cut{before: n[0], epoch: n[1], until: n[2], reason: parts[4]}, n[3], nil
}
