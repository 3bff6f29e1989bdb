package prober

import (
	"context"
	"errors"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// intent is what a stack wants to let through. Each new one is another object, by which what was seen under an earlier one is recognised:
// between two intents the policies are neither the one's nor the other's, and an audit would take the operator's own work for a breach.
type intent struct {
	graph    graph.Graph
	problems []string
	// namespaces that are read for it.
	namespaces []string
}

// errOutdated is returned instead of what was read while the stack began to want something else.
var errOutdated = errors.New("the stack wants something else by now")

// Intend tells what a stack wants to let through, and which of its references did not resolve. When that is new, the stack is not looked
// at until Applied is called, and what was found before proves nothing any more.
func (p *Prober) Intend(key types.NamespacedName, g graph.Graph, problems []string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	s := p.state(key)
	if s.intent != nil && len(problems) > 0 {
		g = s.intent.graph // what the last good references gave is what still runs
	}
	same := s.intent != nil && reflect.DeepEqual(s.intent.graph, g)
	if same && slices.Equal(s.intent.problems, problems) {
		return
	}
	s.latest.Outdated = s.latest.Outdated || s.intent != nil && !same
	s.intent, s.applying = &intent{g, problems, p.scope(g).Namespaces}, true
}

// Applied tells that the policies of what was last intended are written, or that they could not be. It must follow Intend soon.
func (p *Prober) Applied(key types.NamespacedName) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if s := p.stacks[key]; s != nil && s.applying {
		s.applying, s.dirty = false, true
		p.ownQueue.requeue(key, debounce)
	}
}

// take returns what a stack wants, nil while that is not known or not applied, and whether something has changed since the last look.
func (p *Prober) take(key types.NamespacedName) (s *stackState, wanted *intent, stirred bool) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	s = p.state(key)
	if s.applying {
		return s, nil, false
	}
	stirred, s.dirty = s.dirty, false
	return s, s.intent, stirred
}

// read takes a snapshot of what matters to an intent.
func (p *Prober) read(ctx context.Context, s *stackState, wanted *intent) (*snapshot.World, error) {
	w, err := snapshot.Read(ctx, p.live, p.scope(wanted.graph))
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if s.intent != wanted {
		return nil, errOutdated
	}
	return w, err
}
