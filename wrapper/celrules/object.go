package celrules

import (
	"strings"
	"unicode"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// object is a JSON object whose members are found without regard to case, as OpenIM's decoder (encoding/json) finds them. Otherwise
// CONTENTTYPE would evade a rule about contentType. A member in two spellings is an error, so that the call is refused: it is unknown
// which of the two OpenIM would use.
//
// An object is not safe for concurrent use.
type object struct {
	traits.Mapper // iteration, size and equality use the members as spelt

	members map[string]any
	folded  map[string]ref.Val // by folded name; built by the first Find
}

func newObject(members map[string]any) *object {
	return &object{Mapper: types.NewStringInterfaceMap(json, members), members: members}
}

// Find implements traits.Mapper.
func (o *object) Find(key ref.Val) (ref.Val, bool) {
	name, ok := key.(types.String)
	if !ok {
		return types.MaybeNoSuchOverloadErr(key), false
	}
	if o.folded == nil {
		o.folded = make(map[string]ref.Val, len(o.members))
		for spelt, value := range o.members {
			name := fold(spelt)
			if _, twice := o.folded[name]; twice {
				o.folded[name] = types.NewErr("a member occurs twice in different spellings")
				continue
			}
			o.folded[name] = json.NativeToValue(value)
		}
	}
	value, there := o.folded[fold(string(name))]
	if types.IsError(value) {
		return value, false
	}
	return value, there
}

// Get implements traits.Indexer.
func (o *object) Get(key ref.Val) ref.Val {
	value, there := o.Find(key)
	if there || value != nil {
		return value
	}
	return types.NewErr("no such key")
}

// Contains implements traits.Container: the operator in.
func (o *object) Contains(key ref.Val) ref.Val {
	value, there := o.Find(key)
	if !there && value != nil {
		return value
	}
	return types.Bool(there)
}

// adapter converts values of wire.DecodeObject to values of CEL, and every JSON object to an object.
type adapter struct{ types.Adapter }

var json = adapter{types.DefaultTypeAdapter}

func (a adapter) NativeToValue(value any) ref.Val {
	switch v := value.(type) {
	case map[string]any:
		return newObject(v)
	case []any:
		return types.NewDynamicList(a, v)
	}
	return a.Adapter.NativeToValue(value)
}

// fold returns the same text for names that differ in case only: it replaces each letter by the smallest letter that folds to it.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r < 0x80:
			return r
		}
		for {
			next := unicode.SimpleFold(r)
			if next <= r {
				return next
			}
			r = next
		}
	}, name)
}
