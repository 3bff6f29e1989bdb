package controllers

import (
	"context"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/openim"
)

// claimRegistry records which parts of stores each stack claims and holds, and requeues the other stacks that a change concerns. After a
// restart of the operator it starts from status.stores of the stacks.
type claimRegistry struct {
	// using is held from a comparison to the use of what it permits.
	using   sync.Mutex
	mutex   sync.Mutex
	entries map[types.NamespacedName]claimEntry
	queue   workqueue.TypedRateLimitingInterface[reconcile.Request]
}

type claimEntry struct {
	owner      types.UID
	generation int64
	// wanted by the spec of that generation, and held by the stack's children.
	wanted, held []openim.Claim
	// related are the stacks on which the last comparison depended.
	related []types.NamespacedName
}

var _ source.Source = (*claimRegistry)(nil)

func newClaimRegistry() *claimRegistry {
	return &claimRegistry{entries: map[types.NamespacedName]claimEntry{}}
}

// Start implements source.Source. The controller reconciles all stacks when it starts, so requests from before need not be kept.
func (l *claimRegistry) Start(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.queue = queue
	return nil
}

// exclusively runs a comparison and the use that follows from it. No other stack may be compared between the two: both would find the same
// store free.
func (l *claimRegistry) exclusively(run func() error) error {
	l.using.Lock()
	defer l.using.Unlock()
	return run()
}

// compare compares the claims of a stack with those of all other stacks, and records them.
func (l *claimRegistry) compare(stack *v1alpha1.OpenIMStack, wanted []openim.Claim, all []*v1alpha1.OpenIMStack) dependencies.Sharing {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	self := l.tenant(stack)
	self.Wanted = wanted
	var others []dependencies.Tenant
	for _, other := range all {
		if other.UID != stack.UID {
			others = append(others, l.tenant(other))
		}
	}
	sharing := dependencies.Shared(self, others)
	l.put(self.Name, claimEntry{stack.UID, stack.Generation, wanted, self.Held, sharing.With})
	return sharing
}

// tenant returns the claims of a stack. When the stack was not reconciled since its spec changed, the claims come from the spec. A copy of
// the stack that is older than its last reconciliation, which another worker made meanwhile, does not count.
func (l *claimRegistry) tenant(stack *v1alpha1.OpenIMStack) dependencies.Tenant {
	name := client.ObjectKeyFromObject(stack)
	t := dependencies.Tenant{Name: name, UID: stack.UID, Created: stack.CreationTimestamp.Time}
	known := l.entries[name]
	if known.owner == stack.UID {
		t.Held = known.held
	} else {
		for _, text := range stack.Status.Stores {
			if c, ok := openim.ParseClaim(text); ok {
				t.Held = append(t.Held, c)
			}
		}
	}
	t.Wanted = known.wanted
	if known.owner != stack.UID || known.generation < stack.Generation {
		t.Wanted = dependencies.ClaimsOfSpec(stack)
	}
	return t
}

// record notes that a stack's children use what the stack wants. Until all children have been rolled out, the stack
// holds its earlier claims too.
func (l *claimRegistry) record(stack *v1alpha1.OpenIMStack, settled bool) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	name := client.ObjectKeyFromObject(stack)
	known := l.entries[name]
	if known.owner != stack.UID {
		return
	}
	held := slices.Clone(known.wanted)
	if !settled {
		held = append(held, known.held...)
	}
	known.held = uniqueClaims(held)
	l.put(name, known)
}

// use adds the wanted claims that a stack's components are about to use to those that the stack holds.
func (l *claimRegistry) use(stack *v1alpha1.OpenIMStack, used func(openim.Claim) bool) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	name := client.ObjectKeyFromObject(stack)
	known := l.entries[name]
	if known.owner != stack.UID {
		return
	}
	added := slices.DeleteFunc(slices.Clone(known.wanted), func(c openim.Claim) bool { return !used(c) })
	known.held = uniqueClaims(append(added, known.held...))
	l.put(name, known)
}

// held returns the claims of a stack for status.stores.
func (l *claimRegistry) held(stack *v1alpha1.OpenIMStack) []string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	known := l.entries[client.ObjectKeyFromObject(stack)]
	if known.owner != stack.UID {
		return stack.Status.Stores
	}
	return claimTexts(known.held)
}

func (l *claimRegistry) forget(name types.NamespacedName) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.put(name, claimEntry{})
	delete(l.entries, name)
}

// put replaces an entry. When the claims changed, it requeues the stacks that the change concerns.
func (l *claimRegistry) put(name types.NamespacedName, now claimEntry) {
	before := l.entries[name]
	l.entries[name] = now
	same := slices.Equal(claimTexts(before.wanted), claimTexts(now.wanted)) && slices.Equal(claimTexts(before.held), claimTexts(now.held))
	if same || l.queue == nil {
		return
	}
	touched := map[string]bool{}
	for _, c := range slices.Concat(before.wanted, before.held, now.wanted, now.held) {
		touched[c.Address] = true
	}
	for other, e := range l.entries {
		meets := slices.ContainsFunc(slices.Concat(e.wanted, e.held), func(c openim.Claim) bool { return touched[c.Address] })
		if other != name && (meets || slices.Contains(e.related, name)) {
			l.queue.Add(reconcile.Request{NamespacedName: other})
		}
	}
}

// claimTexts of claims, in order, each once.
func claimTexts(claims []openim.Claim) []string {
	var all []string
	for _, c := range claims {
		all = append(all, c.String())
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func uniqueClaims(claims []openim.Claim) []openim.Claim {
	var kept []openim.Claim
	for _, c := range claims {
		if !slices.ContainsFunc(kept, func(k openim.Claim) bool { return k.String() == c.String() }) {
			kept = append(kept, c)
		}
	}
	return kept
}
