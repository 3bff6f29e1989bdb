package backend

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"time"

	"github.com/openimstack/openim-operator/wrapper/redisdb"
)

// replays remembers in the wrapper's Redis the assertions that any replica has accepted.
type replays struct {
	db      *redisdb.DB
	breaker *redisdb.Breaker
}

var errReplaysDown = errors.New("remembering an assertion: the wrapper's Redis does not answer")

// First implements auth.Memory. Its error holds nothing of Redis' own texts.
func (m *replays) First(ctx context.Context, id string, lasts time.Duration) (bool, error) {
	if !m.breaker.Allow() {
		return false, errReplaysDown
	}
	sum := sha256.Sum256([]byte(id))
	first, err := m.db.SetNX(ctx, m.db.Key("a:", base64.RawURLEncoding.EncodeToString(sum[:16])), "", lasts).Result()
	m.breaker.Done(err)
	if err != nil {
		return false, errReplaysDown
	}
	return first, nil
}
