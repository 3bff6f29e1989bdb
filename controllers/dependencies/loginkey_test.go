package dependencies_test

import (
	"crypto/ecdh"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
)

// loginKeyOf returns a private key of one repeated byte, and its fingerprint.
func loginKeyOf(t *testing.T, fill byte) (text, fingerprint string) {
	t.Helper()
	raw := make([]byte, 32)
	for i := range raw {
		raw[i] = fill
	}
	private, err := ecdh.X25519().NewPrivateKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(raw), fmt.Sprintf("sha256:%x", sha256.Sum256(private.PublicKey().Bytes()))
}

func TestFingerprintsAreOfThePublicKeys(t *testing.T) {
	g := NewWithT(t)
	one, first := loginKeyOf(t, 1)
	_, second := loginKeyOf(t, 2)
	inHex := strings.Repeat("02", 32)
	facts, problems := resolve(t, letIn(),
		objectsForUsers(secret("chat-login", map[string]string{"a": one + "\n", "b": inHex, "c": "no key"}))...)
	g.Expect(problems).To(BeEmpty())
	g.Expect(facts.Wrapper.LoginKeys).To(ConsistOf(first, second))
}

// Clients have pinned the first key. Each case is a state of the Secret, and the expected problem.
func TestTheLoginKeyThatClientsKnow(t *testing.T) {
	one, first := loginKeyOf(t, 1)
	two, second := loginKeyOf(t, 2)
	login := func(keys ...string) client.Object {
		data := map[string]string{}
		for i, key := range keys {
			data[fmt.Sprint(i)] = key
		}
		return secret("chat-login", data)
	}
	for _, c := range []struct {
		name    string
		pinned  string // by the spec
		givenUp bool
		fresh   bool // no key is known yet
		secret  client.Object
		reason  string
	}{
		{name: "as it was", secret: login(one)},
		{name: "one more", secret: login(one, two)},
		{name: "another", secret: login(two), reason: v1alpha1.ReasonLoginKeyChanged},
		{name: "no key in it", secret: login("hello"), reason: v1alpha1.ReasonLoginKeyChanged},
		{name: "an empty key", secret: login(""), reason: v1alpha1.ReasonLoginKeyChanged},
		{name: "lost", reason: v1alpha1.ReasonLoginKeyLost},
		{name: "another, and the first given up", secret: login(two), givenUp: true},
		{name: "lost, and given up", givenUp: true},
		{name: "another, named by the spec", secret: login(two), pinned: second},
		{name: "another, and the spec names the first", secret: login(two), pinned: first, givenUp: true,
			reason: v1alpha1.ReasonLoginKeyChanged},
		{name: "lost, and named by the spec", pinned: first, givenUp: true, reason: v1alpha1.ReasonLoginKeyLost},
		{name: "the stack is new, and so is the key", secret: login(two), fresh: true},
		{name: "the stack is new, and its spec names a key that is not there", pinned: first, fresh: true, reason: v1alpha1.ReasonLoginKeyLost},
		{name: "the stack is new, and there is no key", fresh: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			s := letIn(func(s *spec) { s.Wrapper.Auth.Users.ServerKeyFingerprint = c.pinned })
			if !c.fresh {
				s.Status.LoginKeys = []string{first}
			}
			var cluster []client.Object
			for _, o := range objectsForUsers() {
				if o.GetName() != "chat-login" {
					cluster = append(cluster, o)
				}
			}
			if c.secret != nil {
				cluster = append(cluster, c.secret)
			}
			facts, problems := resolve(t, s, cluster...)
			problem := dependencies.LoginKey(s, facts, problems, c.givenUp)
			if c.reason == "" {
				g.Expect(problem).To(BeNil())
				return
			}
			g.Expect(problem).NotTo(BeNil())
			g.Expect(problem.Reason).To(Equal(c.reason))
			g.Expect(problem.Stalled).To(BeTrue())
			g.Expect(problem.String()).To(And(ContainSubstring(first), ContainSubstring(`"chat-login"`), ContainSubstring("restore the Secret")))
			g.Expect(problem.String()).NotTo(Or(ContainSubstring(one), ContainSubstring(two)), "a message holds no secret")
			if c.pinned == "" {
				g.Expect(problem.Message).To(ContainSubstring("openimstack.dev/regenerate-login-at"))
			}
		})
	}
}
