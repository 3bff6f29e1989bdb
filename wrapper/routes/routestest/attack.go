package routestest

import (
	"encoding/json"
	"iter"
	"maps"
	"strings"

	"github.com/openimstack/openim-operator/wrapper/routes"
)

// Want is the required result of an attack.
type Want string

// Values of Want.
const (
	// Refused: the table refuses it, before any lookup.
	Refused Want = "refused"
	// Rewritten: the call is passed on, and the field is the caller's own id or absent.
	Rewritten Want = "rewritten"
	// LookedUp: the membership is checked, and the call refused.
	LookedUp Want = "looked up"
	// Allowed: the field may name any user; OpenIM decides on the result.
	Allowed Want = "allowed"
)

// Attack is one call of an attacker that names data of the victim in one field.
type Attack struct {
	Route *routes.Route
	Rule  routes.Identity
	Body  map[string]any
	Want  Want
}

// Attacks yields an attack for every rule of every route that users may call by POST. The attacker takes part in none of the victim's
// conversations and groups.
func Attacks(attacker, victim Identities) iter.Seq[Attack] {
	return func(yield func(Attack) bool) {
		for i := range routes.Table {
			r := &routes.Table[i]
			if !r.ForUsers() || r.Example == "" {
				continue
			}
			for _, rule := range r.Identity {
				body := attacker.Body(r)
				want := aim(body, rule, victim)
				if !yield(Attack{Route: r, Rule: rule, Body: body, Want: want}) {
					return
				}
			}
		}
	}
}

// aim sets one field of a valid body to the victim's data.
func aim(body map[string]any, rule routes.Identity, victim Identities) Want {
	switch rule.Rule {
	case routes.Self, routes.EachSelf:
		Set(body, rule.Field, victim.Self)
		return Refused
	case routes.Overwritten:
		Set(body, rule.Field, victim.Self)
		return Rewritten
	case routes.OneSelf:
		Set(body, rule.Field, victim.Self)
		Set(body, rule.With, victim.Peer)
		return Refused
	case routes.Platform:
		Set(body, rule.Field, json.Number("9"))
		return Rewritten
	case routes.Party, routes.Kept, routes.Filled:
		Set(body, rule.Field, victim.Pair())
		return Refused
	case routes.Member, routes.Manager:
		Set(body, rule.Field, victim.Group)
		return LookedUp
	case routes.Described:
		Set(body, rule.Field, described(rule.Field, victim))
		return Refused
	case routes.UpTo:
		Set(body, rule.Field, json.Number("3000000"))
		return LookedUp
	case routes.Spans:
		if ranges := Get(body, rule.Field); len(ranges) > 0 {
			pull := ranges[0].(map[string]any)
			pull["begin"], pull["end"], pull["num"] = json.Number("1"), json.Number("40000000"), json.Number("0")
		}
		return Refused
	case routes.Pictures:
		Set(body, rule.Field, map[string]any{"type": "image"})
		return Rewritten
	case routes.OwnName:
		Set(body, rule.Field, victim.Object())
		return Refused
	case routes.UploadTicket:
		// An id for an object of the victim's: {"a":2,"c":"openim/direct/...","d":1,"e":"..."}.
		Set(body, rule.Field, "eyJhIjoyLCJjIjoib3BlbmltL2RpcmVjdC8yMDI2MDEwMi92aWN0aW0vYS50eHQiLCJkIjoxLCJlIjoiMGNjMTc1YjljMGYxYjZhODMxYzM5OWUyNjk3NzI2NjEifQ==")
		return Refused
	case routes.FormTicket:
		Set(body, rule.Field, victim.Form())
		return Refused
	case routes.AtMostOne:
		// OpenIM v3.8.3 makes the attacker an administrator of the victim's group if the attacker is a member of it.
		name := strings.TrimSuffix(rule.Field, "[]")
		list, _ := body[name].([]any)
		second := maps.Clone(list[0].(map[string]any))
		second["groupID"], second["roleLevel"] = victim.Group, json.Number("60")
		body[name] = append(list, second)
		return Refused
	case routes.Never:
		Set(body, rule.Field, true)
		return Refused
	case routes.Dropped:
		Set(body, rule.Field, dropped(rule.Field))
		return Rewritten
	case routes.OwnRecord:
		Set(body, rule.Field, victim.Pair())
	case routes.Other:
		Set(body, rule.Field, victim.Self)
	case routes.Role, routes.Live, routes.Public:
		Set(body, rule.Field, victim.Group)
	case routes.AnyName:
		Set(body, rule.Field, victim.Object())
	}
	return Allowed
}

func described(field string, victim Identities) any {
	switch field {
	case "conversation.userID":
		return victim.Self
	case "conversation.groupID":
		return victim.Group
	}
	return json.Number("3") // a group's type beside the id of a chat of two
}

// dropped returns a conspicuous value for a field that must be removed.
func dropped(field string) any {
	switch field {
	case "groupInfo.groupID", "keyword", "groupInfo.creatorUserID", "groupInfo.ownerUserID", "groupInfo.notificationUserID", "urlPrefix":
		return "https://attacker.example/"
	case "absolute", "deleteMember":
		return true
	}
	return json.Number("4")
}
