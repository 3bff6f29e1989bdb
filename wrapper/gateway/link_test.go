package gateway

import (
	"net/http"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// apart returns a gateway that speaks one range of versions, and a backend that reads another.
func apart(t *testing.T, gateway, backend auth.Link) (*backendClient, *replicas) {
	t.Helper()
	r := &replicas{pick: func() int { return 0 }}
	b, _ := behind(t, r, 1)
	b.link = gateway
	r.verifiers[0].Read(backend)
	return b, r
}

// TestReleasesAtMostOneApartWorkTogether: each case is a gateway and a backend, and the versions of three calls as they arrive.
func TestReleasesAtMostOneApartWorkTogether(t *testing.T) {
	for name, c := range map[string]struct {
		gateway, backend auth.Link
		versions         []byte
	}{
		"one release": {auth.Link{Min: 3, Max: 3}, auth.Link{Min: 3, Max: 3}, []byte{3, 3, 3}},
		"the backend reads the next version, too":        {auth.Link{Min: 3, Max: 3}, auth.Link{Min: 3, Max: 4}, []byte{3, 3, 3}},
		"the gateway speaks the next version, too":       {auth.Link{Min: 3, Max: 4}, auth.Link{Min: 3, Max: 3}, []byte{3, 3, 3}},
		"both know the next version":                     {auth.Link{Min: 3, Max: 4}, auth.Link{Min: 3, Max: 4}, []byte{3, 4, 4}},
		"the backend is ahead, and the lowest is gone":   {auth.Link{Min: 3, Max: 4}, auth.Link{Min: 4, Max: 5}, []byte{3, 4, 4, 4}},
		"the gateway is ahead, and starts at its lowest": {auth.Link{Min: 4, Max: 5}, auth.Link{Min: 3, Max: 4}, []byte{4, 4, 4}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			b, r := apart(t, c.gateway, c.backend)
			for range 3 {
				g.Expect(write(t, b)).To(Equal(http.StatusOK))
			}
			g.Expect(r.versions).To(Equal(c.versions))
			g.Expect(r.did).To(HaveLen(3), "each call is carried out once")
		})
	}
}

// TestWithoutACommonVersionTheReasonIsClear: until the other side is replaced.
func TestWithoutACommonVersionTheReasonIsClear(t *testing.T) {
	for name, c := range map[string]struct{ gateway, backend auth.Link }{
		"the backend is too new": {auth.Link{Min: 3, Max: 3}, auth.Link{Min: 4, Max: 5}},
		"the gateway is too new": {auth.Link{Min: 4, Max: 5}, auth.Link{Min: 3, Max: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			b, r := apart(t, c.gateway, c.backend)
			for range 2 {
				g.Expect(write(t, b)).To(Equal(http.StatusServiceUnavailable))
			}
			g.Expect(r.did).To(BeEmpty())
			g.Expect(b.ping(t.Context())).To(MatchError(And(ContainSubstring(c.gateway.String()), ContainSubstring(c.backend.String()),
				ContainSubstring("at most one apart"))))
			r.verifiers[0].Read(c.gateway)
			g.Expect(write(t, b)).To(Equal(http.StatusOK))
		})
	}
}

// TestReplicasOfTwoReleasesBehindOneAddress: the backend is being replaced, and a proxy spreads the calls.
func TestReplicasOfTwoReleasesBehindOneAddress(t *testing.T) {
	for name, links := range map[string][2]auth.Link{
		"the gateway is new": {{Min: 3, Max: 3}, {Min: 3, Max: 4}},
		"the gateway is old": {{Min: 3, Max: 4}, {Min: 4, Max: 5}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			turn := 0
			r := &replicas{pick: func() int { turn++; return turn / 3 % 2 }}
			b, _ := behind(t, r, 2)
			b.link = auth.Link{Min: 3, Max: 4}
			for i, link := range links {
				r.verifiers[i].Read(link)
			}
			for range 30 {
				g.Expect(write(t, b)).To(Equal(http.StatusOK))
			}
			g.Expect(r.did).To(HaveLen(30))
		})
	}
}

// TestOneVersionApartFromTheRealBackend: both listeners serve, and answer 503 when there is no common version.
func TestOneVersionApartFromTheRealBackend(t *testing.T) {
	g := NewWithT(t)
	o, _ := withBackend(t)
	token, _ := o.login(t, "alice")
	ask := func(want int) {
		t.Helper()
		status, e := o.usersEnv.post(t, infoPath, token, `{"userIDs":["alice"]}`)
		g.Expect(status).To(Equal(want), e.ErrMsg)
		status, e = o.command(t, wire.AdminPrefix+"/user/get_users_info", `{"userIDs":["alice"]}`, nil)
		g.Expect(status).To(Equal(want), e.ErrMsg)
	}
	present := auth.PresentLink
	for _, c := range []struct {
		gateway auth.Link
		want    int
	}{
		{present, http.StatusOK},
		{auth.Link{Min: present.Max, Max: present.Max + 1}, http.StatusOK},
		{auth.Link{Min: present.Max - 1, Max: present.Max}, http.StatusOK},
		{auth.Link{Min: present.Max + 1, Max: present.Max + 2}, http.StatusServiceUnavailable},
		{present, http.StatusOK},
	} {
		o.services.backend.link = c.gateway
		ask(c.want)
	}
}
