package auditlog

import (
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Kind is the kind of an event.
type Kind string

// Kinds of events. The gateway emits the first four; the others are about the chain itself.
const (
	KindCall     Kind = "call"     // one HTTP request
	KindMessage  Kind = "message"  // one request frame on a socket
	KindSocket   Kind = "socket"   // a socket was opened or closed
	KindRefusals Kind = "refusals" // several refusals of unknown callers, as one event (Log.Count)

	kindStart   Kind = "start"   // a chain begins
	kindLost    Kind = "lost"    // events were lost here
	kindRotated Kind = "rotated" // the chain continues in a new file
	kindEnd     Kind = "end"     // the program ended the chain
)

// Verdict is the result of a call.
type Verdict string

// Verdicts. The request log has the same.
const (
	Allowed Verdict = "allowed" // passed on to OpenIM, whatever OpenIM replied
	Refused Verdict = "refused" // refused by the wrapper because of the call
	Failed  Verdict = "failed"  // a server behind the wrapper failed
)

// Event is one line of the audit log. Each text is cut at a limit. Each text that is a name of the wrapper's own ("a name" below)
// may have letters, digits and . _ / - only.
type Event struct {
	Time    time.Time // zero: the time of Emit
	Kind    Kind
	Actor   Actor
	Action  Action
	Outcome Outcome
}

// Actor is the caller.
type Actor struct {
	Role       string // a name
	Subject    string
	Issuer     string
	UserID     string
	DeviceID   string
	PlatformID int32
	Session    string // the session's public identifier, never its token
	IP         netip.Addr
}

// Action is the action and the users, groups and conversations that it concerns.
type Action struct {
	Route      string // a name: the row of the route table
	Identifier int32  // of a frame
	Class      string // a name: the audit class of the row
	RequestID  string
	// The first eight of each list are written.
	Users         []string
	Groups        []string
	Conversations []string
	UserCount     int // the number of all users, if Users does not list all
	// Sessions are the public identifiers of the sessions that the multi-login policy excluded at a login, SessionCount the number of all.
	Sessions     []string
	SessionCount int
}

// Outcome is the result of a call.
type Outcome struct {
	Verdict Verdict
	Reason  string // a name: the wire.Failure's
	Rule    string // a name: the rule that refused
	Status  int    // the status of HTTP
	ErrCode int    // the errCode of OpenIM's envelope
	Took    time.Duration
}

// Limits of an event.
const (
	maxNameBytes    = 64
	maxIDBytes      = 128
	maxSubjectBytes = 256 // subject and issuer
	maxTargets      = 8
)

// record is the JSON of an event. Its texts were cleaned by name or clip.
type record struct {
	Time          string   `json:"time"`
	Kind          Kind     `json:"kind"`
	Role          string   `json:"role,omitempty"`
	Subject       string   `json:"subject,omitempty"`
	Issuer        string   `json:"issuer,omitempty"`
	UserID        string   `json:"userID,omitempty"`
	DeviceID      string   `json:"deviceID,omitempty"`
	PlatformID    int32    `json:"platformID,omitempty"`
	Session       string   `json:"session,omitempty"`
	IP            string   `json:"ip,omitempty"`
	Route         string   `json:"route,omitempty"`
	Identifier    int32    `json:"identifier,omitempty"`
	Class         string   `json:"class,omitempty"`
	RequestID     string   `json:"requestID,omitempty"`
	Users         []string `json:"users,omitempty"`
	UserCount     int      `json:"userCount,omitempty"`
	Groups        []string `json:"groups,omitempty"`
	Conversations []string `json:"conversations,omitempty"`
	Sessions      []string `json:"sessions,omitempty"`
	SessionCount  int      `json:"sessionCount,omitempty"`
	Verdict       string   `json:"verdict,omitempty"`
	Reason        string   `json:"reason,omitempty"`
	Rule          string   `json:"rule,omitempty"`
	Status        int      `json:"status,omitempty"`
	ErrCode       int      `json:"errCode,omitempty"`
	Milliseconds  float64  `json:"milliseconds,omitempty"`

	// Of KindRefusals.
	Network string `json:"network,omitempty"`
	Count   uint64 `json:"count,omitempty"`
	Until   string `json:"until,omitempty"` // the time of the last refusal

	// Of events about the chain.
	Program       string `json:"program,omitempty"`       // start: program and version
	PreviousChain string `json:"previousChain,omitempty"` // start: the preceding chain in the same file
	PreviousSeq   uint64 `json:"previousSeq,omitempty"`
	Lost          uint64 `json:"lost,omitempty"`
}

const timeLayout = "2006-01-02T15:04:05.000000Z"

// record returns the event's JSON record, with every text cut at its limit.
func (e *Event) record() record {
	f := record{
		Time: e.Time.UTC().Format(timeLayout), Kind: Kind(name(string(e.Kind))),
		Role: name(e.Actor.Role), Subject: clip(e.Actor.Subject, maxSubjectBytes), Issuer: clip(e.Actor.Issuer, maxSubjectBytes),
		UserID: clip(e.Actor.UserID, maxIDBytes), DeviceID: clip(e.Actor.DeviceID, maxIDBytes), PlatformID: e.Actor.PlatformID,
		Session: clip(e.Actor.Session, maxNameBytes),
		Route:   name(e.Action.Route), Identifier: e.Action.Identifier, Class: name(e.Action.Class), RequestID: e.Action.RequestID,
		Users: targets(e.Action.Users), Groups: targets(e.Action.Groups), Conversations: targets(e.Action.Conversations),
		Sessions: targets(e.Action.Sessions),
		Verdict:  name(string(e.Outcome.Verdict)), Reason: name(e.Outcome.Reason), Rule: name(e.Outcome.Rule),
		Status: e.Outcome.Status, ErrCode: e.Outcome.ErrCode, Milliseconds: float64(e.Outcome.Took.Microseconds()) / 1000,
	}
	if e.Actor.IP.IsValid() {
		f.IP = e.Actor.IP.Unmap().WithZone("").String()
	}
	if !wire.LegalRequestID(f.RequestID) {
		f.RequestID = ""
	}
	if total := max(e.Action.UserCount, len(e.Action.Users)); total > len(f.Users) {
		f.UserCount = total
	}
	if total := max(e.Action.SessionCount, len(e.Action.Sessions)); total > len(f.Sessions) {
		f.SessionCount = total
	}
	return f
}

// illegal replaces a text that should be a name and contains other characters.
const illegal = "illegal"

// name returns s if it can be a name, and illegal otherwise.
func name(s string) string {
	if len(s) > maxNameBytes {
		return illegal
	}
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '/', c == '-':
		default:
			return illegal
		}
	}
	return s
}

// clip cuts a text at a limit, between two characters, and replaces control characters, on which a terminal would act.
func clip(s string, limit int) string {
	if len(s) > limit {
		for limit > 0 && !utf8.RuneStart(s[limit]) {
			limit--
		}
		s = s[:limit]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 {
			return '?'
		}
		return r
	}, s)
}

// targets returns the first ids of a list, each cut at its limit.
func targets(ids []string) []string {
	if len(ids) == 0 {
		return nil
	}
	out := make([]string, 0, min(len(ids), maxTargets))
	for _, id := range ids[:min(len(ids), maxTargets)] {
		out = append(out, clip(id, maxIDBytes))
	}
	return out
}
