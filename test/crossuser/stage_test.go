package crossuser

import (
	"cmp"
	"fmt"
	"testing"

	"github.com/openimstack/openim-operator/test/loopback"
	"github.com/openimstack/openim-operator/wrapper/backend"
	"github.com/openimstack/openim-operator/wrapper/client"
)

// stage is OpenIM with the wrapper before it, and a witness between the two.
type stage struct {
	*loopback.Stack
	witness *witness
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{}
	openIM, err := loopback.OpenIMURL()
	if err != nil {
		t.Fatal(err)
	}
	s.witness = newWitness(t, openIM)
	s.Stack = loopback.New(t, loopback.Options{Wrapper: &loopback.Wrapper{
		Hot:     loopback.Generous,
		Backend: func(_ int, c *backend.Config) { c.OpenIM.APIURL = s.witness.URL },
	}})
	return s
}

// attacker is a user with a world of his own, a session of the wrapper's, and a token of OpenIM's.
type attacker struct {
	*world
	session *client.Session
	token   string
}

func (s *stage) attacker(t *testing.T) *attacker {
	t.Helper()
	a := &attacker{world: newWorld(t, s.Stack)}
	admin, err := s.Door.Admin()
	if err != nil {
		t.Fatal(err)
	}
	issued := admin.Must(t, "/wrapper/codes/issue", object{"userID": a.Self, "nickname": a.Self, "platformID": iOS, "lifetimeSeconds": 60})
	if a.session, err = s.Door.Enrol(t.Context(), fmt.Sprint(issued["code"]), iOS); err != nil {
		t.Fatal(err)
	}
	if a.token, err = s.OpenIM.UserToken(t.Context(), a.Self, android); err != nil {
		t.Fatal(err)
	}
	return a
}

// straight is OpenIM's API with the attacker's own token, as if there were no wrapper.
func (s *stage) straight(a *attacker) loopback.API { return s.OpenIM.As(a.token) }

// through is OpenIM's API through the wrapper, with the attacker's session.
func (s *stage) through(a *attacker) loopback.API { return s.Door.User(a.session.Token()) }

func code(reply loopback.Reply) string {
	return fmt.Sprint(cmp.Or(reply.Code, reply.Status))
}
