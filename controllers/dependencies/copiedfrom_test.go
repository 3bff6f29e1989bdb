package dependencies_test

import (
	"context"
	"errors"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/openimstack/openim-operator/controllers/dependencies"
)

// What a copy says of its origin is what its namespace is asked for, whatever the spec refers to by now.
func TestACopyStaysWhileItsOwnOriginPermitsIt(t *testing.T) {
	const from = "kafka kafka.strimzi.io/Kafka/events /Secret/openim"
	granted := newStrimziCluster(t)
	s := strimziRef()
	facts, problems := resolveWith(t, dependencies.Access{}, s, granted.objects()...)
	g := NewWithT(t)
	g.Expect(problems).To(BeEmpty())
	g.Expect(kafkaCopy(g, facts).From).To(HavePrefix("kafka "))

	for name, c := range map[string]struct {
		from    string
		access  dependencies.Access
		objects []client.Object
		want    bool
	}{
		"as the resolver writes it":                {from: kafkaCopy(g, facts).From, objects: granted.objects(), want: true},
		"both permitted":                           {from: from, objects: granted.objects(), want: true},
		"no grant":                                 {from: from},
		"one object that no grant names":           {from: from + " /Secret/other", objects: granted.objects()},
		"another namespace":                        {from: "kafka2 kafka.strimzi.io/Kafka/events", objects: granted.objects()},
		"of the stack's own namespace":             {from: "", want: true},
		"a namespace that the operator cannot see": {from: from, access: dependencies.Access{Namespaces: []string{"im"}}, want: true},
		"no object":                                {from: "kafka", objects: granted.objects()},
		"not a name":                               {from: "kafka events", objects: granted.objects()},
		"cut off":                                  {from: from[:len(from)-3], objects: granted.objects()},
		"spaces":                                   {from: "  ", objects: granted.objects()},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			cluster := fake.NewClientBuilder().WithScheme(withStrimzi()).WithObjects(c.objects...).Build()
			may, err := c.access.Permits(t.Context(), cluster, s, c.from)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(may).To(Equal(c.want))
		})
	}

	silent := fake.NewClientBuilder().WithScheme(withStrimzi()).WithInterceptorFuncs(interceptor.Funcs{
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
			return errors.New("no answer")
		},
	}).Build()
	_, err := dependencies.Access{}.Permits(t.Context(), silent, s, from)
	g.Expect(err).To(MatchError(ContainSubstring("no answer")), "nothing is deleted for a read that failed")
}
