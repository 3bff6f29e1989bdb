package websocket

import (
	"fmt"
	"hash/maphash"
	"slices"
	"sync"

	"github.com/openimstack/openim-operator/wrapper/bounds"
)

// held is what the guard remembers of one socket while it is open.
type held struct {
	mu sync.Mutex
	// subscriptions are the users whose presence the socket hears of, as OpenIM's msggateway has them, by hash.
	subscriptions map[uint64]struct{}
	// met are the last receivers that were found to exist.
	met []string
}

// maxMet is how many receivers a socket remembers.
const maxMet = 16

var presenceText = fmt.Sprintf("a connection hears of the presence of %d users at most: unsubscribe some first", bounds.Presence)

// seed makes the hashes of this process its own: nobody outside can find two users with the same.
var seed = maphash.MakeSeed()

// subscribe takes users out and puts others in, in OpenIM's order. False: there would be too many, and nothing was changed.
func (h *held) subscribe(more, less []string) bool {
	if h == nil {
		return len(more) <= bounds.Presence
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	gone := make(map[uint64]struct{}, len(less))
	for _, user := range less {
		key := maphash.String(seed, user)
		if _, is := h.subscriptions[key]; is {
			gone[key] = struct{}{}
		}
	}
	added := make(map[uint64]struct{}, len(more))
	for _, user := range more {
		key := maphash.String(seed, user)
		if _, is := h.subscriptions[key]; is {
			delete(gone, key)
			continue
		}
		added[key] = struct{}{}
	}
	if len(h.subscriptions)-len(gone)+len(added) > bounds.Presence {
		return false
	}
	for key := range gone {
		delete(h.subscriptions, key)
	}
	if h.subscriptions == nil {
		h.subscriptions = make(map[uint64]struct{}, len(added))
	}
	for key := range added {
		h.subscriptions[key] = struct{}{}
	}
	return true
}

// knows reports whether a receiver was found to exist a moment ago.
func (h *held) knows(user string) bool {
	if h == nil {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Contains(h.met, user)
}

// meet remembers a receiver in the place of the oldest.
func (h *held) meet(user string) {
	if h == nil || h.knows(user) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.met) >= maxMet {
		h.met = append(h.met[:0], h.met[1:]...)
	}
	h.met = append(h.met, user)
}

// pair is the conversation of two users (pkg/msgprocessor/conversation.go).
func pair(a, b string) string { return singlePrefix + min(a, b) + "_" + max(a, b) }
