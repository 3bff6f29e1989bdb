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
	fleetUsers = 200
	// perUser is the number of sessions of a user, each with a socket.
	perUser = 5
	// withTwoDevices is the number of users whose last session is on a second device, on another platform.
	withTwoDevices = 20
	android        = 2
	// hands bounds concurrent work for the fleet: more than the stand-in for MongoDB can serve would only wait.
	hands = 4
)

// userFleet is many users with several sessions each: users[user*perUser+n]. OpenIM is configured to allow several sockets
// of a user on one platform (multiLogin.policy 0), so that a thousand sockets need no thousand devices.
type userFleet struct {
	*testEnv
	users []*user
}

var settled struct {
	sync.Once
	fleet *userFleet
	err   error
}

// sharedFleet creates the fleet when it is first needed.
func sharedFleet(t *testing.T) *userFleet {
	t.Helper()
	s := newTestEnv(t)
	settled.Do(func() {
		began, admin := time.Now(), s.admin(t, 0)
		settled.fleet = &userFleet{testEnv: s, users: make([]*user, fleetUsers*perUser)}
		settled.err = inParallel(fleetUsers, func(index int) error {
			return settled.fleet.settle(context.Background(), admin, index)
		})
		t.Logf("%d users have %d sessions after %s", fleetUsers, len(settled.fleet.users), time.Since(began).Round(time.Millisecond))
	})
	if settled.err != nil {
		t.Fatal(settled.err)
	}
	return settled.fleet
}

// settle creates a user's devices and sessions.
func (c *userFleet) settle(ctx context.Context, admin chat.Admin, index int) error {
	own := c.users[index*perUser : (index+1)*perUser]
	id := newID(fmt.Sprintf("u%d", index))
	first, err := c.newcomer(ctx, admin, index%replicas, id, iOS)
	if err != nil {
		return err
	}
	own[0] = first
	for n := 1; n < perUser; n++ {
		if n == perUser-1 && index < withTwoDevices {
			if own[n], err = c.newcomer(ctx, admin, n%replicas, id, android); err != nil {
				return err
			}
			continue
		}
		session, err := first.login(ctx, n%replicas)
		if err != nil {
			return err
		}
		own[n] = &user{s: c.testEnv, id: id, device: first.device, session: session, deviceID: first.deviceID}
	}
	return nil
}

// inParallel calls do n times, concurrently.
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

// appRetries is how often an app tries before it gives up.
const appRetries = 5

// perReplica is the number of sockets of one device that a replica admits (package websocket).
const perReplica = 4

// some returns n sessions from a user on, of each user no more than one replica admits.
func (c *userFleet) some(index, n int) []*user {
	var all []*user
	for i := index * perUser; len(all) < n; i++ {
		if i%perUser < perReplica {
			all = append(all, c.users[i])
		}
	}
	return all
}

// sockets opens a socket for each session. where returns the replica of each.
func (c *userFleet) sockets(t *testing.T, users []*user, where func(int) int) []*chat.Socket {
	t.Helper()
	began := time.Now()
	open := make([]*chat.Socket, len(users))
	t.Cleanup(func() {
		for _, s := range open {
			if s != nil {
				s.Close()
			}
		}
	})
	if err := inParallel(len(users), func(i int) (err error) {
		for range appRetries { // on a busy machine the gateway may answer 503
			if open[i], err = c.socket(t.Context(), where(i), users[i].session); err == nil {
				return nil
			}
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d sockets opened in %s", len(users), time.Since(began).Round(time.Millisecond))
	return open
}

// times is a list of measured durations.
type times []time.Duration

func (d times) String() string {
	if len(d) == 0 {
		return "never"
	}
	return fmt.Sprintf("%d: p50 %s, p99 %s, max %s", len(d), d.part(50), d.part(99), d.part(100))
}

// part returns percentile p.
func (d times) part(p int) time.Duration {
	sorted := slices.Sorted(slices.Values(d))
	return sorted[max(0, (len(sorted)*p+99)/100-1)].Round(10 * time.Microsecond)
}
