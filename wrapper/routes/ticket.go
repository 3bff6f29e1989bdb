package routes

import (
	"encoding/base64"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Ticket is a kind of OpenIM's ids of an upload under way. OpenIM writes the upload's meaning into them, unencrypted and unsigned
// (tools/s3/cont/id.go, rpc/third/s3.go), and believes what it reads in them. Users' clients receive a sealed ticket instead.
type Ticket string

// Values of Ticket.
const (
	// TicketUpload is the uploadID of an upload in one part or in several.
	TicketUpload Ticket = "upload"
	// TicketForm is the id of an upload by a form.
	TicketForm Ticket = "form"
)

// Tickets seals OpenIM's tickets for a user, and opens them again. Every implementation must be safe for concurrent use.
type Tickets interface {
	// Seal returns the text that the user's client receives in place of OpenIM's ticket.
	Seal(kind Ticket, userID, ticket string) (string, error)
	// Open returns OpenIM's ticket. The error is ErrTicketRefused if Seal did not return the text for this kind and user, and another one if
	// this cannot be decided now.
	Open(kind Ticket, userID, sealed string) (string, error)
}

// ErrTicketRefused is the error of Tickets.Open for a text that was not sealed for this kind and user.
var ErrTicketRefused = errors.New("opening an upload ticket: it was not given to this user")

// ErrSeveralParts is the error for an upload in several parts where the caller has only those in one.
var ErrSeveralParts = errors.New("files of several parts cannot be uploaded to this object store: " +
	"send a file that fits into one part (/object/part_limit has its size), or upload it by a form (/object/initiate_form_data)")

// ErrTicketsUnavailable is the error for a ticket that can be neither sealed nor opened at the moment.
var ErrTicketsUnavailable = errors.New("upload tickets cannot be sealed now")

// replyTickets has the members of replies that hold a ticket, by OpenIM's path.
var replyTickets = map[string]map[string]Ticket{
	"/object/initiate_multipart_upload": {"upload.uploadID": TicketUpload},
	"/object/initiate_form_data":        {"id": TicketForm},
}

// ticket replaces a sealed ticket by OpenIM's. Its form is checked again, in case OpenIM wrote what it would not accept of others.
func (e *enforcement) ticket(p fieldValue, kind Ticket) error {
	sealed := p.text()
	if sealed == "" {
		return malformed("%s is missing: send the %s that the call which began the upload returned", p.field, p.field)
	}
	ticket, err := "", ErrTicketsUnavailable
	if e.caller.Tickets != nil {
		ticket, err = e.caller.Tickets.Open(kind, e.caller.UserID, sealed)
	}
	switch {
	case errors.Is(err, ErrTicketRefused):
		return fmt.Errorf("%s is not one that you were given here: begin the upload again", p.field)
	case err != nil:
		return wire.Unavailable.Because("upload tickets cannot be checked now: try again after a second")
	}
	if err := kind.check(p.field, ticket, e.caller); err != nil {
		return err
	}
	p.set(ticket)
	return nil
}

// sealTicket returns the sealed form of a ticket in OpenIM's reply.
func (a Asked) sealTicket(kind Ticket, field, ticket string) (string, error) {
	if err := kind.check(field, ticket, a.Caller); err != nil {
		return "", err
	}
	if a.Caller.Tickets == nil {
		return "", ErrTicketsUnavailable
	}
	sealed, err := a.Caller.Tickets.Seal(kind, a.Caller.UserID, ticket)
	if err != nil {
		return "", fmt.Errorf("%w: %s: %w", ErrTicketsUnavailable, field, err)
	}
	return sealed, nil
}

// check returns an error for a ticket that OpenIM would not have written for an upload of the caller's, and ErrSeveralParts for one of an
// upload in parts where there are none.
func (k Ticket) check(field, ticket string, caller Caller) error {
	if k == TicketForm {
		return formTicket(field, ticket, caller.UserID)
	}
	kind, err := uploadTicket(field, ticket)
	if err == nil && caller.OnePart && kind != ticketPresigned {
		return ErrSeveralParts
	}
	return err
}

var (
	hashOf  = regexp.MustCompile(`^[0-9a-f]{32}$`)
	tempKey = regexp.MustCompile(`^openim/temp/([0-9]{1,4}/){1,8}([0-9a-f]{32})_([0-9]{1,19})_[0-9a-f]{32}\.presigned$`)
	// storeID is the object store's own id of an upload in parts. OpenIM's clients of MinIO and OSS write it unescaped into the query of the
	// URL that they sign, where "x&acl" would be another request.
	storeID    = regexp.MustCompile(`^[A-Za-z0-9._~+/=-]+$`)
	directDate = regexp.MustCompile(`^[0-9]{8}$`)
	directFile = regexp.MustCompile(`^[0-9a-f]{32}(\.[^/]*)?$`)
)

const (
	hashKeys   = "openim/data/hash/"
	directKeys = "openim/direct"

	// maxStoreID bounds the object store's own id, in bytes. Those of the supported stores have less than 200.
	maxStoreID = 1024

	ticketMultipart = 1
	ticketPresigned = 2
)

// uploadTicket checks an upload id: {"a":type,"b":id,"c":key,"d":size,"e":hash} in base64. It returns the type.
func uploadTicket(field, ticket string) (kind int64, err error) {
	data, err := base64.StdEncoding.DecodeString(ticket)
	if err != nil {
		return 0, malformed("%s must be an upload id as OpenIM gives it", field)
	}
	members, err := wire.DecodeObject(data)
	if err != nil || !only(members, "a", "b", "c", "d", "e") {
		return 0, malformed("%s must be an upload id as OpenIM gives it", field)
	}
	kind, _ = members["a"].(int64)
	id, text := members["b"].(string)
	key, _ := members["c"].(string)
	size, _ := members["d"].(int64)
	hash, _ := members["e"].(string)
	good := false
	switch kind {
	case ticketMultipart:
		good = hashOf.MatchString(hash) && key == hashKeys+hash && storeID.MatchString(id) && len(id) <= maxStoreID && size > 0
	case ticketPresigned:
		parts := tempKey.FindStringSubmatch(key)
		none := id == "" && (text || members["b"] == nil)
		good = parts != nil && parts[2] == hash && parts[3] == fmt.Sprint(size) && none
	}
	if !good {
		return 0, fmt.Errorf("%s must be an upload id as OpenIM gives it", field)
	}
	return kind, nil
}

// formTicket checks a form id: {"name","size","contentType","group","key"} in base64 without padding.
func formTicket(field, ticket, user string) error {
	data, err := base64.RawStdEncoding.DecodeString(ticket)
	if err != nil {
		return malformed("%s must be a form id as OpenIM gives it", field)
	}
	members, err := wire.DecodeObject(data)
	if err != nil || !only(members, "name", "size", "contentType", "group", "key") {
		return malformed("%s must be a form id as OpenIM gives it", field)
	}
	name, _ := members["name"].(string)
	if err := ownName(field+", its name,", name, user); err != nil {
		return err
	}
	key, _ := members["key"].(string)
	rest, ok := strings.CutPrefix(key, directKeys+"/")
	date, rest, ok2 := strings.Cut(rest, "/")
	file, ok3 := strings.CutPrefix(rest, user+"/")
	if !ok || !ok2 || !ok3 || !directDate.MatchString(date) || !directFile.MatchString(file) || path.Clean(key) != key {
		return fmt.Errorf("%s must be a form id that OpenIM gave you", field)
	}
	return nil
}

// only reports whether an object has no members with other names or spellings: OpenIM's decoder ignores case.
func only(object map[string]any, names ...string) bool {
	for key := range object {
		known := false
		for _, n := range names {
			known = known || n == key
		}
		if !known {
			return false
		}
	}
	return true
}
