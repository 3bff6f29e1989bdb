package routestest

import (
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/openimstack/openim-operator/wrapper/routes"
)

// World is who and what a body is about.
type World struct {
	Self  string // a user
	Peer  string // a friend of his
	Group string // a group that both are in and Self owns
}

// Pair is the conversation of Self and Peer.
func (w World) Pair() string {
	if w.Self > w.Peer {
		return "si_" + w.Peer + "_" + w.Self
	}
	return "si_" + w.Self + "_" + w.Peer
}

// GroupChat is the conversation of the group.
func (w World) GroupChat() string { return "sg_" + w.Group }

// Object is the name of an object of Self's.
func (w World) Object() string { return w.Self + "/a.txt" }

// Form is a form id as OpenIM would give it to Self.
func (w World) Form() string {
	const file = "0cc175b9c0f1b6a831c399e269772661.txt"
	return base64.RawStdEncoding.EncodeToString([]byte(fmt.Sprintf(
		`{"name":%q,"size":1,"contentType":"text/plain","group":"","key":%q}`, w.Object(), "openim/direct/20260102/"+w.Self+"/"+file)))
}

// Body is the route's example in this world, decoded.
func (w World) Body(r *routes.Route) map[string]any {
	text := strings.NewReplacer(
		"{self}", w.Self, "{peer}", w.Peer, "{group}", w.Group, "{pair}", w.Pair(), "{sg}", w.GroupChat(), "{form}", w.Form(),
	).Replace(r.Example)
	body, err := routes.Decode([]byte(text))
	if err != nil {
		panic(fmt.Sprintf("the example of %s: %s", r.Path, err))
	}
	return body
}

// Set puts a value at a field of a body, in the notation of the table: the first element of a list, lists and objects made
// as they are needed.
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

// Get returns what stands at a field: every element of its lists.
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
