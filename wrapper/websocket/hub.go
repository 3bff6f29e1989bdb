package websocket

import (
	"context"
	"sync"
	"time"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// codeTooMany is OpenIM's ConnOverMaxNumLimit: SDKs wait and come back.
const codeTooMany = 1601

var (
	tooMany  = wire.Unavailable.Because("there are too many open sockets: close one, or try again later").Coded(codeTooMany)
	draining = wire.Unavailable.Because("this replica is going away: connect again")
)

// hub knows the open sockets and those being opened.
type hub struct {
	mu       sync.Mutex
	max      int
	perUser  int
	perDev   int
	reserved int
	users    map[string]int
	devices  map[string]int
	sockets  map[*socket]struct{}
	draining bool
	empty    chan struct{} // closed when draining and nothing is left
}

func newHub(most, perUser, perDevice int) hub {
	return hub{max: most, perUser: perUser, perDev: perDevice, users: map[string]int{}, devices: map[string]int{}, sockets: map[*socket]struct{}{}, empty: make(chan struct{})}
}

// room says early that there is none, before anything is asked of anybody.
func (h *hub) room() *wire.Failure {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.draining:
		return &draining
	case h.reserved >= h.max:
		return &tooMany
	}
	return nil
}

// reserve counts a socket from before it is opened until release.
func (h *hub) reserve(id Identity) *wire.Failure {
	h.mu.Lock()
	defer h.mu.Unlock()
	if failure := h.refusal(id); failure != nil {
		return failure
	}
	h.reserved++
	h.users[id.UserID]++
	h.devices[deviceKey(id)]++
	return nil
}

// full says why a user gets no further socket; nil: they would get one.
func (h *hub) full(id Identity) *wire.Failure {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.refusal(id)
}

func (h *hub) refusal(id Identity) *wire.Failure {
	switch {
	case h.draining:
		return &draining
	case h.reserved >= h.max, h.users[id.UserID] >= h.perUser, h.devices[deviceKey(id)] >= h.perDev:
		return &tooMany
	}
	return nil
}

func deviceKey(id Identity) string { return id.UserID + "\x00" + id.DeviceID }

func (h *hub) release(id Identity) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.free(id)
}

func (h *hub) free(id Identity) {
	h.reserved--
	less(h.users, id.UserID)
	less(h.devices, deviceKey(id))
	if h.draining && h.reserved == 0 {
		close(h.empty)
	}
}

func less(m map[string]int, key string) {
	if m[key]--; m[key] <= 0 {
		delete(m, key)
	}
}

// add lists an open socket. False: the replica began to drain meanwhile.
func (h *hub) add(s *socket) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.draining {
		return false
	}
	h.sockets[s] = struct{}{}
	return true
}

// leave takes a socket off the list and frees its place.
func (h *hub) leave(s *socket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sockets, s)
	h.free(s.id)
}

func (h *hub) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.sockets)
}

func (h *hub) list(of func(*socket) bool) []*socket {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []*socket
	for s := range h.sockets {
		if of(s) {
			out = append(out, s)
		}
	}
	return out
}

// Drain refuses new sockets and closes the open ones, evenly over window, so that their clients do not all come back at once.
// It returns when none is left, or with the context's error.
func (r *Relay) Drain(ctx context.Context, window time.Duration) error {
	r.hub.mu.Lock()
	first := !r.hub.draining
	r.hub.draining = true
	if first && r.hub.reserved == 0 {
		close(r.hub.empty)
	}
	r.hub.mu.Unlock()
	all := r.hub.list(func(*socket) bool { return true })
	if len(all) > 0 {
		pause := time.NewTicker(max(window/time.Duration(len(all)), time.Microsecond))
		defer pause.Stop()
		for _, s := range all {
			s.end(endDraining)
			select {
			case <-pause.C:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
	select {
	case <-r.hub.empty:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
