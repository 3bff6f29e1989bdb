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

// intent is the desired graph of a stack. Immutable. Intents are compared by pointer, so that results for an older graph are discarded:
// while policies are being replaced, the live policies match neither graph, and an audit would report the operator's own work as a breach.
type intent struct {
	graph    graph.Graph
	problems []string
	// namespaces that an audit of the graph reads.
	namespaces []string
}

// errOutdated replaces a snapshot that was read while the desired graph changed.
var errOutdated = errors.New("the desired graph changed")

// Intend sets the graph of a stack's policies, and the problems of its references. When either is new, the stack is not audited until
// Applied is called, and earlier results no longer count.
func (p *Prober) Intend(key types.NamespacedName, g graph.Graph, problems []string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	s := p.state(key)
	same := s.intent != nil && reflect.DeepEqual(s.intent.graph, g)
	if same && slices.Equal(s.intent.problems, problems) {
		return
	}
	s.latest.Outdated = s.latest.Outdated || s.intent != nil && !same
	s.intent, s.applying = &intent{g, problems, p.scope(g).Namespaces}, true
}

// Applied reports that the policies of the last intent are written, or that writing them failed. The caller must call it soon after Intend.
// It requeues the stack.
func (p *Prober) Applied(key types.NamespacedName) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if s := p.stacks[key]; s != nil && s.applying {
		s.applying, s.dirty = false, true
		p.ownQueue.requeue(key, debounce)
	}
}

// take returns the state of a stack, its intent, and whether something changed since the last audit. The intent is nil while it is unknown
// or not applied.
func (p *Prober) take(key types.NamespacedName) (s *stackState, wanted *intent, dirty bool) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	s = p.state(key)
	if s.applying {
		return s, nil, false
	}
	dirty, s.dirty = s.dirty, false
	return s, s.intent, dirty
}

// read returns a snapshot of the objects that an intent concerns. It returns errOutdated when the intent was replaced meanwhile.
func (p *Prober) read(ctx context.Context, s *stackState, wanted *intent) (*snapshot.Snapshot, error) {
	w, err := snapshot.Read(ctx, p.live, p.scope(wanted.graph))
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if s.intent != wanted {
		return nil, errOutdated
	}
	return w, err
}
