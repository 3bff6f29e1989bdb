package session

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"

	"github.com/openimstack/openim-operator/wrapper/redisdb/redistest"
)

// key is a Sealer that hides nothing: what it seals can be read in a failing test. It opens what was sealed under the same name alone.
type key string

func (k key) Seal(content, place []byte) ([]byte, error) {
	return slices.Concat([]byte(k), []byte{0}, place, []byte{0}, content), nil
}

func (k key) Open(sealed, place []byte) ([]byte, error) {
	content, ok := bytes.CutPrefix(sealed, slices.Concat([]byte(k), []byte{0}, place, []byte{0}))
	if !ok {
		return nil, ErrUnknown
	}
	return content, nil
}

type noKey struct{}

var errNoKey = errors.New("the key cannot be read")

func (noKey) Open([]byte, []byte) ([]byte, error) { return nil, errNoKey }
func (noKey) Seal([]byte, []byte) ([]byte, error) { return nil, errNoKey }

func with(s Sealer) func(*replica, *bounds) {
	return func(r *replica, _ *bounds) { r.seal = s }
}

// TestWhoCanWriteToRedisMakesNobodyBeAnybody: one that seals stands for the backend, one that does not for the gateway and for an
// attacker who holds it.
func TestWhoCanWriteToRedisMakesNobodyBeAnybody(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	backend, gateway := start(t, server, with(key("ours"))), start(t, server)
	token, s := backend.login(t, "alice", "phone")
	g.Expect(gateway.check(token)).To(Succeed())
	g.Expect(backend.check(token)).To(Succeed())
	fresh := func() *replica { return start(t, server, with(key("ours"))) } // which remembers nothing

	forged, f := gateway.login(t, "bob", "made up")
	g.Expect(gateway.check(forged)).To(Succeed(), "there it is a session")
	g.Expect(fresh().check(forged)).To(MatchError(ErrUnknown), "and unknown to the store that decides")
	foreign, _ := start(t, server, with(key("another stack's"))).login(t, "bob", "phone")
	g.Expect(fresh().check(foreign)).To(MatchError(ErrUnknown))

	client := server.Client()
	record := client.HGetAll(t.Context(), prefix+"s:"+s.ID).Val()
	for field, value := range map[string]string{
		"hash": client.HGet(t.Context(), prefix+"s:"+f.ID, "hash").Val(), "user": "bob", "device": "another", "platform": "1", "epoch": "99",
		"created": "1", "end": "99999999999999", "seal": "",
	} {
		g.Expect(client.HSet(t.Context(), prefix+"s:"+s.ID, field, value).Err()).To(Succeed())
		presented := token
		if field == "hash" {
			presented = tokenVersion + s.ID + forged[len(forged)-secretChars-1:]
			g.Expect(start(t, server).check(presented)).To(Succeed(), "without a seal that is all it takes")
		}
		g.Expect(fresh().check(presented)).To(MatchError(ErrUnknown), "%s changed", field)
		g.Expect(client.HSet(t.Context(), prefix+"s:"+s.ID, record).Err()).To(Succeed())
		g.Expect(fresh().check(token)).To(Succeed(), "%s as it was", field)
	}
	g.Expect(client.HSet(t.Context(), prefix+"s:"+f.ID, "seal", record["seal"]).Err()).To(Succeed())
	g.Expect(fresh().check(forged)).To(MatchError(ErrUnknown), "a seal belongs to one session")

	g.Expect(start(t, server, with(noKey{})).check(token)).To(MatchError(ErrUnavailable), "without its key nothing is guessed")
	_, _, err := start(t, server, with(noKey{})).Create(t.Context(), "carol", "phone", 1, 1)
	g.Expect(err).To(MatchError(ErrUnavailable))
}

func TestAGrantIsARedeemedTicket(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	backend, gateway := start(t, server, with(key("ours"))), start(t, server)
	_, s := backend.login(t, "alice", "phone")
	redeem := func(s Session) string {
		t.Helper()
		_, grant, err := backend.RedeemTicket(t.Context(), backend.ticket(t, s), PurposeRealtime)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(len(grant)).To(BeNumerically("<", maxGrantBytes/2))
		return grant
	}
	grant := redeem(s)
	for range 3 {
		proof, err := backend.VerifyProof(t.Context(), grant)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(proof.ForSocket).To(BeTrue())
		g.Expect(proof.Session.fields()).To(Equal(s.fields()))
	}
	_, err := gateway.VerifyProof(t.Context(), grant)
	g.Expect(err).To(MatchError(ErrMalformed), "a store without a Sealer accepts none")
	g.Expect(gateway.check(grant)).To(MatchError(ErrMalformed), "it is no token")
	_, none, err := gateway.RedeemTicket(t.Context(), gateway.ticket(t, s), PurposeRealtime)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(none).To(BeEmpty(), "a store without a Sealer gives none")
	_, _, err = backend.RedeemTicket(t.Context(), gateway.ticket(t, s), PurposeRealtime)
	g.Expect(err).To(MatchError(ErrUnknown), "a ticket that was written to Redis by another")

	parts, other := strings.Split(grant, "."), strings.Split(redeem(s), ".")
	for name, bad := range map[string]string{
		"another's name":       strings.Join([]string{"g1", parts[1], other[2], parts[3]}, "."),
		"another time":         strings.Join([]string{"g1", "1", parts[2], parts[3]}, "."),
		"another content":      strings.Join([]string{"g1", parts[1], parts[2], other[3]}, "."),
		"nothing sealed":       strings.Join([]string{"g1", parts[1], parts[2], ""}, "."),
		"nothing":              grantVersion,
		"another spelling":     grant + "\n",
		"longer than there is": grant + strings.Repeat("A", maxGrantBytes),
		"a part too many":      grant + ".x",
	} {
		_, err := backend.VerifyProof(t.Context(), bad)
		g.Expect(err).To(Or(MatchError(ErrUnknown), MatchError(ErrMalformed)), name)
	}

	g.Expect(gateway.Revoke(t.Context(), Revocation{Scope: ScopeSession, ID: s.ID})).To(Succeed())
	g.Eventually(func() error { _, err := backend.VerifyProof(t.Context(), grant); return err }, soon,
		time.Millisecond).Should(MatchError(ErrRevoked))
	_, next := backend.login(t, "alice", "phone")
	proof, err := backend.VerifyProof(t.Context(), redeem(next))
	g.Expect(err).NotTo(HaveOccurred(), "the service continues")
	g.Expect(proof.Session.ID).To(Equal(next.ID))
}

// TestAGrantNeedsNoRedisForAWhile: open sockets keep working on a replica that has never seen their session.
func TestAGrantNeedsNoRedisForAWhile(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a := start(t, server, with(key("ours")))
	b := start(t, server, with(key("ours")), func(_ *replica, b *bounds) { b.outage = 5 * time.Second })
	token, s := a.login(t, "alice", "phone")
	grant, err := a.Grant(s, PurposeRealtime)
	g.Expect(err).NotTo(HaveOccurred())
	_, err = prepare(t, server, with(key("ours"))).VerifyProof(t.Context(), grant)
	g.Expect(err).NotTo(HaveOccurred(), "one that has just started asks for the revocations first")
	server.Stop()
	_, err = b.VerifyProof(t.Context(), token)
	g.Expect(err).To(MatchError(ErrUnavailable))
	proof, err := b.VerifyProof(t.Context(), grant)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(proof.Session.UserID).To(Equal("alice"))
	g.Eventually(func() error { _, err := b.VerifyProof(t.Context(), grant); return err }, soon,
		50*time.Millisecond).Should(MatchError(ErrUnavailable), "not for ever")

	fresh := prepare(t, redistest.Start(t), with(key("ours")))
	_, err = fresh.VerifyProof(t.Context(), grant)
	g.Expect(err).To(MatchError(ErrUnknown), "where Redis answers and has lost the session")
	fresh.lifetime.Store(int64(time.Second))
	_, short := fresh.login(t, "alice", "phone")
	grant, err = fresh.Grant(short, PurposeRealtime)
	g.Expect(err).NotTo(HaveOccurred())
	g.Eventually(func() error { _, err := fresh.VerifyProof(t.Context(), grant); return err }, soon,
		50*time.Millisecond).Should(MatchError(ErrExpired))
}

// TestATicketThatIsPutBackIsNoLongerGood: Redis expires it, and an attacker with write access has a copy of its record.
func TestATicketThatIsPutBackIsNoLongerGood(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a := start(t, server, with(key("ours")))
	_, s := a.login(t, "alice", "phone")
	ticket := a.ticket(t, s)
	record := server.Client().Get(t.Context(), prefix+"t:"+hashOf(ticket)).Val()
	g.Expect(record).NotTo(BeEmpty())
	_, err := a.readTicket(ticket, record, PurposeRealtime)
	g.Expect(err).NotTo(HaveOccurred())
	a.skew.Store(int64(time.Minute))
	g.Expect(a.refresh(t.Context())).To(Succeed()) // its clock follows Redis'
	a.skew.Store(int64(2 * time.Minute))
	_, err = a.readTicket(ticket, record, PurposeRealtime)
	g.Expect(err).To(MatchError(ErrUnknown))
	later := strings.Replace(record, `"expires":1`, `"expires":9`, 1)
	g.Expect(later).NotTo(Equal(record))
	_, err = a.readTicket(ticket, later, PurposeRealtime)
	g.Expect(err).To(MatchError(ErrUnknown), "its end is sealed along")
}

// nextKey is a Sealer that lacks the key under which a replica with the next key seals.
type nextKey struct{ key }

func (n nextKey) Open(sealed, place []byte) ([]byte, error) {
	if content, err := n.key.Open(sealed, place); err == nil {
		return content, nil
	}
	return nil, ErrKeyUnknown
}

// TestWhileTheNextKeyIsOnItsWayNobodyIsLoggedOut: one replica has it, and the other does not yet.
func TestWhileTheNextKeyIsOnItsWayNobodyIsLoggedOut(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	first, second := start(t, server, with(nextKey{"next"})), start(t, server, with(nextKey{"old"}))
	token, s := first.login(t, "alice", "phone")
	_, grant, err := first.RedeemTicket(t.Context(), first.ticket(t, s), PurposeRealtime)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(second.check(token)).To(MatchError(ErrUnavailable))
	_, err = second.VerifyProof(t.Context(), grant)
	g.Expect(err).To(MatchError(ErrUnavailable))
	for range MaxPerDevice {
		next, _ := second.login(t, "alice", "phone")
		g.Expect(second.check(next)).To(Succeed(), "others go on: it is not Redis that is away")
	}
	g.Expect(server.Client().ZScore(t.Context(), first.records.deviceKey(&s), s.ID).Err()).NotTo(HaveOccurred(), "it keeps its place")

	created := time.Now().Add(-2 * newerKeyGrace).UnixMilli()
	g.Expect(server.Client().HSet(t.Context(), prefix+"s:"+s.ID, "created", created).Err()).To(Succeed())
	g.Expect(second.check(token)).To(MatchError(ErrUnknown), "a key that is still unknown then is gone")
}

// TestOfARevocationThatNoWrapperWroteHoldsWhatOneCouldHaveWritten: it would outlast the attacker who wrote it. What it ends now stays
// ended, since a real revocation may have been merged into it.
func TestOfARevocationThatNoWrapperWroteHoldsWhatOneCouldHaveWritten(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a := start(t, server)
	client := server.Client()
	far := time.Now().Add(100 * 365 * 24 * time.Hour).UnixMilli()
	for _, payload := range []string{
		fmt.Sprintf("cut %d 0 %d 1 x\n%s", far, far, allField), fmt.Sprintf("cut 1 0 %d 1 x\nu:carol", far),
		fmt.Sprintf("cut 1 0 1 1 x\nu:%s", strings.Repeat("x", 4096)), fmt.Sprintf("cut 1 0 1 1 %s\nu:bob", strings.Repeat("x", 4096)),
	} {
		g.Expect(client.Publish(t.Context(), a.revocations.channel, payload).Err()).To(Succeed())
	}
	g.Expect(client.HSet(t.Context(), a.revocations.entries, allField, fmt.Sprintf("%d 0 %d 1 x", far, far)).Err()).To(Succeed())
	g.Eventually(func() float64 { return testutil.ToFloat64(a.metrics.implausible) }, soon, time.Millisecond).Should(BeNumerically(">=", 4))
	for field, c := range a.table.inForce() {
		g.Expect(field).To(BeElementOf(allField, "u:carol"), "no text that is too long")
		g.Expect(c.until).To(BeNumerically("<=", lastUntil(time.Now().Add(time.Minute))))
		g.Expect(c.before).To(BeNumerically("<=", time.Now().Add(time.Minute).UnixMilli()))
	}
	g.Expect(client.Del(t.Context(), a.revocations.entries, a.revocations.meta, a.revocations.bySeq, a.revocations.byEnd).Err()).To(Succeed())
	nextMillisecond(t, server)
	token, s := a.login(t, "alice", "phone")
	g.Expect(a.check(token)).To(Succeed(), "a login after it")

	// An attacker who writes the numbers of the list, or an entry of it, disables no real revocation.
	b := start(t, server)
	g.Expect(client.HSet(t.Context(), a.revocations.meta, "end", far).Err()).To(Succeed())
	g.Expect(client.HSet(t.Context(), a.revocations.entries, userField+"alice", fmt.Sprintf("1 0 %d 1 x", far)).Err()).To(Succeed())
	g.Expect(a.Revoke(t.Context(), Revocation{Scope: ScopeUser, ID: "alice"})).To(Succeed())
	for _, r := range []*replica{a, b, start(t, server)} {
		eventuallyRefused(t, r, token, ErrRevoked)
	}
	nextMillisecond(t, server)
	again, _ := b.login(t, "alice", s.DeviceID)
	g.Expect(a.check(again)).To(Succeed())
}

// TestAGrantEndsWithASessionThatNewerLoginsReplaced: the list of revocations forgets that after some minutes, the record does not.
func TestAGrantEndsWithASessionThatNewerLoginsReplaced(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a := start(t, server, with(key("ours")))
	_, s := a.login(t, "alice", "phone")
	grant, err := a.Grant(s, PurposeRealtime)
	g.Expect(err).NotTo(HaveOccurred())
	for range MaxPerDevice {
		a.login(t, "alice", "phone")
	}
	client := server.Client()
	g.Expect(client.Del(t.Context(), a.revocations.entries, a.revocations.meta, a.revocations.bySeq, a.revocations.byEnd).Err()).To(Succeed())
	b := start(t, server, with(key("ours")))
	_, err = b.VerifyProof(t.Context(), grant)
	g.Expect(err).To(MatchError(ErrRevoked))
	g.Expect(client.Del(t.Context(), prefix+"s:"+s.ID).Err()).To(Succeed())
	_, err = start(t, server, with(key("ours"))).VerifyProof(t.Context(), grant)
	g.Expect(err).To(MatchError(ErrUnknown))
}

// TestAKeyThatCannotBeReadIsNotRedisThatIsAway: calls that need no key are served.
func TestAKeyThatCannotBeReadIsNotRedisThatIsAway(t *testing.T) {
	g := NewWithT(t)
	a := start(t, redistest.Start(t), with(noKey{}))
	for range 3 * failuresInARow {
		_, _, err := a.Create(t.Context(), "carol", "phone", 1, 1)
		g.Expect(err).To(MatchError(ErrUnavailable))
	}
	g.Expect(a.Revoke(t.Context(), Revocation{Scope: ScopeUser, ID: "carol"})).To(Succeed())
}

func TestAListWithNumbersThatAreNotItsOrderIsDamaged(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a := prepare(t, server)
	pipe := server.Client().Pipeline()
	for i := range revocationPage + 1 {
		field := fmt.Sprint("u:", i)
		pipe.ZAdd(t.Context(), a.revocations.bySeq, redis.Z{Score: float64(i + 1), Member: field})
		pipe.HSet(t.Context(), a.revocations.entries, field, "1 0 1 0 x")
	}
	_, err := pipe.Exec(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(a.revocations.since(t.Context(), 0, func(string, mergedRevocation) {})).To(MatchError(ContainSubstring("damaged")),
		"and does not read without end")
}

// TestAListThatSomebodyFilledCostsLittle: write access to Redis is not enough to make a login read without end.
func TestAListThatSomebodyFilledCostsLittle(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a := start(t, server)
	_, s := a.login(t, "alice", "phone")
	index := a.records.deviceKey(&s)
	pipe := server.Client().Pipeline()
	for range 5000 {
		pipe.ZAdd(t.Context(), index, redis.Z{Score: 1, Member: randomText(idBytes)})
	}
	_, err := pipe.Exec(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	_, listed, err := a.records.write(t.Context(), &s, [32]byte{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(len(listed)).To(BeNumerically("<=", 128))
	next, _ := a.login(t, "alice", "phone")
	g.Expect(a.check(next)).To(Succeed())
}
