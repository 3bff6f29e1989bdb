package snapshot

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	// absenceTTL is how long a kind that the API server does not serve is assumed to be absent.
	absenceTTL = time.Minute
	// askAgain is how long after a failed query of the groups the next one is made. Until then each kind is asked for.
	askAgain = 10 * time.Second
	// groupsTimeout bounds a query of the groups.
	groupsTimeout = 5 * time.Second
)

// AbsentKinds remembers the kinds that a cluster does not serve. Snapshots are taken every few seconds, and a RESTMapper queries the API
// server twice for each kind that it does not find. AbsentKinds is safe for concurrent use. A nil AbsentKinds remembers nothing.
type AbsentKinds struct {
	groups func(context.Context) ([]string, error)

	mutex  sync.Mutex
	absent map[schema.GroupKind]time.Time
	// served are the API groups as of readAt, nil when they are not known.
	served map[string]bool
	readAt time.Time
	// asking is true while a query is under way: other snapshots do not wait for it.
	asking bool
}

// NewAbsentKinds returns an AbsentKinds. groups returns the names of the API groups that the cluster serves: with it, the kinds of all
// absent groups, which are nearly all absent kinds, cost one query each minute in which a snapshot is taken. It may be nil.
func NewAbsentKinds(groups func(context.Context) ([]string, error)) *AbsentKinds {
	return &AbsentKinds{groups: groups}
}

// IsAbsent reports whether it is known that the cluster did not serve a kind within the last minute.
func (c *AbsentKinds) IsAbsent(ctx context.Context, kind schema.GroupKind) bool {
	if c == nil {
		return false
	}
	if c.noted(kind) {
		return true
	}
	c.readGroups(ctx)
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.served != nil && time.Since(c.readAt) < absenceTTL && !c.served[kind.Group]
}

func (c *AbsentKinds) noted(kind schema.GroupKind) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	since, noted := c.absent[kind]
	return noted && time.Since(since) < absenceTTL
}

// readGroups reads the groups anew when they are too old. An API server that does not answer leaves them unknown: then each kind is asked
// for, and the groups again after a time.
func (c *AbsentKinds) readGroups(ctx context.Context) {
	if !c.mayAsk() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, groupsTimeout)
	defer cancel()
	names, err := c.groups(ctx)
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.asking, c.served, c.readAt = false, nil, time.Now()
	if err != nil {
		return
	}
	c.served = map[string]bool{}
	for _, name := range names {
		c.served[name] = true
	}
}

// mayAsk reports whether the groups are due, and nobody else asks for them.
func (c *AbsentKinds) mayAsk() bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	lasts := absenceTTL
	if c.served == nil {
		lasts = askAgain
	}
	if c.groups == nil || c.asking || time.Since(c.readAt) < lasts {
		return false
	}
	c.asking = true
	return true
}

// Note records that the API server does not serve a kind.
func (c *AbsentKinds) Note(kind schema.GroupKind) {
	if c == nil {
		return
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.absent == nil {
		c.absent = map[schema.GroupKind]time.Time{}
	}
	c.absent[kind] = time.Now()
}
