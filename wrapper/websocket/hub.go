package websocket

import (
	"context"
	"sync"
	"time"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// codeTooMany is OpenIM's ConnOverMaxNumLimit. SDKs wait and connect again.
const codeTooMany = 1601

var (
	tooMany  = wire.Unavailable.Because("there are too many open sockets: close one, or try again later").Coded(codeTooMany)
	draining = wire.Unavailable.Because("this replica is stopping: connect again")
)

// hub counts the open sockets and those being opened.
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
	empty    chan struct{} // closed when the hub drains and has no sockets
}

func newHub(most, perUser, perDevice int) hub {
	return hub{
		max: most, perUser: perUser, perDev: perDevice, users: map[string]int{}, devices: map[string]int{},
		sockets: map[*socket]struct{}{}, empty: make(chan struct{}),
	}
}

// checkCapacity returns a failure if the replica accepts no socket, before any server is called.
func (h *hub) checkCapacity() *wire.Failure {
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

// reserve counts a socket before it is opened. release or remove ends the count.
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

// check returns the failure that reserve would return, and counts nothing.
func (h *hub) check(id Identity) *wire.Failure {
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
	decrement(h.users, id.UserID)
	decrement(h.devices, deviceKey(id))
	if h.draining && h.reserved == 0 {
		close(h.empty)
	}
}

func decrement(m map[string]int, key string) {
	if m[key]--; m[key] <= 0 {
		delete(m, key)
	}
}

// add registers an open socket. It returns false if the replica began to drain meanwhile.
func (h *hub) add(s *socket) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.draining {
		return false
	}
	h.sockets[s] = struct{}{}
	return true
}

// remove unregisters a socket and ends its count.
func (h *hub) remove(s *socket) {
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

// Drain refuses new sockets and closes the open ones evenly over window, so that their clients do not all reconnect at once. It returns
// when none is left, or with the context's error.
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
