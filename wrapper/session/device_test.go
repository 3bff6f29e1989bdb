package session

import (
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/redisdb/redistest"
)

func TestADeviceKeepsItsNewestSessions(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a, b := start(t, server), start(t, server)
	other, _ := a.login(t, "alice", "tablet")
	foreign, _ := b.login(t, "bob", "phone")
	var tokens []string
	var sockets []*ended
	for i := range MaxPerDevice + 3 {
		token, s := []*replica{a, b}[i%2].login(t, "alice", "phone")
		tokens, sockets = append(tokens, token), append(sockets, a.open(s))
	}
	for i := range 3 {
		sockets[i].eventually(t, ErrRevoked)
		for _, r := range []*replica{a, b} {
			eventuallyRefused(t, r, tokens[i], ErrRevoked)
		}
	}
	for i, token := range tokens[3:] {
		g.Expect(a.check(token)).To(Succeed(), "session %d of %d", i+3, len(tokens))
		g.Expect(b.check(token)).To(Succeed(), "session %d of %d", i+3, len(tokens))
		g.Expect(sockets[i+3].causes).NotTo(Receive())
	}
	g.Expect(a.check(other)).To(Succeed(), "another device of the same user")
	g.Expect(a.check(foreign)).To(Succeed(), "another user")

	client := server.Client()
	g.Expect(client.ZCard(t.Context(), prefix+"sd:5:alice:phone").Val()).To(BeEquivalentTo(MaxPerDevice), "the list of the device is bounded")
	g.Expect(client.ZCard(t.Context(), prefix+"su:alice").Val()).To(BeEquivalentTo(MaxPerDevice+1), "and so is the user's")
	g.Expect(client.PTTL(t.Context(), prefix+"sd:5:alice:phone").Val()).To(BeNumerically("~", time.Hour+keptAfterEnd, time.Minute))

	t.Run("also when the list of revocations no longer says so", func(t *testing.T) {
		g := NewWithT(t)
		g.Expect(client.Del(t.Context(), prefix+"cut:{all}:cuts", prefix+"cut:{all}:numbers", prefix+"cut:{all}:ends").Err()).To(Succeed())
		c := start(t, server)
		g.Expect(c.check(tokens[0])).To(MatchError(ErrRevoked))
		g.Expect(c.check(tokens[3])).To(Succeed())
		gone, err := c.records.touch(t.Context(), []string{idOf(t, tokens[0]), idOf(t, tokens[3])}, time.Now())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(gone).To(ConsistOf(idOf(t, tokens[0])), "a socket that heard nothing of it ends with the next use")
	})
}

// nextMillisecond waits until Redis' clock has moved on: a login in the very millisecond of a revocation is caught by it.
func nextMillisecond(t *testing.T, server *redistest.Server) {
	t.Helper()
	client := server.Client()
	begun := client.Time(t.Context()).Val().UnixMilli()
	NewWithT(t).Eventually(func() int64 { return client.Time(t.Context()).Val().UnixMilli() }, soon,
		time.Millisecond).Should(BeNumerically(">", begun))
}

func idOf(t *testing.T, token string) string {
	t.Helper()
	id, _, err := parseToken(token)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestSessionsThatHaveEndedTakeNoPlaceOfADevice(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a := start(t, server)
	stays, _ := a.login(t, "alice", "phone")
	for range 3 * MaxPerDevice {
		_, s := a.login(t, "alice", "phone")
		g.Expect(a.Revoke(t.Context(), Revocation{Scope: ScopeSession, ID: s.ID})).To(Succeed())
	}
	g.Expect(a.check(stays)).To(Succeed())
}

func TestManyLoginsOfADeviceAtOnceLeaveNoMoreThanItMayHave(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	replicas := []*replica{start(t, server), start(t, server)}
	var mu sync.Mutex
	var tokens []string
	var logins sync.WaitGroup
	for i := range 5 * MaxPerDevice {
		logins.Go(func() {
			if token, _, err := replicas[i%2].Create(t.Context(), "alice", "phone", 5, 1); err == nil {
				mu.Lock()
				tokens = append(tokens, token)
				mu.Unlock()
			}
		})
	}
	logins.Wait()
	last, _ := replicas[0].login(t, "alice", "phone")
	for _, r := range replicas {
		g.Eventually(func() (alive int) {
			for _, token := range append(tokens, last) {
				if r.check(token) == nil {
					alive++
				}
			}
			return alive
		}, soon, 10*time.Millisecond).Should(And(BeNumerically("<=", MaxPerDevice), BeNumerically(">", 0)))
		g.Expect(r.check(last)).To(Succeed(), "the last login wins")
	}
	g.Expect(server.Client().ZCard(t.Context(), prefix+"sd:5:alice:phone").Val()).To(BeNumerically("<=", MaxPerDevice))
}

func TestAPlatformIsEndedAloneAndTakesNewLogins(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a, b := start(t, server), start(t, server)
	create := func(user, device string, platform int32) (string, *ended) {
		token, s, err := b.Create(t.Context(), user, device, platform, 1)
		g.Expect(err).NotTo(HaveOccurred())
		return token, b.open(s)
	}
	phone, socket := create("alice", "phone", 1)
	second, _ := create("alice", "phone2", 1)
	web, webSocket := create("alice", "browser", 5)
	bob, _ := create("bob", "other", 1)

	g.Expect(a.Revoke(t.Context(), Revocation{Scope: ScopePlatform, ID: "alice", PlatformID: 1, Reason: "administrator"})).To(Succeed())
	socket.eventually(t, ErrRevoked)
	eventuallyRefused(t, b, phone, ErrRevoked)
	eventuallyRefused(t, b, second, ErrRevoked)
	g.Expect(b.check(web)).To(Succeed())
	g.Expect(b.check(bob)).To(Succeed())
	g.Expect(webSocket.causes).NotTo(Receive())

	nextMillisecond(t, server)
	again, next := create("alice", "phone", 1)
	g.Expect(a.check(again)).To(Succeed(), "a new login")
	g.Consistently(next.causes, 100*time.Millisecond).ShouldNot(Receive(), "and its socket")

	for _, bad := range []Revocation{
		{Scope: ScopePlatform}, {Scope: ScopePlatform, ID: "alice", PlatformID: -1}, {Scope: ScopeUser, ID: "alice", PlatformID: 1},
		{Scope: ScopePlatform, ID: "alice", Epoch: 1},
	} {
		g.Expect(a.Revoke(t.Context(), bad)).NotTo(Succeed(), "%+v", bad)
	}
}

// TestWhatIsGivenUnderASessionEndsWithIt: an enrolment code, which nothing else connects with the session.
func TestWhatIsGivenUnderASessionEndsWithIt(t *testing.T) {
	server := redistest.Start(t)
	a, b := start(t, server), prepare(t, server) // b has heard of nothing
	for name, r := range map[string]func(Session) Revocation{
		"the session": func(s Session) Revocation { return Revocation{Scope: ScopeSession, ID: s.ID} },
		"the device":  func(s Session) Revocation { return Revocation{Scope: ScopeDevice, ID: s.DeviceID} },
		"the platform": func(s Session) Revocation {
			return Revocation{Scope: ScopePlatform, ID: s.UserID, PlatformID: s.PlatformID}
		},
		"the user": func(s Session) Revocation { return Revocation{Scope: ScopeUser, ID: s.UserID} },
		"the epoch": func(s Session) Revocation {
			return Revocation{Scope: ScopeUser, ID: s.UserID, Epoch: s.Epoch + 1, Before: time.Unix(1, 0)}
		},
		"everything": func(Session) Revocation { return Revocation{Scope: ScopeAll} },
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			user := "user of " + name
			_, s := a.login(t, user, "device of "+name)
			mark, err := b.Mark(t.Context(), user, time.Minute)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(b.CheckNotRevoked(t.Context(), s)).To(Succeed())
			g.Expect(b.CheckNotRevoked(t.Context(), mark)).To(Succeed())
			g.Expect(a.Revoke(t.Context(), r(s))).To(Succeed())
			g.Expect(b.CheckNotRevoked(t.Context(), s)).To(MatchError(ErrRevoked), "at once, by a replica that has heard of nothing")
			if name == "the user" || name == "everything" {
				g.Expect(b.CheckNotRevoked(t.Context(), mark)).To(MatchError(ErrRevoked))
			} else {
				g.Expect(b.CheckNotRevoked(t.Context(), mark)).To(Succeed())
			}
			nextMillisecond(t, server)
			_, next, err := a.Create(t.Context(), user, "another device of "+name, 5, s.Epoch+1)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(b.CheckNotRevoked(t.Context(), next)).To(Succeed(), "what comes after")
			mark, err = b.Mark(t.Context(), user, time.Minute)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(b.CheckNotRevoked(t.Context(), mark)).To(Succeed())
		})
	}
	server.Stop()
	NewWithT(t).Expect(a.CheckNotRevoked(t.Context(), Session{ID: "x"})).To(MatchError(ErrUnavailable), "it is never guessed")
}

// TestEveryFieldOfASessionSurvivesRedis: a field that is added and not stored would be zero in every session that was read, and what is
// compared with it would go wrong.
func TestEveryFieldOfASessionSurvivesRedis(t *testing.T) {
	g := NewWithT(t)
	a := prepare(t, redistest.Start(t))
	_, _, err := a.Create(t.Context(), "alice", "phone", 5, 7)
	g.Expect(err).NotTo(HaveOccurred())
	s := Session{}
	v := reflect.ValueOf(&s).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Interface().(type) {
		case string:
			f.SetString(fmt.Sprint("field ", i))
		case int32, int64:
			f.SetInt(int64(100 + i))
		case time.Time:
			f.Set(reflect.ValueOf(time.UnixMilli(time.Now().UnixMilli() + int64(i)*60_000)))
		default:
			t.Fatalf("teach this test the type of %s", v.Type().Field(i).Name)
		}
	}
	_, _, err = a.records.write(t.Context(), &s, [32]byte{1})
	g.Expect(err).NotTo(HaveOccurred())
	read, _, err := a.records.read(t.Context(), s.ID, nil)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(read.session).To(Equal(s))
}
