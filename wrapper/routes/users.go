package routes

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/openimstack/openim-operator/wrapper/ids"
)

const (
	// maxUserIDBytes is the longest accepted user id. OpenIM itself has no limit.
	maxUserIDBytes = ids.MaxBytes
	// MaxUsersReported limits the users in a log line.
	MaxUsersReported = 8
)

// idRule is the rule for a field of an administrator's body with the id of a new user or group.
type idRule struct {
	field string
	legal func(string) bool
	says  string
}

var (
	newUserText  = "letters, digits and underscores only, as in OpenIM's own registration"
	newGroupText = "letters, digits and hyphens only, or empty: OpenIM then creates one"
)

// newIDRules has the rules by route. OpenIM puts ids into patterns, and accepts any text as a group's id.
var newIDRules = map[string]idRule{
	"/user/user_register":            {"users[].userID", ids.LegalNewUser, newUserText},
	"/user/add_notification_account": {"userID", ids.LegalNewUser, newUserText},
	"/group/create_group":            {"groupInfo.groupID", ids.LegalNewGroup, newGroupText},
}

// CheckNew returns an error if an administrator's body has an illegal id of a new user or group.
func (r *Route) CheckNew(body map[string]any) error {
	rule, there := newIDRules[r.Path]
	if !there {
		return nil
	}
	var bad bool
	err := visitIDs(body, strings.Split(rule.field, "."), rule.field, func(id string) { bad = bad || !rule.legal(id) })
	if err == nil && bad {
		err = fmt.Errorf("%s must be %s", rule.field, rule.says)
	}
	return err
}

// ActsOn returns the users that a body names in the fields of the row, up to MaxUsersReported of them, and their number. A field may be
// missing (OpenIM checks that). A present one must be a user id: a text of 1 to 128 bytes without control characters. An object with the
// field in two spellings of case is refused, because OpenIM's decoder could use either.
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
		err = visitIDs(body, strings.Split(field, "."), field, func(id string) {
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

func visitIDs(value any, steps []string, field string, found func(string)) error {
	if len(steps) == 0 {
		id, ok := value.(string)
		if !ok {
			return fmt.Errorf("%s must be a text", field)
		}
		if id == "" {
			return nil // OpenIM's protobuf does not distinguish it from an absent one
		}
		if len(id) > maxUserIDBytes || strings.IndexFunc(id, forbidden) >= 0 {
			return fmt.Errorf("%s must be a user id: at most %d bytes, no control characters", field, maxUserIDBytes)
		}
		found(id)
		return nil
	}
	object, ok := value.(map[string]any)
	if !ok {
		return fmt.Errorf("%s must be in an object", field)
	}
	name, list := strings.CutSuffix(steps[0], "[]")
	member, there, err := lookup(object, name)
	if err != nil || !there || member == nil {
		return err
	}
	if !list {
		return visitIDs(member, steps[1:], field, found)
	}
	elements, ok := member.([]any)
	if !ok {
		return fmt.Errorf("%s: %s must be a list", field, name)
	}
	for _, e := range elements {
		if err := visitIDs(e, steps[1:], field, found); err != nil {
			return err
		}
	}
	return nil
}

// lookup finds a member as OpenIM's decoder (encoding/json) does: without regard to case.
func lookup(object map[string]any, name string) (value any, there bool, err error) {
	for key, v := range object {
		if !strings.EqualFold(key, name) {
			continue
		}
		if there {
			return nil, false, fmt.Errorf("%s occurs twice in different spellings: write it once", name)
		}
		value, there = v, true
	}
	return value, there, nil
}

func forbidden(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError }
