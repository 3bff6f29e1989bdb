package routes

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/openimstack/openim-operator/wrapper/ids"
)

const (
	// maxUserIDBytes is the longest user id that is let through. OpenIM itself sets no bound.
	maxUserIDBytes = ids.MaxBytes
	// MaxUsersReported bounds the users that a log line names.
	MaxUsersReported = 8
)

// newID is a field of an administrator's body that names what is to be made.
type newID struct {
	field string
	legal func(string) bool
	says  string
}

var (
	newUser  = "letters, digits and underscores alone, as OpenIM's own registration wants them"
	newGroup = "letters, digits and hyphens alone, or empty: OpenIM then makes one"
)

// newIDs are they by route. OpenIM makes patterns of ids, and takes any text for a group's.
var newIDs = map[string]newID{
	"/user/user_register":            {"users[].userID", ids.LegalNewUser, newUser},
	"/user/add_notification_account": {"userID", ids.LegalNewUser, newUser},
	"/group/create_group":            {"groupInfo.groupID", ids.LegalNewGroup, newGroup},
}

// CheckNew reports an id in an administrator's body under which nothing may be made.
func (r *Route) CheckNew(body map[string]any) error {
	rule, there := newIDs[r.Path]
	if !there {
		return nil
	}
	var bad bool
	err := walk(body, strings.Split(rule.field, "."), rule.field, func(id string) { bad = bad || !rule.legal(id) })
	if err == nil && bad {
		err = fmt.Errorf("%s must be %s", rule.field, rule.says)
	}
	return err
}

// ActsOn returns the users that a call's body names in the fields of the row, up to MaxUsersReported of them, and
// their number. A field may be missing (OpenIM says what it needs), but what is there must be a user id: a text
// of 1 to 128 bytes without control characters. An object that holds such a field in two spellings of case is refused:
// OpenIM's decoder takes either, we could only guess which.
func (r *Route) ActsOn(body map[string]any) (users []string, total int, err error) {
	return actsOn(r.Users, body)
}

// UserActsOn is the same for a user's body, after Enforce.
func (r *Route) UserActsOn(body map[string]any) (users []string, total int, err error) {
	var fields []string
	for _, rule := range r.Identity {
		if rule.NamesUsers() {
			fields = append(fields, rule.Field)
		}
		if rule.With != "" {
			fields = append(fields, rule.With)
		}
	}
	return actsOn(fields, body)
}

func actsOn(fields []string, body map[string]any) (users []string, total int, err error) {
	for _, field := range fields {
		err = walk(body, strings.Split(field, "."), field, func(id string) {
			total++
			if len(users) < MaxUsersReported {
				users = append(users, id)
			}
		})
		if err != nil {
			return nil, 0, err
		}
	}
	return users, total, nil
}

func walk(value any, steps []string, field string, found func(string)) error {
	if len(steps) == 0 {
		id, ok := value.(string)
		if !ok {
			return fmt.Errorf("%s must be a text", field)
		}
		if id == "" {
			return nil // OpenIM's protobuf cannot tell it from an absent one
		}
		if len(id) > maxUserIDBytes || strings.IndexFunc(id, forbidden) >= 0 {
			return fmt.Errorf("%s must be a user id: at most %d bytes, no control characters", field, maxUserIDBytes)
		}
		found(id)
		return nil
	}
	object, ok := value.(map[string]any)
	if !ok {
		return fmt.Errorf("%s: an object is expected before its last part", field)
	}
	name, list := strings.CutSuffix(steps[0], "[]")
	member, there, err := lookup(object, name)
	if err != nil || !there || member == nil {
		return err
	}
	if !list {
		return walk(member, steps[1:], field, found)
	}
	elements, ok := member.([]any)
	if !ok {
		return fmt.Errorf("%s: %s must be a list", field, name)
	}
	for _, e := range elements {
		if err := walk(e, steps[1:], field, found); err != nil {
			return err
		}
	}
	return nil
}

// lookup finds a member as OpenIM's decoder (encoding/json) would: without regard to case.
func lookup(object map[string]any, name string) (value any, there bool, err error) {
	for key, v := range object {
		if !strings.EqualFold(key, name) {
			continue
		}
		if there {
			return nil, false, fmt.Errorf("%s stands twice in different spellings: write it once", name)
		}
		value, there = v, true
	}
	return value, there, nil
}

func forbidden(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError }
