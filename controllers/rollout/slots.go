package rollout

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// Slots bounds how many stacks are rolled out at a time. It has no queue: a stack that gets none asks again. It is safe for use by several
// goroutines.
type Slots struct {
	mutex sync.Mutex
	most  int
	held  map[types.NamespacedName]bool
}

// NewSlots returns the given number of free slots.
func NewSlots(most int) *Slots { return &Slots{most: most, held: map[types.NamespacedName]bool{}} }

// Acquire reports whether the stack holds a slot, and gives it a free one. moving are the stacks whose status says that a rollout is
// under way: they keep their slots when another operator becomes the leader, and so count also before they are reconciled. A stack that
// is moving always gets its slot back.
func (s *Slots) Acquire(stack types.NamespacedName, moving []types.NamespacedName) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.held[stack] {
		return true
	}
	taken := len(s.held)
	for _, other := range moving {
		if other == stack {
			s.held[stack] = true
			return true
		}
		if !s.held[other] {
			taken++
		}
	}
	if taken >= s.most {
		return false
	}
	s.held[stack] = true
	return true
}

// Holds reports whether the stack holds a slot.
func (s *Slots) Holds(stack types.NamespacedName) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.held[stack]
}

// Release frees the slot of a stack.
func (s *Slots) Release(stack types.NamespacedName) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	delete(s.held, stack)
}
