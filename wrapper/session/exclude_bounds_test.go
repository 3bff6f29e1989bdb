package session

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/redis/go-redis/v9"

	"github.com/openimstack/openim-operator/wrapper/redisdb/redistest"
)

// observer counts a client's round trips, and lets those fail that a test names.
type observer struct {
	trips atomic.Int64
	fails atomic.Pointer[func(redis.Cmder) bool]
}

func (o *observer) refuse(fails func(redis.Cmder) bool) { o.fails.Store(&fails) }

func (o *observer) check(cmds ...redis.Cmder) (err error) {
	o.trips.Add(1)
	fails := o.fails.Load()
	for _, c := range cmds {
		if fails != nil && (*fails)(c) {
			err = errors.New("the connection was lost")
		}
	}
	if err != nil {
		for _, c := range cmds {
			c.SetErr(err)
		}
	}
	return err
}

func (o *observer) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		return next(ctx, network, address)
	}
}

func (o *observer) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, c redis.Cmder) error {
		if err := o.check(c); err != nil {
			return err
		}
		return next(ctx, c)
	}
}

func (o *observer) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if err := o.check(cmds...); err != nil {
			return err
		}
		return next(ctx, cmds)
	}
}

// observed returns a replica that has read the revocations once and does not run, so that only the test's calls reach Redis.
func observed(t *testing.T, server *redistest.Server) (*replica, *observer) {
	t.Helper()
	o := &observer{}
	db := server.Open(prefix)
	r := prepare(t, server, func(r *replica, _ *bounds) { r.db = db })
	NewWithT(t).Expect(r.refresh(t.Context())).To(Succeed())
	db.AddHook(o)
	return r, o
}

// endedSessions writes sessions of a user that began half an hour ago and were replaced.
func endedSessions(t *testing.T, server *redistest.Server, user string, number int) {
	t.Helper()
	pipe := server.Client().Pipeline()
	began := time.Now().Add(-30 * time.Minute)
	for i := range number {
		_, id, hash := newToken()
		end := began.Add(time.Hour + time.Duration(i)*time.Millisecond)
		pipe.HSet(t.Context(), prefix+"s:"+id, "hash", encoding.EncodeToString(hash[:]), "user", user, "device", fmt.Sprint("device-", i),
			"platform", ios, "epoch", 1, "created", began.UnixMilli(), "end", end.UnixMilli(), "last", began.UnixMilli(),
			"ended", otherDeviceReason)
		pipe.ZAdd(t.Context(), prefix+"su:"+user, redis.Z{Score: float64(end.UnixMilli()), Member: id})
	}
	_, err := pipe.Exec(t.Context())
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
}

func onTheList(t *testing.T, server *redistest.Server, user string) int64 {
	t.Helper()
	return server.Client().ZCard(t.Context(), prefix+"su:"+user).Val()
}

// recordsOf matches the reading of records of sessions, and of nothing else.
func recordsOf(c redis.Cmder) bool {
	return c.Name() == "hmget" && strings.HasPrefix(fmt.Sprint(c.Args()[1]), prefix+"s:")
}

// The time of a login does not grow with the number of sessions that a user ever had.
func TestALoginNeedsFewRoundTripsWhateverIsOnTheList(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a, o := observed(t, server)
	endedSessions(t, server, "alice", maxConsidered)
	_, s := a.login(t, "alice", "phone")
	o.trips.Store(0)
	out, err := a.Exclude(t.Context(), "alice", onePerPlatform)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(BeEmpty())
	g.Expect(o.trips.Load()).To(BeNumerically("<=", 16))
	// The list was cut off by the bound: one ended session is left for the next login.
	g.Expect(onTheList(t, server, "alice")).To(BeNumerically("<=", 2))
	nextMillisecond(t, server)
	_, next := a.login(t, "alice", "other")
	out, err = a.Exclude(t.Context(), "alice", onePerPlatform)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(HaveExactElements(HaveField("ID", s.ID)))
	g.Expect(onTheList(t, server, "alice")).To(BeEquivalentTo(1))
	g.Expect(next.ID).NotTo(Equal(s.ID))
}

// A login that fails half-way leaves less for the next one.
func TestALoginThatFailsTakesEndedSessionsOffTheList(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a, o := observed(t, server)
	endedSessions(t, server, "alice", maxConsidered)
	reads := map[string]bool{}
	o.refuse(func(c redis.Cmder) bool {
		if recordsOf(c) {
			reads[fmt.Sprint(c.Args()[1])] = true
		}
		return len(reads) > maxConsidered/2
	})
	_, err := a.Exclude(t.Context(), "alice", onePerPlatform)
	g.Expect(err).To(MatchError(ErrUnavailable))
	g.Expect(onTheList(t, server, "alice")).To(BeNumerically("<=", maxConsidered/2+1))

	t.Run("and one that ended some sessions takes these off", func(t *testing.T) {
		g := NewWithT(t)
		o.refuse(func(redis.Cmder) bool { return false })
		_, first := a.login(t, "bob", "phone")
		nextMillisecond(t, server)
		_, second := a.login(t, "bob", "phone2")
		nextMillisecond(t, server)
		token, _ := a.login(t, "bob", "phone3")
		o.refuse(func(c redis.Cmder) bool { // second is the later one of the two to be ended, and cannot be
			return strings.HasPrefix(c.Name(), "eval") && strings.Contains(fmt.Sprint(c.Args()), prefix+"s:"+second.ID)
		})
		_, err := a.Exclude(t.Context(), "bob", onePerPlatform)
		g.Expect(err).To(MatchError(ErrUnavailable))
		g.Expect(server.Client().ZRange(t.Context(), prefix+"su:bob", 0, -1).Val()).To(
			And(HaveLen(2), ContainElement(second.ID), Not(ContainElement(first.ID))))

		o.refuse(func(redis.Cmder) bool { return false })
		out, err := a.Exclude(t.Context(), "bob", onePerPlatform)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(out).To(HaveExactElements(HaveField("ID", second.ID)))
		g.Expect(a.check(token)).To(Succeed())
	})
}

// Damaged records stand for no session: they refuse no login, and nobody is let in by one.
func TestADamagedRecordRefusesNoLogin(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, c *redis.Client, key string) error{
		"a number that is none": func(t *testing.T, c *redis.Client, key string) error {
			return c.HSet(t.Context(), key, "epoch", "x").Err()
		},
		"a hash that is none": func(t *testing.T, c *redis.Client, key string) error {
			return c.HSet(t.Context(), key, "hash", "!").Err()
		},
		"a platform out of range": func(t *testing.T, c *redis.Client, key string) error {
			return c.HSet(t.Context(), key, "platform", "-1").Err()
		},
		"a value of another type": func(t *testing.T, c *redis.Client, key string) error {
			return errors.Join(c.Del(t.Context(), key).Err(), c.Set(t.Context(), key, "x", 0).Err())
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			server := redistest.Start(t)
			a, b := start(t, server), start(t, server)
			token, s := a.login(t, "alice", "phone")
			client := server.Client()
			// As if the session had begun some minutes ago: a younger one could be about to be written.
			list := prefix + "su:alice"
			old := redis.Z{Score: float64(s.Expires.Add(-5 * time.Minute).UnixMilli()), Member: s.ID}
			g.Expect(client.ZAdd(t.Context(), list, old).Err()).To(Succeed())
			g.Expect(damage(t, client, prefix+"s:"+s.ID)).To(Succeed())
			for range 2 * failuresInARow {
				g.Expect(b.check(token)).To(MatchError(ErrUnknown))
			}
			next, made := a.loginUnder(t, onePerPlatform, "alice", "other", ios)
			g.Expect(client.ZRange(t.Context(), list, 0, -1).Val()).To(HaveExactElements(made.ID))
			g.Expect(b.check(next)).To(Succeed())
			g.Expect(b.List(t.Context(), "alice")).To(HaveExactElements(HaveField("ID", made.ID)))
		})
	}
}

// What is in memory may have ended at another replica. The policy is applied to what Redis says, or not at all.
func TestThePolicyIsNotAppliedToRecordsFromMemory(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a, o := observed(t, server)
	_, s := a.login(t, "alice", "phone")
	o.refuse(recordsOf)
	_, err := a.Exclude(t.Context(), "alice", onePerPlatform)
	g.Expect(err).To(MatchError(ErrUnavailable))

	o.refuse(func(redis.Cmder) bool { return false })
	nextMillisecond(t, server)
	token, _ := a.login(t, "alice", "other")
	out, err := a.Exclude(t.Context(), "alice", onePerPlatform)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(HaveExactElements(HaveField("ID", s.ID)))
	g.Expect(a.check(token)).To(Succeed())
}
