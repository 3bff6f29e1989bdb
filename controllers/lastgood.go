package controllers

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// builtObjects keeps for each component of a stack the objects as they were last built. A component whose references do not resolve now
// keeps them.
type builtObjects interface {
	set(stack *v1alpha1.OpenIMStack, component string, objects []client.Object)
	// get returns nil when nothing is known.
	get(stack *v1alpha1.OpenIMStack, component string) []client.Object
	forget(stack types.NamespacedName)
}

// lastGood keeps built objects in memory: a new process knows none.
type lastGood struct {
	mutex   sync.Mutex
	byStack map[types.NamespacedName]children
}

type children struct {
	owner       types.UID
	byComponent map[string][]client.Object
}

func newLastGood() *lastGood { return &lastGood{byStack: map[types.NamespacedName]children{}} }

func (l *lastGood) set(stack *v1alpha1.OpenIMStack, component string, objects []client.Object) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	key := client.ObjectKeyFromObject(stack)
	known := l.byStack[key]
	if known.owner != stack.UID || known.byComponent == nil {
		known = children{stack.UID, map[string][]client.Object{}}
		l.byStack[key] = known
	}
	known.byComponent[component] = objects
}

// get returns nil for a stack that was deleted and created again.
func (l *lastGood) get(stack *v1alpha1.OpenIMStack, component string) []client.Object {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if kept := l.byStack[client.ObjectKeyFromObject(stack)]; kept.owner == stack.UID {
		return kept.byComponent[component]
	}
	return nil
}

func (l *lastGood) forget(stack types.NamespacedName) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	delete(l.byStack, stack)
}
