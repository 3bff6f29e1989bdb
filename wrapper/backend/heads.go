package backend

import (
	"context"
	_ "embed" // the script
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/openimstack/openim-operator/wrapper/auditlog"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/redisdb"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

//go:embed heads.lua
var headsLua string

var headsScript = redis.NewScript(headsLua)

const (
	// headLifetime is how long a head is kept after its last change.
	headLifetime = 90 * 24 * time.Hour
	// maxHeads is how many chains are kept: 45 starts of a gateway a day. A further chain is refused, and its gateway logs that. Old
	// heads are not evicted: a program that restarts often could otherwise hide earlier chains.
	maxHeads = 4096
	// headsAtOnce is how many heads are read in one round trip.
	headsAtOnce = 512
)

// heads stores in the wrapper's Redis how far each gateway's audit log has come.
type heads struct {
	db    *redisdb.DB
	now   func() time.Time
	limit int
}

func newHeads(db *redisdb.DB, now func() time.Time) *heads {
	return &heads{db: db, now: now, limit: maxHeads}
}

// storedHead is a head in Redis. Numbers are texts, because Lua would round large numbers.
type storedHead struct {
	Seq      string `json:"seq"`
	Hash     string `json:"hash"`
	Ended    bool   `json:"ended"`
	Program  string `json:"program"`
	Instance string `json:"instance"`
	First    string `json:"first"`
	Last     string `json:"last"`
}

func (h *heads) keys() []string {
	return []string{h.db.Key("{audit}:heads"), h.db.Key("{audit}:times")}
}

var (
	errHeadGoesBack = wire.BadRequest.Because("the head contradicts an earlier head of its chain: a chain never goes back")
	errHeadsFull    = wire.Limited.Because("too many chains have heads: wait until old heads expire")
)

func (h *heads) register(ctx context.Context, head internalapi.AuditHead) error {
	value, err := json.Marshal(storedHead{Hash: head.Hash, Ended: head.Ended, Program: head.Program, Instance: head.Instance})
	if err != nil {
		return fmt.Errorf("encoding a head: %w", err)
	}
	now := h.now()
	kept, err := headsScript.Run(ctx, h.db, h.keys(), head.Chain, strconv.FormatUint(head.Seq, 10), value,
		now.Unix(), now.Add(-headLifetime).Unix(), h.limit, int64(headLifetime/time.Second)).Int()
	switch {
	case err != nil:
		return errors.Join(errHeadsDown, err)
	case kept == 0:
		return errHeadGoesBack
	case kept < 0:
		return errHeadsFull
	}
	return nil
}

var errHeadsDown = wire.Unavailable.Because("the audit logs' heads cannot be stored now: try again after a second")

func (h *heads) list(ctx context.Context, since time.Time) ([]internalapi.AuditHead, error) {
	oldest := max(h.now().Add(-headLifetime).Unix(), since.Unix())
	keys := h.keys()
	chains, err := h.db.ZRangeByScore(ctx, keys[1], &redis.ZRangeBy{Min: strconv.FormatInt(oldest, 10), Max: "+inf"}).Result()
	if err != nil {
		return nil, errors.Join(errHeadsDown, err)
	}
	found := make([]internalapi.AuditHead, 0, len(chains))
	for len(chains) > 0 {
		part := chains[:min(len(chains), headsAtOnce)]
		chains = chains[len(part):]
		values, err := h.db.HMGet(ctx, keys[0], part...).Result()
		if err != nil {
			return nil, errors.Join(errHeadsDown, err)
		}
		for i, value := range values {
			head, err := readHead(part[i], value)
			if err != nil {
				return nil, err
			}
			found = append(found, head)
		}
	}
	return found, nil
}

// readHead fails on a missing or broken head: a list that leaves out a head silently would prove nothing.
func readHead(chain string, value any) (internalapi.AuditHead, error) {
	var s storedHead
	text, ok := value.(string)
	broken := fmt.Errorf("reading the head of chain %s: the stored value is not a head", chain)
	if !ok || json.Unmarshal([]byte(text), &s) != nil {
		return internalapi.AuditHead{}, broken
	}
	seq, err1 := strconv.ParseUint(s.Seq, 10, 64)
	first, err2 := strconv.ParseInt(s.First, 10, 64)
	last, err3 := strconv.ParseInt(s.Last, 10, 64)
	if errors.Join(err1, err2, err3) != nil {
		return internalapi.AuditHead{}, broken
	}
	return internalapi.AuditHead{
		Chain: chain, Seq: seq, Hash: s.Hash, Ended: s.Ended, Program: s.Program, Instance: s.Instance,
		First: time.Unix(first, 0).UTC(), Last: time.Unix(last, 0).UTC(),
	}, nil
}

func (l *internalAPI) registerHead(ctx context.Context, call *internalCall, q internalapi.AuditHead) (internalapi.Empty, error) {
	switch {
	case !(auditlog.Head{Chain: q.Chain, Seq: q.Seq, Hash: q.Hash}).Legal():
		return internalapi.Empty{}, bad("chain, seq and hash must be those of an audit head")
	case !legalText(q.Program, maxTextBytes) || !legalText(q.Instance, maxTextBytes):
		return internalapi.Empty{}, bad("program or instance is longer than %d bytes, or holds a control character", maxTextBytes)
	}
	call.rec.Routine = true
	return internalapi.Empty{}, l.heads.register(ctx, q)
}

func (l *internalAPI) listHeads(ctx context.Context, _ *internalCall, q internalapi.ListHeads) (internalapi.AuditHeads, error) {
	found, err := l.heads.list(ctx, q.Since)
	return internalapi.AuditHeads{Heads: found}, err
}
