package freeport

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
)

// Linux takes source ports from 32768 on (Documentation/networking/ip-sysctl.rst, ip_local_port_range), and Kubernetes its node ports
// from 30000 on. OpenIM's ports are below 20000.
const (
	first = 20000
	count = 10000
)

// Address returns 127.0.0.1:PORT for a server of a test, as Take does.
func Address(t testing.TB) string {
	t.Helper()
	address, err := Take()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// Take returns an address on loopback, 127.0.0.1:PORT, on which nobody listens. It belongs to this process until the process ends: no
// other call returns it, also not in another process.
func Take() (string, error) { return ports.take(first, count) }

var ports taken

// taken are the ports of this process.
type taken struct {
	sync.Mutex
	locks []net.Listener
}

func (h *taken) take(first, count int) (string, error) {
	start := rand.IntN(count) //nolint:gosec // processes that begin at different places seldom meet
	for i := range count {
		port := first + (start+i)%count
		// A name without a file: the kernel knows it in this network namespace alone, as it does a port, and forgets it with the process.
		lock, err := net.Listen("unix", fmt.Sprintf("@openim-operator-test-port-%d", port))
		if err != nil {
			continue
		}
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if !vacant(address) {
			_ = lock.Close()
			continue
		}
		h.Lock()
		h.locks = append(h.locks, lock) // a listener that nobody holds is closed when garbage is collected
		h.Unlock()
		return address, nil
	}
	return "", errors.New("taking a port for a test: none is free between " + strconv.Itoa(first) + " and " + strconv.Itoa(first+count-1))
}

func vacant(address string) bool {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return false
	}
	_ = listener.Close()
	return true
}
