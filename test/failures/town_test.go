package failures

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/openimstack/openim-operator/hack/environment/chat"
)

const (
	townUsers = 200
	// perUser is how many sessions a user has, each with a socket.
	perUser = 5
	// Of these users the last session is on a second device, on another platform.
	withTwoDevices = 20
	android        = 2
	// hands is how many do something for the town at once: more than the stand-in for MongoDB can serve would only wait.
	hands = 4
)

// town is many users with several sessions each: people[user*perUser+n]. OpenIM is set up to leave a user's sockets on one platform alone
// (multiLogin.policy 0), so that it takes no thousand devices to have a thousand sockets.
type town struct {
	*stage
	people []*person
}

var settled struct {
	sync.Once
	town *town
	err  error
}

// inTown makes the town when it is first needed.
func inTown(t *testing.T) *town {
	t.Helper()
	s := onStage(t)
	settled.Do(func() {
		began, admin := time.Now(), s.admin(t, 0)
		settled.town = &town{stage: s, people: make([]*person, townUsers*perUser)}
		settled.err = inParallel(townUsers, func(user int) error {
			return settled.town.settle(context.Background(), admin, user)
		})
		t.Logf("%d users have %d sessions after %s", townUsers, len(settled.town.people), time.Since(began).Round(time.Millisecond))
	})
	if settled.err != nil {
		t.Fatal(settled.err)
	}
	return settled.town
}

// settle makes a user's devices and sessions.
func (c *town) settle(ctx context.Context, admin chat.Admin, user int) error {
	own := c.people[user*perUser : (user+1)*perUser]
	id := newID(fmt.Sprintf("u%d", user))
	first, err := c.newcomer(ctx, admin, user%replicas, id, iOS)
	if err != nil {
		return err
	}
	own[0] = first
	for n := 1; n < perUser; n++ {
		if n == perUser-1 && user < withTwoDevices {
			if own[n], err = c.newcomer(ctx, admin, n%replicas, id, android); err != nil {
				return err
			}
			continue
		}
		session, err := first.login(ctx, n%replicas)
		if err != nil {
			return err
		}
		own[n] = &person{s: c.stage, id: id, device: first.device, session: session, deviceID: first.deviceID}
	}
	return nil
}

// inParallel does something n times, by many hands.
func inParallel(n int, do func(int) error) error {
	next := make(chan int)
	problems := make([]error, n)
	var all sync.WaitGroup
	for range min(hands, n) {
		all.Go(func() {
			for i := range next {
				problems[i] = do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	all.Wait()
	return errors.Join(problems...)
}

// patienceOfApps is how often somebody tries before he gives up.
const patienceOfApps = 5

// perReplica is how many sockets of one device a replica lets in (package realtime).
const perReplica = 4

// some are n people from a user on, no more of each than one replica lets in.
func (c *town) some(user, n int) []*person {
	var all []*person
	for i := user * perUser; len(all) < n; i++ {
		if i%perUser < perReplica {
			all = append(all, c.people[i])
		}
	}
	return all
}

// sockets opens one for each of some people. where names the replica of each.
func (c *town) sockets(t *testing.T, people []*person, where func(int) int) []*chat.Socket {
	t.Helper()
	began := time.Now()
	open := make([]*chat.Socket, len(people))
	t.Cleanup(func() {
		for _, s := range open {
			if s != nil {
				s.Close()
			}
		}
	})
	if err := inParallel(len(people), func(i int) (err error) {
		for range patienceOfApps { // on a busy machine one may be asked to come again: 503
			if open[i], err = c.socket(t.Context(), where(i), people[i].session); err == nil {
				return nil
			}
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d sockets opened in %s", len(people), time.Since(began).Round(time.Millisecond))
	return open
}

// times are how long something took, many times.
type times []time.Duration

func (d times) String() string {
	if len(d) == 0 {
		return "never"
	}
	return fmt.Sprintf("%d: p50 %s, p99 %s, max %s", len(d), d.part(50), d.part(99), d.part(100))
}

// part is the percentile p.
func (d times) part(p int) time.Duration {
	sorted := slices.Sorted(slices.Values(d))
	return sorted[max(0, (len(sorted)*p+99)/100-1)].Round(10 * time.Microsecond)
}
