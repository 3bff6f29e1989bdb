package snapshot

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// absenceTTL is how long a kind that the API server does not serve is assumed to be absent.
const absenceTTL = time.Minute

// AbsentKinds remembers the kinds that a cluster does not serve. Snapshots are taken every few seconds, and a RESTMapper queries the API
// server twice for each kind that it does not find. AbsentKinds is safe for concurrent use. A nil AbsentKinds remembers nothing.
type AbsentKinds struct {
	groups func(context.Context) ([]string, error)

	mutex  sync.Mutex
	absent map[schema.GroupKind]time.Time
	// served are the API groups as of readAt, nil when they are not known.
	served map[string]bool
	readAt time.Time
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
	c.mutex.Lock()
	defer c.mutex.Unlock()
	since, noted := c.absent[kind]
	if noted && time.Since(since) < absenceTTL {
		return true
	}
	c.readGroups(ctx)
	return c.served != nil && !c.served[kind.Group]
}

// readGroups reads the groups anew when they are too old. An API server that does not answer leaves them unknown: then each kind is asked
// for. The caller holds the mutex, so that several snapshots at a time cause one query.
func (c *AbsentKinds) readGroups(ctx context.Context) {
	if c.groups == nil || c.served != nil && time.Since(c.readAt) < absenceTTL {
		return
	}
	c.served = nil
	names, err := c.groups(ctx)
	if err != nil {
		return
	}
	c.served, c.readAt = map[string]bool{}, time.Now()
	for _, name := range names {
		c.served[name] = true
	}
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
