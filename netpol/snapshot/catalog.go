package snapshot

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// absenceTTL is how long a kind that the API server lacked is taken to be absent.
const absenceTTL = time.Minute

// Catalog remembers which kinds a cluster lacks, so that a snapshot every few seconds does not ask for each of them: a mapper asks the API
// server anew for what it does not find. It is safe for concurrent use. A nil Catalog remembers nothing.
type Catalog struct {
	mutex  sync.Mutex
	absent map[schema.GroupKind]time.Time
}

func (c *Catalog) isAbsent(kind schema.GroupKind) bool {
	if c == nil {
		return false
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	since, noted := c.absent[kind]
	return noted && time.Since(since) < absenceTTL
}

func (c *Catalog) note(kind schema.GroupKind) {
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
