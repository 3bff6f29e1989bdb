package routestest

import (
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/openimstack/openim-operator/wrapper/routes"
)

// Identities has the users and the group of a body.
type Identities struct {
	Self  string // a user
	Peer  string // a friend of Self
	Group string // a group of both, owned by Self
}

// Pair returns the conversation of Self and Peer.
func (w Identities) Pair() string {
	if w.Self > w.Peer {
		return "si_" + w.Peer + "_" + w.Self
	}
	return "si_" + w.Self + "_" + w.Peer
}

// GroupChat returns the conversation of the group.
func (w Identities) GroupChat() string { return "sg_" + w.Group }

// Object returns the name of an object of Self.
func (w Identities) Object() string { return w.Self + "/a.txt" }

// Form returns a form id as OpenIM would issue it to Self.
func (w Identities) Form() string {
	const file = "0cc175b9c0f1b6a831c399e269772661.txt"
	return base64.RawStdEncoding.EncodeToString([]byte(fmt.Sprintf(
		`{"name":%q,"size":1,"contentType":"text/plain","group":"","key":%q}`, w.Object(), "openim/direct/20260102/"+w.Self+"/"+file)))
}

// Upload returns an upload id as OpenIM would issue it for an upload in parts. OpenIM writes no user into it.
func (w Identities) Upload() string {
	const hash = "0cc175b9c0f1b6a831c399e269772661"
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, `{"a":1,"b":"id","c":"openim/data/hash/%s","d":1,"e":%q}`, hash, hash))
}

// Unsealed is a routes.Tickets that passes OpenIM's tickets on as they are: for tests of everything else about a route.
type Unsealed struct{}

// Seal implements routes.Tickets.
func (Unsealed) Seal(_ routes.Ticket, _, ticket string) (string, error) { return ticket, nil }

// Open implements routes.Tickets.
func (Unsealed) Open(_ routes.Ticket, _, sealed string) (string, error) { return sealed, nil }

// Body returns the route's example for these users, decoded.
func (w Identities) Body(r *routes.Route) map[string]any {
	text := strings.NewReplacer(
		"{self}", w.Self, "{peer}", w.Peer, "{group}", w.Group, "{pair}", w.Pair(), "{sg}", w.GroupChat(), "{form}", w.Form(),
		"{upload}", w.Upload(),
	).Replace(r.Example)
	body, err := routes.Decode([]byte(text))
	if err != nil {
		panic(fmt.Sprintf("the example of %s: %s", r.Path, err))
	}
	return body
}

// Set sets a field of a body, in the notation of the table: in the first element of a list. It creates missing lists and objects.
func Set(body map[string]any, field string, value any) {
	set(body, strings.Split(field, "."), value)
}

func set(object map[string]any, steps []string, value any) {
	name, list := strings.CutSuffix(steps[0], "[]")
	last := len(steps) == 1
	switch {
	case list && last:
		object[name] = []any{value}
	case list:
		elements, _ := object[name].([]any)
		if len(elements) == 0 {
			elements = []any{map[string]any{}}
		}
		object[name] = elements
		set(elements[0].(map[string]any), steps[1:], value)
	case last:
		object[name] = value
	default:
		inner, ok := object[name].(map[string]any)
		if !ok {
			inner = map[string]any{}
			object[name] = inner
		}
		set(inner, steps[1:], value)
	}
}

// Get returns the values of a field: of every element of its lists.
func Get(body map[string]any, field string) []any {
	return collect(body, strings.Split(field, "."))
}

func collect(value any, steps []string) []any {
	object, _ := value.(map[string]any)
	name, list := strings.CutSuffix(steps[0], "[]")
	values := []any{object[name]}
	if object[name] == nil {
		return nil
	}
	if list {
		values, _ = object[name].([]any)
	}
	if len(steps) == 1 {
		return values
	}
	var all []any
	for _, v := range values {
		all = append(all, collect(v, steps[1:])...)
	}
	return all
}
