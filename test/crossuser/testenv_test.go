package crossuser

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	client "github.com/openimstack/openim-operator/clients/go"
	"github.com/openimstack/openim-operator/test/loopback"
	"github.com/openimstack/openim-operator/wrapper/backend"
	"github.com/openimstack/openim-operator/wrapper/routes/routestest"
)

// testEnv is OpenIM with the wrapper in front, and a witness between them.
type testEnv struct {
	*loopback.Stack
	witness *witness
	// release is the release of OpenIM that runs.
	release string
}

func newTestEnv(t *testing.T) *testEnv {
	t.Helper()
	s := &testEnv{}
	openIM, err := loopback.OpenIMURL()
	if err != nil {
		t.Fatal(err)
	}
	s.witness = newWitness(t, openIM)
	options, err := loopback.Options{Files: true, Wrapper: &loopback.Wrapper{
		Hot:     loopback.Generous,
		Backend: func(_ int, c *backend.Config) { c.OpenIM.APIURL = s.witness.URL },
	}}.FromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	s.release = cmp.Or(options.Release, loopback.DefaultRelease)
	s.Stack = loopback.New(t, options)
	return s
}

// attacker is a user with data of their own, a session of the wrapper, and a token of OpenIM.
type attacker struct {
	*userData
	session *client.Session
	token   string
}

func (s *testEnv) attacker(t *testing.T) *attacker {
	t.Helper()
	return s.enrolled(t, newUserData(t, s.Stack))
}

// besides returns an attacker and a victim whose identifiers begin with the attacker's: the IDs of the victim's conversations with the
// attacker's own friend, and of the victim's group, are extensions of the attacker's.
func (s *testEnv) besides(t *testing.T) (*attacker, *userData) {
	t.Helper()
	run := strings.ToLower(rand.Text()[:8])
	own := routestest.Identities{Self: "zoe" + run, Peer: "bob" + run, Group: "chess" + run}
	other := routestest.Identities{Self: own.Self + "s", Peer: own.Peer, Group: own.Group + "s"}
	return s.enrolled(t, named(t, s.Stack, own, run+"own")), named(t, s.Stack, other, run+"other")
}

func (s *testEnv) enrolled(t *testing.T, w *userData) *attacker {
	t.Helper()
	a := &attacker{userData: w}
	admin, err := s.Frontend.Admin()
	if err != nil {
		t.Fatal(err)
	}
	issued := admin.Must(t, "/wrapper/codes/issue", object{"userID": a.Self, "nickname": a.Self, "platformID": iOS, "lifetimeSeconds": 60})
	if a.session, err = s.Frontend.Enrol(t.Context(), fmt.Sprint(issued["code"]), iOS); err != nil {
		t.Fatal(err)
	}
	if a.token, err = s.OpenIM.UserToken(t.Context(), a.Self, android); err != nil {
		t.Fatal(err)
	}
	return a
}

// straight returns OpenIM's API with the attacker's own token, without the wrapper.
func (s *testEnv) straight(a *attacker) loopback.API { return s.OpenIM.As(a.token) }

// through returns OpenIM's API through the wrapper, with the attacker's session.
func (s *testEnv) through(a *attacker) loopback.API { return s.Frontend.User(a.session.Token()) }

func code(reply loopback.Reply) string {
	return fmt.Sprint(cmp.Or(reply.Code, reply.Status))
}
