package routes_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/openimstack/openim-operator/wrapper/ids"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/routes/routestest"
)

// TestEveryFieldAgainstAnothersIDs tests every rule of the table with a valid body that names data of the victim once.
func TestEveryFieldAgainstAnothersIDs(t *testing.T) {
	n := 0
	for a := range routestest.Attacks(alice, victim) {
		n++
		t.Run(a.Route.Name()+"/"+a.Rule.Field, func(t *testing.T) {
			g := NewWithT(t)
			changed, needs, refusal := a.Route.Enforce(caller, a.Body)
			switch a.Want {
			case routestest.Refused:
				g.Expect(refusal).NotTo(BeNil())
				g.Expect(refusal.Status).To(BeElementOf(http.StatusForbidden, http.StatusBadRequest))
				g.Expect(refusal.Text).NotTo(ContainSubstring(victim.Self), "the text contains no id")
				g.Expect(changed).To(BeNil())
			case routestest.Rewritten:
				g.Expect(refusal).To(BeNil())
				g.Expect(text(t, changed)).NotTo(Or(ContainSubstring(victim.Self), ContainSubstring("attacker.example")))
				for _, v := range routestest.Get(changed, a.Rule.Field) {
					g.Expect(v).To(BeElementOf(alice.Self, json.Number("5")), "the session's own value, or none")
				}
			case routestest.LookedUp:
				g.Expect(refusal).To(BeNil())
				g.Expect(needs).To(ContainElement(And(HaveField("Field", a.Rule.Field),
					HaveField("IDs", ContainElement(BeElementOf(victim.Group, alice.Pair()))))))
			default:
				g.Expect(refusal).To(BeNil())
			}
		})
	}
	if n < 150 {
		t.Fatalf("%d attacks: the table has lost rules", n)
	}
}

// TestNoCallNamesAReservedUser puts the users of "wrapper check" into every field that may name another user.
func TestNoCallNamesAReservedUser(t *testing.T) {
	for _, reserved := range []string{ids.CheckSender, ids.CheckReceiver} {
		for _, a := range append(fieldsOf(routes.Other), fieldsOf(routes.OneSelf)...) {
			t.Run(a.Route.Name()+"/"+a.Rule.Field+"/"+reserved, func(t *testing.T) {
				g := NewWithT(t)
				routestest.Set(a.Body, a.Rule.Field, reserved)
				changed, _, refusal := a.Route.Enforce(caller, a.Body)
				g.Expect(refusal).NotTo(BeNil())
				g.Expect(refusal.Status).To(Equal(http.StatusForbidden))
				g.Expect(changed).To(BeNil())
			})
		}
	}
}

func text(t *testing.T, body map[string]any) string {
	t.Helper()
	data, err := routes.Encode(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// selfFields yields the routes and fields of one kind of rule.
func fieldsOf(do routes.Rule) (out []routestest.Attack) {
	for a := range routestest.Attacks(alice, victim) {
		if a.Rule.Rule == do {
			a.Body = alice.Body(a.Route)
			out = append(out, a)
		}
	}
	return out
}

func TestTheCallersOwnID(t *testing.T) {
	for _, a := range fieldsOf(routes.Self) {
		t.Run(a.Route.Name(), func(t *testing.T) {
			for name, change := range map[string]func(map[string]any){
				"there":     func(map[string]any) {},
				"absent":    func(b map[string]any) { remove(b, a.Rule.Field) },
				"null":      func(b map[string]any) { routestest.Set(b, a.Rule.Field, nil) },
				"empty":     func(b map[string]any) { routestest.Set(b, a.Rule.Field, "") },
				"shouted":   func(b map[string]any) { respell(b, a.Rule.Field, strings.ToUpper, alice.Self) },
				"whispered": func(b map[string]any) { respell(b, a.Rule.Field, strings.ToLower, alice.Self) },
			} {
				t.Run(name, func(t *testing.T) {
					g := NewWithT(t)
					body := alice.Body(a.Route)
					change(body)
					changed, _, refusal := a.Route.Enforce(caller, body)
					g.Expect(refusal).To(BeNil())
					g.Expect(routestest.Get(changed, a.Rule.Field)).To(Equal([]any{alice.Self}), "in OpenIM's spelling")
				})
			}
		})
	}
}

func TestAnothersIDInUnusualSpellings(t *testing.T) {
	for _, a := range fieldsOf(routes.Self) {
		t.Run(a.Route.Name(), func(t *testing.T) {
			for name, change := range map[string]func(map[string]any){
				"shouted":        func(b map[string]any) { respell(b, a.Rule.Field, strings.ToUpper, victim.Self) },
				"beside one's":   func(b map[string]any) { addSpelling(b, a.Rule.Field, victim.Self) },
				"with the ſ":     func(b map[string]any) { addLongS(b, a.Rule.Field) },
				"null beside":    func(b map[string]any) { addSpelling(b, a.Rule.Field, nil) },
				"with a blank":   func(b map[string]any) { routestest.Set(b, a.Rule.Field, alice.Self+" ") },
				"another case":   func(b map[string]any) { routestest.Set(b, a.Rule.Field, strings.ToUpper(alice.Self)) },
				"with a null":    func(b map[string]any) { routestest.Set(b, a.Rule.Field, alice.Self+"\x00") },
				"a number":       func(b map[string]any) { routestest.Set(b, a.Rule.Field, json.Number("1")) },
				"a list":         func(b map[string]any) { routestest.Set(b, a.Rule.Field, []any{alice.Self}) },
				"an object":      func(b map[string]any) { routestest.Set(b, a.Rule.Field, map[string]any{"$ne": ""}) },
				"true":           func(b map[string]any) { routestest.Set(b, a.Rule.Field, true) },
				"in a long text": func(b map[string]any) { routestest.Set(b, a.Rule.Field, strings.Repeat("a", 4000)) },
			} {
				t.Run(name, func(t *testing.T) {
					g := NewWithT(t)
					body := alice.Body(a.Route)
					change(body)
					_, _, refusal := a.Route.Enforce(caller, body)
					g.Expect(refusal).NotTo(BeNil())
				})
			}
		})
	}
}

// parent returns the object that contains the last part of a field.
func parent(body map[string]any, field string) (object map[string]any, name string) {
	before, last, nested := strings.Cut(field, ".")
	if !nested {
		return body, field
	}
	return body[before].(map[string]any), last
}

func remove(body map[string]any, field string) {
	object, name := parent(body, field)
	delete(object, name)
}

func respell(body map[string]any, field string, spell func(string) string, value any) {
	object, name := parent(body, field)
	delete(object, name)
	object[spell(name)] = value
}

func addSpelling(body map[string]any, field string, value any) {
	object, name := parent(body, field)
	object[strings.ToUpper(name)] = value
}

// addLongS adds the field a second time with U+017F, which Go's decoder treats as an s. Fields without an s get another case.
func addLongS(body map[string]any, field string) {
	object, name := parent(body, field)
	long := strings.Replace(name, "s", "\u017f", 1)
	if long == name {
		long = strings.ToUpper(name)
	}
	object[long] = victim.Self
}

func TestUnknownMembersAreRemoved(t *testing.T) {
	for i := range routes.Table {
		r := &routes.Table[i]
		if r.Example == "" {
			continue
		}
		t.Run(r.Name(), func(t *testing.T) {
			g := NewWithT(t)
			body := alice.Body(r)
			for _, name := range []string{"appManagerLevel", "opUserID", "isAdmin", "$where", "__proto__", ""} {
				if !slices.Contains(routes.Fields(*r), name) {
					body[name] = victim.Self
				}
			}
			changed, _, refusal := r.Enforce(caller, body)
			g.Expect(refusal).To(BeNil())
			g.Expect(changed).To(BeEquivalentTo(alice.Body(r)))
		})
	}
}

// TestNoFieldOfABodyMayNameAnother checks random bodies: in the body that OpenIM receives, no field that selects the acting user names
// another user than the caller.
func TestNoFieldOfABodyMayNameAnother(t *testing.T) {
	var declared []*routes.Route
	for i := range routes.Table {
		if routes.Table[i].Example != "" {
			declared = append(declared, &routes.Table[i])
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		r := rapid.SampledFrom(declared).Draw(t, "route")
		body := alice.Body(r)
		fields := append([]string{"userID", "ownerUserID", "fromUserID"}, routes.Fields(*r)...)
		for range rapid.IntRange(1, 4).Draw(t, "changes") {
			field := rapid.SampledFrom(fields).Draw(t, "field")
			if strings.Contains(field, "{}") {
				continue
			}
			mutate(t, body, field)
		}
		data, err := routes.Encode(body)
		if err != nil {
			t.Skip("no JSON")
		}
		decoded, err := routes.Decode(data)
		if err != nil {
			t.Skip("no JSON object")
		}
		changed, needs, refusal := r.Enforce(caller, decoded)
		if refusal == nil {
			checkOwn(t, r, changed, needs)
		}
	})
}

func mutate(t *rapid.T, body map[string]any, field string) {
	values := []any{alice.Self, victim.Self, victim.Peer, "", nil, true, json.Number("3"), []any{victim.Self},
		[]any{alice.Self, victim.Self},
		map[string]any{"userID": victim.Self}, victim.Pair(), victim.GroupChat(), alice.Pair(), victim.Object(), victim.Group}
	value := rapid.SampledFrom(values).Draw(t, "value")
	spellings := []func(string) string{strings.Clone, strings.ToUpper, strings.ToLower, strings.Title} //nolint:staticcheck // ASCII names
	spell := rapid.SampledFrom(spellings).Draw(t, "spelling")
	steps := strings.Split(field, ".")
	last := strings.TrimSuffix(steps[len(steps)-1], "[]")
	if len(steps) == 1 {
		body[spell(last)] = value
		return
	}
	outer := strings.TrimSuffix(steps[0], "[]")
	switch inner := body[outer].(type) {
	case map[string]any:
		inner[spell(last)] = value
	case []any:
		if len(inner) > 0 {
			if object, ok := inner[0].(map[string]any); ok {
				object[spell(last)] = value
			}
		}
	}
}

type failer interface{ Fatalf(string, ...any) }

// checkOwn inspects a body as OpenIM's decoder does: encoded, decoded, without regard to case.
func checkOwn(t failer, r *routes.Route, changed map[string]any, needs []routes.Need) {
	data, err := routes.Encode(changed)
	if err != nil {
		t.Fatalf("%s: %v", r.Path, err)
	}
	var body map[string]any
	if err := json.Unmarshal(data, &body); err != nil {
		t.Fatalf("%s: %v", r.Path, err)
	}
	known := routes.Fields(*r)
	for _, name := range leaves("", body) {
		if !slices.ContainsFunc(known, func(f string) bool {
			return f == name || strings.TrimSuffix(f, "[]") == name || strings.HasPrefix(f, name+"{}") ||
				strings.HasPrefix(name, strings.TrimSuffix(f, "{}")+".")
		}) {
			t.Fatalf("%s: OpenIM would see %q in %s", r.Path, name, data)
		}
	}
	for _, rule := range r.Identity {
		for _, v := range routestest.Get(body, rule.Field) {
			if bad := violates(rule, v, body, needs); bad {
				t.Fatalf("%s: %s (%s) holds %v in %s", r.Path, rule.Field, rule.Rule, v, data)
			}
		}
	}
}

func violates(rule routes.Identity, v any, body map[string]any, needs []routes.Need) bool {
	s, _ := v.(string)
	switch rule.Rule {
	case routes.Self, routes.Overwritten, routes.EachSelf:
		return s != caller.UserID
	case routes.OneSelf:
		return s != caller.UserID && !slices.Contains(routestest.Get(body, rule.With), any(caller.UserID))
	case routes.Platform:
		return v != float64(caller.PlatformID)
	case routes.Never, routes.Dropped:
		return true
	case routes.OwnName:
		return !strings.HasPrefix(s, caller.UserID+"/")
	case routes.Party, routes.Kept:
		return !strings.Contains(s, caller.UserID) && !needed(needs, rule.Field, s)
	case routes.Member, routes.Manager:
		return !needed(needs, rule.Field, s)
	}
	return false
}

func needed(needs []routes.Need, field, id string) bool {
	return slices.ContainsFunc(needs, func(n routes.Need) bool { return n.Field == field && slices.Contains(n.IDs, id) })
}

// leaves returns the paths of the values in a body, with [] for lists.
func leaves(field string, value any) (out []string) {
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			at := name
			if field != "" {
				at = field + "." + name
			}
			out = append(out, leaves(at, inner)...)
		}
		return out
	case []any:
		for _, inner := range v {
			out = append(out, leaves(field+"[]", inner)...)
		}
		return out
	}
	return []string{field}
}

// FuzzEnforce checks that no text makes Enforce panic or violates the rules.
func FuzzEnforce(f *testing.F) {
	for i := range routes.Table {
		if r := &routes.Table[i]; r.Example != "" {
			data, _ := routes.Encode(alice.Body(r))
			f.Add(r.Path, string(data))
		}
	}
	for a := range routestest.Attacks(alice, victim) {
		data, _ := routes.Encode(a.Body)
		f.Add(a.Route.Path, string(data))
	}
	f.Fuzz(func(t *testing.T, path, text string) {
		r := routes.Find(path)
		body, err := routes.Decode([]byte(text))
		if r == nil || err != nil {
			return
		}
		before := fmt.Sprint(body)
		changed, needs, refusal := r.Enforce(caller, body)
		if fmt.Sprint(body) != before {
			t.Fatalf("%s: the body that came in was changed", path)
		}
		if refusal == nil {
			checkOwn(t, r, changed, needs)
			for _, n := range needs {
				n.Trim(changed, map[string]bool{})
			}
		}
	})
}
