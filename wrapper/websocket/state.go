package websocket

import (
	"fmt"
	"hash/maphash"
	"slices"
	"sync"

	"github.com/openimstack/openim-operator/wrapper/bounds"
)

// socketState is what the frame check stores for one open socket.
type socketState struct {
	mu sync.Mutex
	// subscriptions are hashes of the users to whose presence the socket is subscribed in msggateway.
	subscriptions map[uint64]struct{}
	// receivers are the latest receivers that were found to exist.
	receivers []string
}

// maxReceivers is the number of receivers that are remembered.
const maxReceivers = 16

var presenceText = fmt.Sprintf("a connection may subscribe to the presence of %d users at most: unsubscribe some first", bounds.Presence)

// seed is random for each process, so that nobody can compute two users with the same hash.
var seed = maphash.MakeSeed()

// subscribe removes and adds subscriptions, in OpenIM's order. It returns false and changes nothing if there would be too many.
func (h *socketState) subscribe(more, less []string) bool {
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

// remembers reports whether a receiver was found to exist recently.
func (h *socketState) remembers(user string) bool {
	if h == nil {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Contains(h.receivers, user)
}

// remember adds a receiver and drops the oldest one.
func (h *socketState) remember(user string) {
	if h == nil || h.remembers(user) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.receivers) >= maxReceivers {
		h.receivers = append(h.receivers[:0], h.receivers[1:]...)
	}
	h.receivers = append(h.receivers, user)
}

// pair returns the id of the conversation of two users (pkg/msgprocessor/conversation.go).
func pair(a, b string) string { return singlePrefix + min(a, b) + "_" + max(a, b) }
