package celrules

import (
	"strings"
	"unicode"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// object is a JSON object as OpenIM reads it: member names are compared without regard to case, as encoding/json does.
// A rule about contentType would otherwise be passed by with CONTENTTYPE. A member that stands there in two spellings
// is an error, and so a refusal: which of them OpenIM takes is not ours to guess.
//
// An object serves one evaluation at a time.
type object struct {
	traits.Mapper // the members as they are spelt: iteration, size, equality

	members map[string]any
	folded  map[string]ref.Val // by folded name; built at the first search
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
				o.folded[name] = types.NewErr("a member stands twice in different spellings")
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

// adapter turns what wire.DecodeObject gives into values of CEL's, with every object inside an object of ours.
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

// fold gives names that differ in case alone the same text: each letter's smallest among those that fold to it.
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
