package auditlog

import (
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Kind is what an event is about.
type Kind string

// Kinds of events. The gateway emits the first three; the others speak of the trail itself.
const (
	KindCall     Kind = "call"     // one HTTP request
	KindMessage  Kind = "message"  // one frame on a socket that sends, or asks for, something
	KindSocket   Kind = "socket"   // a socket was opened or closed
	KindRefusals Kind = "refusals" // several refusals of callers who are not known (Log.Count)

	kindStart   Kind = "start"   // a chain begins
	kindLost    Kind = "lost"    // events were lost here
	kindRotated Kind = "rotated" // the chain goes on in a new file
	kindEnd     Kind = "end"     // a chain ends in good order
)

// Verdict is what became of it.
type Verdict string

// Verdicts, as in the request log.
const (
	Allowed Verdict = "allowed" // passed on, whatever OpenIM said to it
	Refused Verdict = "refused" // by the wrapper, because of the call
	Failed  Verdict = "failed"  // something behind the wrapper did not work
)

// Event is one line of the trail. Every text in it is cut at a bound, and every word that is not the caller's must be
// of letters, digits and . _ / - alone.
type Event struct {
	Time    time.Time // zero: now
	Kind    Kind
	Who     Who
	What    What
	Outcome Outcome
}

// Who did it.
type Who struct {
	Role       string // a word
	Subject    string
	Issuer     string
	UserID     string
	DeviceID   string
	PlatformID int32
	Session    string // its public identifier, never its token
	IP         netip.Addr
}

// What was done, and to whom.
type What struct {
	Route      string // a word: the name of the table's row
	Identifier int32  // of a frame
	Class      string // a word: the audit class of the row
	RequestID  string
	// Of each of these the first eight are written.
	Users         []string
	Groups        []string
	Conversations []string
	UserCount     int // of all users named, when there are more
}

// Outcome is what became of it.
type Outcome struct {
	Verdict Verdict
	Reason  string // a word: the name of the wire.Failure
	Rule    string // a word: the name of the rule that refused
	Status  int    // of HTTP
	ErrCode int    // of OpenIM's envelope
	Took    time.Duration
}

// Bounds of an event.
const (
	maxWordBytes = 64
	maxIDBytes   = 128
	maxWhoBytes  = 256 // subject and issuer
	maxTargets   = 8
)

// form is an event as it is written and read. Its texts have gone through word or clip.
type form struct {
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
	Verdict       string   `json:"verdict,omitempty"`
	Reason        string   `json:"reason,omitempty"`
	Rule          string   `json:"rule,omitempty"`
	Status        int      `json:"status,omitempty"`
	ErrCode       int      `json:"errCode,omitempty"`
	Milliseconds  float64  `json:"milliseconds,omitempty"`

	// Of refusals that were counted.
	Network string `json:"network,omitempty"`
	Count   uint64 `json:"count,omitempty"`
	Until   string `json:"until,omitempty"` // when the last of them began

	// Of the trail's own events.
	Program       string `json:"program,omitempty"`       // start: what is running
	PreviousChain string `json:"previousChain,omitempty"` // start: the chain before this one in the same file
	PreviousSeq   uint64 `json:"previousSeq,omitempty"`
	Lost          uint64 `json:"lost,omitempty"`
}

const timeLayout = "2006-01-02T15:04:05.000000Z"

// form bounds everything on the way.
func (e *Event) form() form {
	f := form{
		Time: e.Time.UTC().Format(timeLayout), Kind: Kind(word(string(e.Kind))),
		Role: word(e.Who.Role), Subject: clip(e.Who.Subject, maxWhoBytes), Issuer: clip(e.Who.Issuer, maxWhoBytes),
		UserID: clip(e.Who.UserID, maxIDBytes), DeviceID: clip(e.Who.DeviceID, maxIDBytes), PlatformID: e.Who.PlatformID,
		Session: clip(e.Who.Session, maxWordBytes),
		Route:   word(e.What.Route), Identifier: e.What.Identifier, Class: word(e.What.Class), RequestID: e.What.RequestID,
		Users: targets(e.What.Users), Groups: targets(e.What.Groups), Conversations: targets(e.What.Conversations),
		Verdict: word(string(e.Outcome.Verdict)), Reason: word(e.Outcome.Reason), Rule: word(e.Outcome.Rule),
		Status: e.Outcome.Status, ErrCode: e.Outcome.ErrCode, Milliseconds: float64(e.Outcome.Took.Microseconds()) / 1000,
	}
	if e.Who.IP.IsValid() {
		f.IP = e.Who.IP.Unmap().WithZone("").String()
	}
	if !wire.LegalRequestID(f.RequestID) {
		f.RequestID = ""
	}
	if total := max(e.What.UserCount, len(e.What.Users)); total > len(f.Users) {
		f.UserCount = total
	}
	return f
}

// illegal stands in the place of a word that is none: somebody passed on what should have been a name of ours.
const illegal = "illegal"

func word(s string) string {
	if len(s) > maxWordBytes {
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

// clip cuts a text at a bound, between two characters, and drops what a terminal would act on.
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
