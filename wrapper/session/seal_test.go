package session

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
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

// TestWhoCanWriteToRedisMakesNobodyBeAnybody: one that seals stands for the backend, one that does not for the gateway and for an attacker
// who holds it.
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
	g.Expect(fresh().check(forged)).To(MatchError(ErrUnknown), "and to who decides it is none")
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

func TestAGrantIsATicketThatWasHad(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	backend, gateway := start(t, server, with(key("ours"))), start(t, server)
	_, s := backend.login(t, "alice", "phone")
	redeem := func() string {
		t.Helper()
		_, grant, err := gateway.RedeemTicket(t.Context(), backend.ticket(t, s), PurposeRealtime)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(len(grant)).To(BeNumerically("<", MaxProofBytes/4))
		return grant
	}
	grant := redeem()
	for range 3 {
		proof, err := backend.VerifyProof(t.Context(), grant)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(proof).To(Equal(Proof{Session: s, ForSocket: true}))
	}
	_, err := gateway.VerifyProof(t.Context(), grant)
	g.Expect(err).To(MatchError(ErrUnknown), "who cannot tell accepts none")
	g.Expect(gateway.check(grant)).To(MatchError(ErrMalformed), "it is no token")

	_, bobs := backend.login(t, "bob", "tablet")
	ticket := strings.Split(grant, ".")[1]
	forged := gateway.ticket(t, bobs)
	_, unsealed, err := gateway.RedeemTicket(t.Context(), forged, PurposeRealtime)
	g.Expect(err).NotTo(HaveOccurred(), "the gateway's own door is the gateway's")
	record := strings.Split(grant, ".")[2]
	other := strings.Split(redeem(), ".")
	for name, bad := range map[string]string{
		"not sealed":              unsealed,
		"another ticket's":        grantVersion + other[1] + "." + record,
		"a record of bob's":       grantOf(ticket, `{"session":"`+bobs.ID+`","device":"tablet","platform":5,"purpose":"realtime"}`),
		"no record":               grantVersion + ticket + ".",
		"no ticket":               grantVersion + "." + record,
		"neither":                 grantVersion,
		"another spelling":        grantVersion + ticket + "." + record + "\n",
		"longer than there is":    grantVersion + ticket + "." + strings.Repeat("A", maxGrantBytes),
		"a part too many":         grant + ".x",
		"a record that is no one": grantOf(ticket, "null"),
	} {
		_, err := backend.VerifyProof(t.Context(), bad)
		g.Expect(err).To(Or(MatchError(ErrUnknown), MatchError(ErrMalformed)), name)
	}

	g.Expect(gateway.Revoke(t.Context(), Revocation{Scope: ScopeSession, ID: s.ID})).To(Succeed())
	g.Eventually(func() error { _, err := backend.VerifyProof(t.Context(), grant); return err }, soon, time.Millisecond).Should(MatchError(ErrRevoked))
	_, next := backend.login(t, "alice", "phone")
	_, again, err := gateway.RedeemTicket(t.Context(), backend.ticket(t, next), PurposeRealtime)
	g.Expect(err).NotTo(HaveOccurred())
	proof, err := backend.VerifyProof(t.Context(), again)
	g.Expect(err).NotTo(HaveOccurred(), "life goes on")
	g.Expect(proof.Session).To(Equal(next))
}

// TestAListThatSomebodyFilledCostsLittle: whoever can write to Redis cannot make a login read without end.
func TestAListThatSomebodyFilledCostsLittle(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a := start(t, server)
	_, s := a.login(t, "alice", "phone")
	index := a.records.ofDevice(&s)
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
