package redisdb_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	"github.com/redis/go-redis/v9"

	"github.com/openimstack/openim-operator/wrapper/redisdb"
)

func TestTheBreakerOpensAfterFailuresInARowAndTriesOneCallAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		down := errors.New("refused")
		b := redisdb.NewBreaker(2, time.Second, time.Now)
		b.Done(down)
		b.Done(redis.Nil)
		b.Done(down)
		b.Done(context.Canceled)
		g.Expect(b.Allow()).To(BeTrue(), "neither a missing key nor a cancelled call is a failure")
		b.Done(down)
		g.Expect(b.Allow()).To(BeFalse())
		g.Expect(b.Open()).To(BeTrue())

		<-time.After(time.Second)
		g.Expect(b.Allow()).To(BeTrue(), "one call tests Redis")
		g.Expect(b.Allow()).To(BeFalse(), "the others do not wait")
		b.Done(down)
		g.Expect(b.Allow()).To(BeFalse(), "the test failed: another pause")
		<-time.After(time.Second)
		g.Expect(b.Allow()).To(BeTrue())
		b.Done(nil)
		g.Expect(b.Allow()).To(BeTrue())
		g.Expect(b.Allow()).To(BeTrue())
	})
}
