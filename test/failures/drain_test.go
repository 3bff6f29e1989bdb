package failures

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/hack/environment/chat"
)

const (
	drained = 200 // sockets
	writers = 20  // sockets on which messages are sent meanwhile
)

// TestADrainingGatewayLosesNothing stops a gateway with 200 sockets, over which users send messages.
func TestADrainingGatewayLosesNothing(t *testing.T) {
	g, c := NewWithT(t), sharedFleet(t)
	const window = drainSeconds * time.Second
	sockets := c.sockets(t, c.some(0, drained), func(int) int { return 0 })
	listeners := c.some(fleetUsers/2, writers)
	readers := c.sockets(t, listeners, func(int) int { return 1 })

	// Each writer has a reader at the other gateway.
	var work sync.WaitGroup
	taken, heard := make([][]string, writers), make([]map[string]bool, writers)
	listening, deaf := context.WithCancel(t.Context())
	for i := range writers {
		work.Go(func() { taken[i] = write(t.Context(), sockets[i], listeners[i].id) })
		heard[i] = map[string]bool{}
	}

	began := time.Now()
	stopped := make(chan error, 1)
	go func() { stopped <- c.StopCleanly(firstGateway) }()

	// Meanwhile a client repeatedly tries to open a socket.
	type try struct {
		at     time.Time
		opened bool
	}
	var tries []try
	come := c.users[len(c.users)-1]
	var err error
	for done := false; !done; {
		ticket, r := c.ticket(t.Context(), 1, come.session.Token())
		g.Expect(r.ok()).To(BeTrue(), r.String())
		at := time.Now()
		s, openErr := c.open(t.Context(), 0, come.session, ticket)
		tries = append(tries, try{at, openErr == nil})
		if openErr == nil {
			s.Close()
		}
		select {
		case err = <-stopped:
			done = true
		case <-time.After(50 * time.Millisecond):
		}
	}
	took := time.Since(began)
	g.Expect(err).NotTo(HaveOccurred(), "the exit status is 0")
	g.Expect(took).To(BeNumerically("<", graceSeconds*time.Second))
	work.Wait()

	// Each socket is closed with 1012, evenly spread.
	var at []time.Time
	for _, s := range sockets {
		end, err := s.Ended(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(end.Code).To(Equal(1012), end.String())
		at = append(at, end.At)
	}
	slices.SortFunc(at, time.Time.Compare)
	first, last := at[0], at[len(at)-1]
	g.Expect(last.Sub(first)).To(And(BeNumerically(">", window*7/10), BeNumerically("<", window*15/10)), "spread over the window")
	most := 0
	for i := range at {
		j := i
		for j < len(at) && at[j].Sub(at[i]) < window/10 {
			j++
		}
		most = max(most, j-i)
	}
	g.Expect(most).To(BeNumerically("<", drained*3/10), "in a tenth of the window")

	admitted := 0
	for _, try := range tries {
		if try.opened {
			admitted++
			g.Expect(try.at).To(BeTemporally("<", first.Add(window/10)), "no new socket once the old ones are being closed")
		}
	}
	g.Expect(admitted).To(BeNumerically("<", len(tries)))

	// Every acknowledged message has arrived.
	count := 0
	for i := range writers {
		count += len(taken[i])
		for _, words := range taken[i] {
			g.Expect(hears(listening, readers[i], heard[i], words)).To(Succeed(), "%q was acknowledged", words)
		}
	}
	deaf()
	g.Expect(count).To(BeNumerically(">", writers), "they wrote")
	t.Logf("stopped after %s; close frames over %s, at most %d in a tenth of the window; %d of %d openings let in before; %d messages acknowledged, all arrived",
		took.Round(time.Millisecond), last.Sub(first).Round(time.Millisecond), most, admitted, len(tries), count)
	g.Expect(c.Start(t.Context(), firstGateway)).To(Succeed())
}

// write sends messages until the socket ends, and returns the acknowledged ones.
func write(ctx context.Context, s *chat.Socket, to string) (taken []string) {
	for n := 0; ; n++ {
		words := fmt.Sprintf("%s %d", s.UserID, n)
		if _, err := s.Send(ctx, to, words); err != nil {
			return taken
		}
		taken = append(taken, words)
		select {
		case <-ctx.Done():
			return taken
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// hears waits until a socket has received a text.
func hears(ctx context.Context, s *chat.Socket, heard map[string]bool, words string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	for !heard[words] {
		got, err := s.Receive(ctx, func(chat.Received) bool { return true })
		if err != nil {
			return err
		}
		heard[got.Text] = true
	}
	return nil
}
