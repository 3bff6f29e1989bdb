package supervisor

import (
	"context"
	"slices"
	"sync"

	"github.com/openimstack/openim-operator/supervisor/termination"
)

// unreachable returns the stores of which no address accepts a connection, in the order of the arguments.
func unreachable(ctx context.Context, a *Arguments) []termination.StoreName {
	stores := slices.Clone(a.Stores)
	for _, address := range a.Etcd {
		stores = append(stores, Store{termination.Etcd, address})
	}
	open := make([]bool, len(stores))
	var all sync.WaitGroup
	for i, s := range stores {
		all.Go(func() { open[i] = accepts(ctx, s.Address) })
	}
	all.Wait()
	var names []termination.StoreName
	for _, s := range stores {
		reached := false
		for i, other := range stores {
			reached = reached || other.Name == s.Name && open[i]
		}
		if !reached && !slices.Contains(names, s.Name) {
			names = append(names, s.Name)
		}
	}
	return names
}
