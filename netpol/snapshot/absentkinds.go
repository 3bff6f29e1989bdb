package snapshot

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// absenceTTL is how long a kind that the API server does not serve is assumed to be absent.
const absenceTTL = time.Minute

// AbsentKinds remembers the kinds that a cluster does not serve. Snapshots are taken every few seconds, and a RESTMapper queries the API
// server each time for a kind that it does not find. Catalog is safe for concurrent use. A nil Catalog remembers nothing.
type AbsentKinds struct {
	mutex  sync.Mutex
	absent map[schema.GroupKind]time.Time
}

func (c *AbsentKinds) isAbsent(kind schema.GroupKind) bool {
	if c == nil {
		return false
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	since, noted := c.absent[kind]
	return noted && time.Since(since) < absenceTTL
}

func (c *AbsentKinds) note(kind schema.GroupKind) {
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
