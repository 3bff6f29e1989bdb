package backend

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/openimstack/openim-operator/wrapper/bounds"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/tokenvault"
)

// UploadTickets returns the Tickets that seal OpenIM's upload and form ids for one user, under a key that is derived from the custody key:
// every replica opens them, also after a restart, and keeps nothing.
func UploadTickets(keys tokenvault.KeySource, now func() time.Time) routes.Tickets {
	return uploadTickets{tokenvault.NewKeyring(keys, "upload tickets", now)}
}

// uploadTickets writes sealed tickets in base64, and maps the token vault's errors to those of package routes.
type uploadTickets struct{ ring *tokenvault.Keyring }

// Seal implements routes.Tickets.
func (t uploadTickets) Seal(kind routes.Ticket, userID, ticket string) (string, error) {
	sealed, err := t.ring.Seal([]byte(ticket), ticketPlace(kind, userID))
	if err != nil {
		return "", err
	}
	text := base64.RawURLEncoding.EncodeToString(sealed)
	if len(text) > bounds.Token {
		return "", fmt.Errorf("sealing an upload ticket: OpenIM's has %d bytes: too long for users' calls", len(ticket))
	}
	return text, nil
}

// Open implements routes.Tickets. A ticket under a key that is gone is refused like one that was never sealed: its upload begins again.
func (t uploadTickets) Open(kind routes.Ticket, userID, sealed string) (string, error) {
	if len(sealed) > bounds.Token || strings.ContainsAny(sealed, "\r\n") {
		return "", routes.ErrTicketRefused
	}
	data, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil {
		return "", routes.ErrTicketRefused
	}
	ticket, err := t.ring.Open(data, ticketPlace(kind, userID))
	if errors.Is(err, tokenvault.ErrUnknownKey) || errors.Is(err, tokenvault.ErrNotSealed) {
		return "", routes.ErrTicketRefused
	}
	return string(ticket), err
}

// ticketPlace binds a ticket to its kind and its user.
func ticketPlace(kind routes.Ticket, userID string) []byte {
	return tokenvault.Place(string(kind), userID)
}
