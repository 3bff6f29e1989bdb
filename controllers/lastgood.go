package controllers

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// lastGood keeps for each stack the children of the last spec that resolved. When a reference breaks later, the operator still repairs the
// existing children, above all the policies.
type lastGood struct {
	mutex   sync.Mutex
	byStack map[types.NamespacedName]children
}

type children struct {
	owner   types.UID
	objects []client.Object
}

func newLastGood() *lastGood { return &lastGood{byStack: map[types.NamespacedName]children{}} }

func (l *lastGood) set(stack *v1alpha1.OpenIMStack, objects []client.Object) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.byStack[client.ObjectKeyFromObject(stack)] = children{stack.UID, objects}
}

// get returns nil for a stack that was deleted and created again.
func (l *lastGood) get(stack *v1alpha1.OpenIMStack) []client.Object {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if kept := l.byStack[client.ObjectKeyFromObject(stack)]; kept.owner == stack.UID {
		return kept.objects
	}
	return nil
}

func (l *lastGood) forget(stack types.NamespacedName) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	delete(l.byStack, stack)
}
