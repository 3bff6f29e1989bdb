package failures

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/openimstack/openim-operator/test/harness/chat"
)

const (
	townUsers = 200
	// Platforms 1 to 5: OpenIM lets a user be at each of them once.
	townPlatforms = 5
	// hands is how many do something for the town at once.
	hands = 16
)

// town is many users with a device on each of several platforms: people[user*townPlatforms+platform-1].
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
		settled.town = &town{stage: s, people: make([]*person, townUsers*townPlatforms)}
		settled.err = inParallel(townUsers, func(user int) error {
			id := newID(fmt.Sprintf("u%d", user))
			for platform := range townPlatforms {
				p, err := s.newcomer(context.Background(), admin, (user+platform)%replicas, id, int32(platform+1))
				if err != nil {
					return err
				}
				settled.town.people[user*townPlatforms+platform] = p
			}
			return nil
		})
		t.Logf("%d users enrolled %d devices in %s", townUsers, len(settled.town.people), time.Since(began).Round(time.Millisecond))
	})
	if settled.err != nil {
		t.Fatal(settled.err)
	}
	return settled.town
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

// sockets opens one for each of some people. where names the replica of each.
func (c *town) sockets(t *testing.T, people []*person, where func(int) int) []*chat.Socket {
	t.Helper()
	began := time.Now()
	open := make([]*chat.Socket, len(people))
	if err := inParallel(len(people), func(i int) (err error) {
		open[i], err = c.socket(t.Context(), where(i), people[i].session)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, s := range open {
			s.Close()
		}
	})
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
