package place_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/test/loopback/place"
)

type keeper struct {
	restarts int
	lifetime time.Duration
	problem  error
}

func (k *keeper) AdminToken(context.Context) (string, error) { return "the token", k.problem }

func (k *keeper) RestartDoor(context.Context) error {
	k.restarts++
	return k.problem
}

func (k *keeper) LimitSessions(_ context.Context, lifetime time.Duration) error {
	k.lifetime = lifetime
	return k.problem
}

func TestAPlaceGoesThroughTheEnvironment(t *testing.T) {
	g := NewWithT(t)
	p := place.Place{API: "http://a", Socket: "ws://b", Admin: "http://c", Door: "http://d", Control: "http://f"}
	for _, variable := range p.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	g.Expect(place.FromEnvironment()).To(Equal(p))
	g.Expect(p.HasDoor()).To(BeTrue())
}

func TestWithoutAPlaceItIsSaidHowToGetOne(t *testing.T) {
	t.Setenv("IM_API", "")
	_, err := place.FromEnvironment()
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring("make test-sdk")))
}

func TestTheKeeperIsAsked(t *testing.T) {
	g := NewWithT(t)
	k := &keeper{}
	url, err := place.Serve(t.Context(), k)
	g.Expect(err).NotTo(HaveOccurred())
	p := place.Place{Control: url}
	g.Expect(p.AdminToken(t.Context())).To(Equal("the token"))
	g.Expect(p.RestartDoor(t.Context())).To(Succeed())
	g.Expect(k.restarts).To(Equal(1))

	g.Expect(p.LimitSessions(t.Context(), 12*time.Second)).To(Succeed())
	g.Expect(k.lifetime).To(Equal(12 * time.Second))
	g.Expect(p.LimitSessions(t.Context(), 0)).To(Succeed())
	g.Expect(k.lifetime).To(BeZero())

	k.problem = errors.New("the pod did not come back")
	g.Expect(p.RestartDoor(t.Context())).To(MatchError(ContainSubstring("the pod did not come back")))
	_, err = p.AdminToken(t.Context())
	g.Expect(err).To(HaveOccurred())
}

func TestStrangersAreNotServed(t *testing.T) {
	g := NewWithT(t)
	k := &keeper{}
	url, err := place.Serve(t.Context(), k)
	g.Expect(err).NotTo(HaveOccurred())
	stranger := place.Place{Control: url[:strings.LastIndex(url, "/")] + "/guess"}
	_, err = stranger.AdminToken(t.Context())
	g.Expect(err).To(HaveOccurred())
	g.Expect(err.Error()).NotTo(ContainSubstring("the token"))
}
