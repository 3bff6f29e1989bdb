package failures

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/hack/environment/chat"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

const (
	// felt bounds the time from the administrator's call until 99 of 100 sockets and sessions are revoked.
	felt = time.Second
	// single is the number of users, and of devices, that are revoked one by one.
	single = withTwoDevices
)

// TestARevocationReachesAThousandSocketsWithinASecond revokes users, devices, and everything, with a thousand sockets at two gateways.
// All times are from before the administrator's call until the client has seen the socket's end, or the other replica has refused the session.
func TestARevocationReachesAThousandSocketsWithinASecond(t *testing.T) {
	c := sharedFleet(t)
	open := c.sockets(t, c.users, func(i int) int { return i % replicas })

	t.Run("one device", func(t *testing.T) {
		m := measure{t: t, fleet: c}
		for user := range single {
			first := user * perUser
			p, last := c.users[first], first+perUser-1
			m.revoke(wire.PathAdminRevokeDevices, object{"userID": p.id, "deviceID": p.deviceID}, span(first, last), open)
			NewWithT(t).Expect(open[last].Alive()).To(BeTrue(), "the socket of the user's other device stays")
			NewWithT(t).Expect(c.who(t.Context(), 1, c.users[last].session.Token()).ok()).To(BeTrue(), "and its session")
		}
		m.judge()
	})
	t.Run("one user", func(t *testing.T) {
		m := measure{t: t, fleet: c}
		for user := single; user < 2*single; user++ {
			first := user * perUser
			m.revoke(wire.PathAdminRevokeSessions, object{"scope": "user", "id": c.users[first].id}, span(first, first+perUser), open)
		}
		m.judge()
	})
	t.Run("everything", func(t *testing.T) {
		var rest []int
		for i := range open {
			if open[i].Alive() {
				rest = append(rest, i)
			}
		}
		NewWithT(t).Expect(rest).To(HaveLen((fleetUsers-single)*perUser-single*(perUser-1)), "nobody else was touched before")
		m := measure{t: t, fleet: c}
		m.revoke(wire.PathAdminRevokeSessions, object{"scope": "all"}, rest, open)
		m.judge()
		// A revoked user can log in again.
		_, err := c.users[len(c.users)-1].login(t.Context(), 0)
		NewWithT(t).Expect(err).NotTo(HaveOccurred(), "a new login after the revocation")
	})
}

// measure collects the times until revocations take effect.
type measure struct {
	t     *testing.T
	fleet *userFleet
	// answered holds the times until the administrator's answer, closed until sockets ended, refused until the other replica refused calls.
	answered, closed, refused times
}

// revoke requests one revocation at the first gateway and waits until all affected sockets have ended. Meanwhile one of the sessions calls
// the other gateway repeatedly.
func (m *measure) revoke(path string, body any, concerned []int, open []*chat.Socket) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), callTimeout)
	defer cancel()
	admin, c := m.fleet.admin(m.t, 0), m.fleet
	token := c.users[concerned[len(concerned)-1]].session.Token()
	other := c.Frontend.Gateways[1].Users + wire.PathSession
	g := NewWithT(m.t)
	g.Expect(send(ctx, kept, other, token, "", object{}).ok()).To(BeTrue(), "before the revocation")

	began := time.Now()
	var polling sync.WaitGroup
	var last reply
	polling.Go(func() {
		for last = send(ctx, kept, other, token, "", object{}); last.ok(); last = send(ctx, kept, other, token, "", object{}) {
		}
		m.refused = append(m.refused, time.Since(began))
	})
	r := send(ctx, kept, "http://"+admin.Address+path, "", admin.Token, body)
	m.answered = append(m.answered, time.Since(began))
	g.Expect(r.ok()).To(BeTrue(), r.String())
	for _, i := range concerned {
		end, err := open[i].Ended(ctx)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(end.Code).To(Equal(statusKicked), end.String())
		m.closed = append(m.closed, end.At.Sub(began))
	}
	polling.Wait()
	g.Expect(last.status).To(Equal(http.StatusOK), last.String())
	g.Expect(last.code).To(Equal(wire.CodeTokenKicked), last.String())
}

func (m *measure) judge() {
	m.t.Helper()
	m.t.Logf("\n  socket closed             %s\n  refused at other gateway  %s\n  administrator's answer    %s", m.closed, m.refused, m.answered)
	g := NewWithT(m.t)
	g.Expect(m.closed.part(99)).To(BeNumerically("<=", felt), "sockets")
	g.Expect(m.refused.part(99)).To(BeNumerically("<=", felt), "calls at the other gateway")
}

// statusKicked is the close code of a socket whose session has ended (docs/websocket.md).
const statusKicked = 4401

func span(from, to int) []int {
	all := make([]int, to-from)
	for i := range all {
		all[i] = from + i
	}
	return all
}
