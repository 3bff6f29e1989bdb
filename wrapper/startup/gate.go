package startup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/openimstack/openim-operator/supervisor/termination"
)

const (
	// Patience is how long a replica waits for a store that does not answer. RefusalPatience is for a store that refuses the replica. Both
	// are short, because the operator can name the store only when the container has ended: within 20 s of the change of the spec, of
	// which the start of the pod takes 4 to 8 s. The kubelet starts it again.
	Patience        = 11 * time.Second
	RefusalPatience = 10 * time.Second

	pause      = time.Second
	tryTimeout = 4 * time.Second
)

// Store is one store of the replica.
type Store struct {
	Name termination.StoreName
	// Use makes the store answer with the replica's credentials.
	Use func(context.Context) error
	// Reason classifies an error of Use.
	Reason func(error) termination.StoreReason
}

// Gate is closed until every store has answered once. Then it stays open.
type Gate struct {
	stores []Store
	log    *slog.Logger
	now    func() time.Time
	path   string
	failed chan error

	mu   sync.Mutex
	last []termination.StoreReason // by store, empty once the store has answered
	open []bool
}

// New returns a gate for the stores. Run must be called for it to open. Patience is measured by now.
func New(log *slog.Logger, now func() time.Time, stores ...Store) *Gate {
	return &Gate{
		stores: stores, log: log, now: now, path: termination.Path, failed: make(chan error, 1),
		last: make([]termination.StoreReason, len(stores)), open: make([]bool, len(stores)),
	}
}

// Check returns nil when every store has answered once. It is a check of readiness.
func (g *Gate) Check(context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	var waiting []string
	for i, s := range g.stores {
		if !g.open[i] {
			waiting = append(waiting, fmt.Sprintf("%s (%s)", s.Name, g.reason(i)))
		}
	}
	if len(waiting) > 0 {
		return errors.New("no answer since the start from " + strings.Join(waiting, ", "))
	}
	return nil
}

// reason returns why a store is waited for. A store that was not tried to the end is one that does not answer.
func (g *Gate) reason(i int) termination.StoreReason {
	if g.last[i] == "" {
		return termination.Unreachable
	}
	return g.last[i]
}

// Failed returns the channel that gets an error when a store has not answered in time. The process must end then.
func (g *Gate) Failed() <-chan error { return g.failed }

// Run tries the stores until each has answered, or the patience with one is over, or ctx ends.
func (g *Gate) Run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lost := make(chan struct{}, len(g.stores))
	var all sync.WaitGroup
	for i := range g.stores {
		all.Go(func() {
			if !g.await(ctx, i) && ctx.Err() == nil {
				lost <- struct{}{}
				cancel() // the message names all stores that have not answered until now
			}
		})
	}
	all.Wait()
	select {
	case <-lost:
		g.failed <- g.report()
	default:
	}
}

// await tries one store until it answers, and returns false when it did not in time.
func (g *Gate) await(ctx context.Context, i int) bool {
	start := g.now()
	for {
		trying, cancel := context.WithTimeout(ctx, tryTimeout)
		err := g.stores[i].Use(trying)
		cancel()
		if ctx.Err() != nil {
			return false
		}
		if err == nil {
			g.set(i, "", true)
			g.log.Info("the store has answered", "store", string(g.stores[i].Name))
			return true
		}
		reason := g.stores[i].Reason(err)
		if g.set(i, reason, false) {
			g.log.Warn("not ready before the store answers", "store", string(g.stores[i].Name), "reason", string(reason), "error", err.Error())
		}
		patience := Patience
		if reason.Terminal() {
			patience = RefusalPatience
		}
		if g.now().Sub(start) >= patience {
			return false
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pause):
		}
	}
}

// set records the state of a store, and reports whether it changed.
func (g *Gate) set(i int, reason termination.StoreReason, open bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	changed := g.last[i] != reason
	g.last[i], g.open[i] = reason, open
	return changed
}

// report writes the termination message and returns the error that ends the process. Outside of Kubernetes there is no file for the
// message; then the log alone tells.
func (g *Gate) report() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	var message termination.Preflight
	var names []string
	for i, s := range g.stores {
		if !g.open[i] {
			message.Stores = append(message.Stores, termination.StoreFailure{Store: s.Name, Reason: g.reason(i), Message: remedy(g.reason(i))})
			names = append(names, string(s.Name))
		}
	}
	text, err := message.Encode()
	if err == nil {
		err = overwrite(g.path, text)
	}
	if err != nil {
		g.log.Warn("the termination message was not written", "error", err.Error())
	}
	return fmt.Errorf("starting: no answer from %s: correct the address or the credentials", strings.Join(names, ", "))
}

// overwrite replaces the content of a file that exists: the kubelet makes it.
func overwrite(path string, text []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Close())
}

// remedy returns the sentence of a termination message.
func remedy(reason termination.StoreReason) string {
	switch reason {
	case termination.AuthenticationFailed:
		return "user name or password is wrong, or missing: correct the Secret"
	case termination.PermissionDenied:
		return "the user may not do what the wrapper needs: see docs/preflight.md"
	case termination.WrongMode:
		return "the server is not of the expected kind: check the number of addresses, the database's number and that it is no replica"
	case termination.TLSRequired:
		return "the TLS connection fails: check tls and the authority in its Secret"
	case termination.Loading:
		return "Redis reads its data from disk"
	case termination.NoPrimary:
		return "the replica set has no primary that can be reached"
	}
	return "no connection, or no answer: check the address, that the store runs, and the policies of its namespace"
}
