package session

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/openimstack/openim-operator/wrapper/redisdb"
)

//go:embed lua/heartbeat.lua
var heartbeatLua string

//go:embed lua/begin.lua
var beginLua string

//go:embed lua/revoke.lua
var revokeLua string

//go:embed lua/since.lua
var sinceLua string

var (
	heartbeatScript = redis.NewScript(heartbeatLua)
	beginScript     = redis.NewScript(beginLua)
	revokeScript    = redis.NewScript(revokeLua)
	sinceScript     = redis.NewScript(sinceLua)
)

// revocationList is the durable list of revocations in Redis: one merged entry for each session, device, user or all. Each change of an
// entry gets a new number, so that a reader can fetch what is new. The keys share a hash tag, for a Cluster.
type revocationList struct {
	db                          *redisdb.DB
	meta, entries, bySeq, byEnd string
	channel                     string
}

const revocationPage = 1000

func newRevocationList(db *redisdb.DB) *revocationList {
	return &revocationList{db: db, meta: db.Key("cut:{all}:meta"), entries: db.Key("cut:{all}:cuts"), bySeq: db.Key("cut:{all}:numbers"),
		byEnd: db.Key("cut:{all}:ends"), channel: db.Key("revocations")}
}

// state is the result of a heartbeat.
type state struct {
	now  int64  // Redis' clock, Unix ms
	name string // of the list; another name means that Redis has lost its data
	seq  int64
	end  int64 // the last end of all sessions, Unix ms
}

func (l *revocationList) heartbeat(ctx context.Context) (state, error) {
	reply, err := heartbeatScript.Run(ctx, l.db, []string{l.meta}, l.channel, randomText(idBytes)).Slice()
	if err != nil {
		return state{}, err
	}
	var s state
	ok := len(reply) == 4
	if ok {
		var is [4]bool
		s.now, is[0] = reply[0].(int64)
		s.name, is[1] = reply[1].(string)
		s.seq, is[2] = reply[2].(int64)
		s.end, is[3] = reply[3].(int64)
		ok = is == [4]bool{true, true, true, true}
	}
	if !ok {
		return state{}, fmt.Errorf("reading the list of revocations: the key %s in Redis has another form than the wrapper writes", l.meta)
	}
	return s, nil
}

// begin returns the time at which a session begins, Unix ms.
func (l *revocationList) begin(ctx context.Context, lifetime time.Duration) (int64, error) {
	return beginScript.Run(ctx, l.db, []string{l.meta}, lifetime.Milliseconds()).Int64()
}

// revoke merges a revocation into its entry and returns the result. before 0 means now. until 0 means as long as a session can last.
func (l *revocationList) revoke(ctx context.Context, field string, c mergedRevocation, lifetime time.Duration) (mergedRevocation, error) {
	value, err := revokeScript.Run(ctx, l.db, []string{l.meta, l.entries, l.bySeq, l.byEnd}, l.channel, randomText(idBytes), field,
		c.before, c.epoch, lifetime.Milliseconds(), keptAfterEnd.Milliseconds(), c.until, c.reason).Text()
	if err != nil {
		return mergedRevocation{}, err
	}
	merged, _, err := parseRevocation(value)
	return merged, err
}

// since calls each for the entries that changed after a number.
func (l *revocationList) since(ctx context.Context, seq int64, each func(field string, c mergedRevocation)) error {
	for {
		reply, err := sinceScript.Run(ctx, l.db, []string{l.bySeq, l.entries}, seq, revocationPage).StringSlice()
		if err != nil {
			return err
		}
		from := seq
		for i := 0; i+1 < len(reply); i += 2 {
			c, at, err := parseRevocation(reply[i+1])
			if err != nil {
				return err
			}
			each(reply[i], c)
			seq = max(seq, at)
		}
		if len(reply) < 2*revocationPage {
			return nil
		}
		if seq == from {
			return errors.New("reading the list of revocations: damaged in Redis: its entries have other numbers than its order")
		}
	}
}

// parseMessage parses a message of the channel. Heartbeats carry nothing.
func parseMessage(payload string) (field string, c mergedRevocation, ok bool) {
	rest, isCut := strings.CutPrefix(payload, "cut ")
	value, field, found := strings.Cut(rest, "\n")
	if !isCut || !found {
		return "", mergedRevocation{}, false
	}
	c, _, err := parseRevocation(value)
	return field, c, err == nil
}
