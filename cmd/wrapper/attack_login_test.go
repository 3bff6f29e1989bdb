package main

import (
	"crypto/ecdh"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	client "github.com/openimstack/openim-operator/clients/go"
	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// begun is a handshake whose third message is ready.
type begun struct {
	start, finish string // bodies of the two calls
	request       handshake.FinishRequest
}

// begin makes the first call as an honest client does, and writes the second.
func (n *testEnv) begin(t *testing.T, purpose handshake.Purpose, key *client.Key, code *handshake.Code, platform int32) begun {
	t.Helper()
	private, err := privateOf(key)
	if err != nil {
		t.Fatal(err)
	}
	start := handshake.StartRequest{Protocol: handshake.ProtocolFor(purpose), KeyID: n.serverKey.ID(), Purpose: purpose}
	var psk []byte
	if code != nil {
		start.CodeID, psk = code.ID(), code.PSK()
	}
	initiator, err := handshake.NewInitiator(handshake.Terms{Audience: audience, Purpose: purpose, Protocol: start.Protocol}, n.serverKey,
		private, psk)
	if err != nil {
		t.Fatal(err)
	}
	m1, err := initiator.Start()
	if err != nil {
		t.Fatal(err)
	}
	start.Message = handshake.Text(m1)
	b := begun{start: encoded(t, start)}
	var envelope struct{ Data handshake.StartReply }
	replies := n.send(t, n.users, post(wire.PathLoginStart, b.start))
	if len(replies) != 1 || json.Unmarshal([]byte(replies[0].body), &envelope) != nil || envelope.Data.HandshakeID == "" {
		t.Fatalf("the login does not begin: %v", replies)
	}
	_, m3, err := initiator.Finish(envelope.Data.Bytes(), handshake.Hello{PlatformID: platform, DeviceName: "x",
		ClientTime: time.Now().UnixMilli()})
	if err != nil {
		t.Fatal(err)
	}
	b.request = handshake.FinishRequest{HandshakeID: envelope.Data.HandshakeID, Message: handshake.Text(m3)}
	b.finish = encoded(t, b.request)
	return b
}

// privateOf is a device's key as the handshake takes it.
func privateOf(key *client.Key) (*ecdh.PrivateKey, error) {
	raw, err := base64.RawURLEncoding.DecodeString(key.Reveal())
	if err != nil {
		return nil, err
	}
	return ecdh.X25519().NewPrivateKey(raw)
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// flip changes one bit of the third message.
func (b begun) flip(t *testing.T, at int) string {
	m3 := b.request.Bytes()
	m3[at] ^= 1
	return encoded(t, handshake.FinishRequest{HandshakeID: b.request.HandshakeID, Message: handshake.Text(m3)})
}

func attackLogin(t *testing.T, n *testEnv) {
	g := NewWithT(t)
	alice := n.people["alice"]
	key := func() *client.Key {
		k, err := client.GenerateKey()
		g.Expect(err).NotTo(HaveOccurred())
		return k
	}
	code := func(user string) *handshake.Code {
		c, err := handshake.ParseCode(n.code(t, user))
		g.Expect(err).NotTo(HaveOccurred())
		return &c
	}
	login := func() begun { return n.begin(t, handshake.Login, alice.device.Key, nil, 1) }
	finish := func(body string, headers ...string) reply {
		replies := n.send(t, n.users, post(wire.PathLoginFinish, body, headers...))
		g.Expect(replies).To(HaveLen(1))
		return replies[0]
	}
	granted := func(r reply) {
		g.Expect(r.granted()).To(BeTrue(), r.String())
	}
	unknown := finish(n.begin(t, handshake.Login, key(), nil, 1).finish) // every answer below must be equal to it
	g.Expect(unknown.code).To(Equal(1502))
	same := func(t *testing.T, r reply) {
		t.Helper()
		g := NewWithT(t)
		g.Expect(r.status).To(Equal(unknown.status))
		g.Expect(r.body).To(Equal(unknown.body))
		for _, h := range []map[string][]string{r.header, unknown.header} {
			delete(h, "Date")
			delete(h, "X-Request-Id")
		}
		g.Expect(r.header).To(Equal(unknown.header))
	}

	used, other, open := login(), login(), login()
	granted(finish(used.finish))
	spent := code("dora")
	granted(finish(n.begin(t, handshake.Enrol, key(), spent, 1).finish))
	guessed := code("erik")
	wrong := handshake.NewCode()
	revoked := n.login(t, "mallory")
	g.Expect(revoked.Revoke(t.Context(), client.ThisSession)).To(Succeed())
	mixed := encoded(t, handshake.FinishRequest{HandshakeID: other.request.HandshakeID, Message: open.request.Message})
	for _, c := range []struct {
		name string
		do   func() reply
	}{
		{"a finish twice", func() reply { return finish(used.finish) }},
		{"another's third message", func() reply { return finish(mixed) }},
		{"and then the right one", func() reply { return finish(other.finish) }},
		{"a handshake of nobody's", func() reply {
			return finish(encoded(t, handshake.FinishRequest{HandshakeID: strings.Repeat("A", 22), Message: open.request.Message}))
		}},
		{"the third message of a login before, to its first one again", func() reply {
			replies := n.send(t, n.users, post(wire.PathLoginStart, used.start))
			var envelope struct{ Data handshake.StartReply }
			g.Expect(json.Unmarshal([]byte(replies[0].body), &envelope)).To(Succeed())
			return finish(encoded(t, handshake.FinishRequest{HandshakeID: envelope.Data.HandshakeID, Message: used.request.Message}))
		}},
		{"another platform", func() reply { return finish(n.begin(t, handshake.Login, alice.device.Key, nil, 2).finish) }},
		{"a first bit", func() reply { return finish(login().flip(t, 0)) }},
		{"a bit of the key's tag", func() reply { return finish(login().flip(t, 47)) }},
		{"a bit of the payload", func() reply { return finish(login().flip(t, 48)) }},
		{"the last bit", func() reply { return finish(login().flip(t, handshake.Message3Bytes-1)) }},
		{"a used code", func() reply { return finish(n.begin(t, handshake.Enrol, key(), spent, 1).finish) }},
		{"a code of nobody's", func() reply { return finish(n.begin(t, handshake.Enrol, key(), &wrong, 1).finish) }},
		{"a key that is alice's, with dora's code", func() reply {
			return finish(n.begin(t, handshake.Enrol, alice.device.Key, code("dora"),
				1).finish)
		}},
		{"alice's key with alice's own code", func() reply {
			return finish(n.begin(t, handshake.Enrol, alice.device.Key, code("alice"),
				1).finish)
		}},
		{"a rotation without a session", func() reply { return finish(n.begin(t, handshake.Rotate, key(), nil, 1).finish) }},
		{"a rotation with a session that was revoked", func() reply {
			return finish(n.begin(t, handshake.Rotate, key(), nil, 3).finish, "token: "+revoked.Token())
		}},
		{"a rotation with two sessions", func() reply {
			return finish(n.begin(t, handshake.Rotate, key(), nil, 1).finish, "token: "+alice.Token(), "Authorization: Bearer "+alice.Token())
		}},
		{"a rotation to bob's key", func() reply {
			return finish(n.begin(t, handshake.Rotate, n.people["bob"].device.Key, nil, 1).finish, "token: "+n.login(t, "alice").Token())
		}},
		{"a rotation with OpenIM's token", func() reply {
			return finish(n.begin(t, handshake.Rotate, key(), nil, 1).finish, "token: "+alice.openim)
		}},
	} {
		n.each(t, c.name, func(t *testing.T) { same(t, c.do()) })
	}
	for attempt := range 5 {
		n.each(t, fmt.Sprintf("a code's secret guessed, attempt %d", attempt+1), func(t *testing.T) {
			same(t, finish(n.begin(t, handshake.Enrol, key(), guessed, 1).flip(t, handshake.Message3Bytes-1)))
		})
	}
	n.each(t, "the right secret at the sixth attempt", func(t *testing.T) {
		same(t, finish(n.begin(t, handshake.Enrol, key(), guessed, 1).finish))
	})
	n.each(t, "thirty-two finish one login", func(t *testing.T) { n.race(t, login(), same) })
	n.each(t, "thirty-two finish one enrolment", func(t *testing.T) { n.race(t, n.begin(t, handshake.Enrol, key(), code("frida"), 1), same) })
	n.each(t, "four use one code", func(t *testing.T) {
		shared := code("gustav")
		n.raceOf(t, func() []string {
			var bodies []string
			for range 4 { // a fifth attempt would use the code up
				bodies = append(bodies, n.begin(t, handshake.Enrol, key(), shared, 1).finish)
			}
			return bodies
		}(), same)
	})
	paths := []string{usersInfo, wire.WellKnownPath, internalapi.PathLoginStart, internalapi.PathLoginFinish}
	for _, own := range routes.OwnRoutes {
		if own.Listener == routes.Users {
			paths = append(paths, own.Path)
		}
	}
	slices.Sort(paths)
	for _, path := range slices.Compact(paths) {
		for name, body := range map[string]string{"first": used.start, "third": used.finish} {
			n.each(t, "a "+name+" message again, "+path, func(t *testing.T) {
				g := NewWithT(t)
				replies := n.send(t, n.users, post(path, body))
				g.Expect(replies).To(HaveLen(1))
				if path == wire.PathLoginStart && name == "first" {
					g.Expect(replies[0].body).To(ContainSubstring("handshakeID"), "a first message proves nothing, and may come again")
					return
				}
				g.Expect(replies[0].granted()).To(BeFalse(), replies[0].String())
			})
		}
	}
}

func (n *testEnv) race(t *testing.T, b begun, same func(*testing.T, reply)) {
	n.raceOf(t, slices.Repeat([]string{b.finish}, 32), same)
}

// logged returns the last log line with one of some words.
func (n *testEnv) logged(words ...string) (found string) {
	for line := range strings.Lines(n.log.String()) {
		if slices.ContainsFunc(words, func(w string) bool { return strings.Contains(line, w) }) {
			found = line
		}
	}
	return found
}

// raceOf sends several second calls at once: one is granted, and all others get the same refusal.
func (n *testEnv) raceOf(t *testing.T, bodies []string, same func(*testing.T, reply)) {
	replies := make([][]reply, len(bodies))
	var work sync.WaitGroup
	for i, body := range bodies {
		work.Go(func() { replies[i] = n.send(t, n.users, post(wire.PathLoginFinish, body)) })
	}
	work.Wait()
	wins, turnedAway := 0, 0
	for _, r := range replies {
		NewWithT(t).Expect(r).To(HaveLen(1))
		if r[0].granted() {
			wins++
			continue
		}
		if r[0].status == http.StatusServiceUnavailable { // too many at once: it says nothing about the login
			turnedAway++
			continue
		}
		same(t, r[0])
	}
	if turnedAway > 0 {
		t.Logf("%d were turned away, for: %s", turnedAway, n.logged("login_registry_down", "login_states_down", "login_sessions_down"))
		NewWithT(t).Expect(wins).To(BeNumerically("<=", 1))
		return
	}
	NewWithT(t).Expect(wins).To(Equal(1))
}
