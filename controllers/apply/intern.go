package apply

import (
	"reflect"
	"strings"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// internedBytes is the longest text that is shared. Longer ones are rarely the same.
	internedBytes = 128
	// internedTexts bounds the table. When it is full it starts anew: what is shared stays shared, and other writers of labels cannot fill
	// the memory.
	internedTexts = 1 << 14
)

// interned shares texts among the objects of the cache. A decoder makes a copy of each label, name of a variable and path of a mount for
// each object, and most are the same in all stacks.
type interned struct {
	mutex sync.Mutex
	texts map[string]string
}

var shared = interned{texts: map[string]string{}}

func (t *interned) text(s string) string {
	if len(s) > internedBytes {
		return s
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if known, ok := t.texts[s]; ok {
		return known
	}
	if len(t.texts) >= internedTexts {
		clear(t.texts)
	}
	s = strings.Clone(s) // it may be a part of a longer text
	t.texts[s] = s
	return s
}

// share makes an object that is about to enter the cache share the texts of its labels, annotations, owners and of a part of it with the
// objects that are there. part is a pointer, or nil. The UID and the versions of an object are its own.
func (t *interned) share(o client.Object, part any) {
	o.SetNamespace(t.text(o.GetNamespace()))
	o.SetLabels(t.textMap(o.GetLabels()))
	o.SetAnnotations(t.textMap(o.GetAnnotations()))
	owners := o.GetOwnerReferences()
	for i := range owners {
		t.value(reflect.ValueOf(&owners[i]))
		owners[i].Controller, owners[i].BlockOwnerDeletion = sharedBool(owners[i].Controller), sharedBool(owners[i].BlockOwnerDeletion)
	}
	o.SetOwnerReferences(owners)
	if part != nil {
		t.value(reflect.ValueOf(part))
	}
}

var yes, no = true, false

// sharedBool returns a pointer to the same value that all objects share.
func sharedBool(b *bool) *bool {
	switch {
	case b == nil:
		return nil
	case *b:
		return &yes
	default:
		return &no
	}
}

func (t *interned) textMap(m map[string]string) map[string]string {
	if m == nil {
		return nil
	}
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[t.text(k)] = t.text(v)
	}
	return out
}

// value shares the texts below a value of the API's types. Fields that a package keeps to itself stay as they are.
func (t *interned) value(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			t.value(v.Elem())
		}
	case reflect.Struct:
		for _, f := range v.Fields() {
			if f.CanSet() {
				t.value(f)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			t.value(v.Index(i))
		}
	case reflect.Map:
		if m, ok := reflect.TypeAssert[map[string]string](v); ok && v.CanSet() {
			v.Set(reflect.ValueOf(t.textMap(m)))
		}
	case reflect.String:
		if v.CanSet() {
			v.SetString(t.text(v.String()))
		}
	default: // numbers, and bytes, which no text is
	}
}
