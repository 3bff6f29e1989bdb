package snapshot_test

import (
	"context"
	"errors"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// asking counts the kinds that a RESTMapper does not know. Each of them costs the real one two requests.
type asking struct {
	meta.RESTMapper
	misses map[schema.GroupKind]int
}

func (m asking) RESTMapping(kind schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	mapping, err := m.RESTMapper.RESTMapping(kind, versions...)
	if err != nil {
		m.misses[kind]++
	}
	return mapping, err
}

type askingClient struct {
	client.Client
	mapper asking
}

func (c askingClient) RESTMapper() meta.RESTMapper { return c.mapper }

func TestKindsOfAbsentGroupsCostOneQueryForAllSnapshots(t *testing.T) {
	served := served([]client.Object{foreign("gateway.networking.k8s.io/v1", "HTTPRoute", "im", "r", nil)}, interceptor.Funcs{})
	scope := snapshot.Scope{Namespaces: []string{"im"}}
	for name, c := range map[string]struct {
		groups         func(context.Context) ([]string, error)
		first, queries int
		kinds          []schema.GroupKind // of those that the mapper is asked for
	}{
		"groups are known": {
			groups: func(context.Context) ([]string, error) {
				return []string{"", "apps", "gateway.networking.k8s.io", "policy.networking.k8s.io"}, nil
			},
			first: 6, queries: 1, // kinds of the two groups that are served in part
			kinds: []schema.GroupKind{{Group: "gateway.networking.k8s.io", Kind: "TLSRoute"}},
		},
		"the API server tells no groups": {
			groups: func(context.Context) ([]string, error) { return nil, errors.New("unavailable") },
			first:  40, queries: 90, kinds: []schema.GroupKind{{Group: "traefik.io", Kind: "IngressRoute"}},
		},
		"nothing can be asked for groups": {first: 40, kinds: []schema.GroupKind{{Group: "traefik.io", Kind: "IngressRoute"}}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			queries := 0
			groups := c.groups
			if groups != nil {
				groups = func(ctx context.Context) ([]string, error) {
					queries++
					return c.groups(ctx)
				}
			}
			mapper := asking{served.RESTMapper(), map[schema.GroupKind]int{}}
			absent := snapshot.NewAbsentKinds(groups)
			for range 2 {
				s := scope
				s.AbsentKinds = absent
				w, err := snapshot.Read(t.Context(), askingClient{served, mapper}, s)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(w.Routes).To(ConsistOf(HaveField("Kind", "HTTPRoute")), "what is there is read")
			}
			g.Expect(len(mapper.misses)).To(BeNumerically("~", c.first, 8))
			for kind, count := range mapper.misses {
				g.Expect(count).To(Equal(1), "%s: the second snapshot does not ask again", kind)
			}
			for _, kind := range c.kinds {
				g.Expect(mapper.misses).To(HaveKey(kind))
			}
			g.Expect(queries).To(BeNumerically("<=", c.queries))
		})
	}
}

// A query that hangs holds up its own snapshot alone.
func TestOthersDoNotWaitForAQueryOfTheGroups(t *testing.T) {
	g := NewWithT(t)
	kind := schema.GroupKind{Group: "k8s.nginx.org", Kind: "VirtualServer"}
	asked, answer := make(chan struct{}), make(chan struct{})
	absent := snapshot.NewAbsentKinds(func(context.Context) ([]string, error) {
		close(asked)
		<-answer
		return nil, nil
	})
	first := make(chan bool)
	go func() { first <- absent.IsAbsent(t.Context(), kind) }()
	<-asked
	g.Expect(absent.IsAbsent(t.Context(), kind)).To(BeFalse(), "not known yet")
	close(answer)
	g.Expect(<-first).To(BeTrue())
	g.Expect(absent.IsAbsent(t.Context(), kind)).To(BeTrue())
}

// A group that is not served when it is first asked for, and a reader without memory.
func TestAKindIsAbsentOnlyWhenThatIsKnown(t *testing.T) {
	g := NewWithT(t)
	kind := schema.GroupKind{Group: "traefik.io", Kind: "IngressRoute"}
	var none *snapshot.AbsentKinds
	none.Note(kind)
	g.Expect(none.IsAbsent(t.Context(), kind)).To(BeFalse())

	queries := 0
	failing := snapshot.NewAbsentKinds(func(ctx context.Context) ([]string, error) {
		queries++
		_, bounded := ctx.Deadline()
		g.Expect(bounded).To(BeTrue())
		return nil, errors.New("unavailable")
	})
	for range 25 {
		g.Expect(failing.IsAbsent(t.Context(), kind)).To(BeFalse(), "an API server that does not answer proves nothing")
	}
	g.Expect(queries).To(Equal(1), "it is not asked once for each kind")

	absent := snapshot.NewAbsentKinds(func(context.Context) ([]string, error) { return []string{"traefik.io"}, nil })
	g.Expect(absent.IsAbsent(t.Context(), kind)).To(BeFalse(), "its group is served")
	g.Expect(absent.IsAbsent(t.Context(), schema.GroupKind{Group: "k8s.nginx.org", Kind: "VirtualServer"})).To(BeTrue())
	absent.Note(kind)
	g.Expect(absent.IsAbsent(t.Context(), kind)).To(BeTrue(), "the group lacks the kind")
}
