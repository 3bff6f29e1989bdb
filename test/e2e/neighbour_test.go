//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/hack/environment/chat"
	"github.com/openimstack/openim-operator/hack/environment/setup"
	"github.com/openimstack/openim-operator/hack/environment/truthtable"
	"github.com/openimstack/openim-operator/netpol/graph"
)

const (
	neighbourName = "other"
	// neighbourNumber is the number of the second stack's database in Redis, where OpenIM's keys have no prefix.
	neighbourNumber = 1
	// foreign is the row of a table for pods of another stack.
	foreign = "another stack"
	// spoken is the number of messages that each stack's sender sends.
	spoken = 20
)

// neighbour runs a second stack in the same namespace and on the same stores, with upstream's image layout.
func neighbour() {
	var other *v1alpha1.OpenIMStack

	It("refuses a second stack in the first stack's Redis database, and names the first stack", func(ctx SpecContext) {
		var err error
		other, err = second()
		Expect(err).NotTo(HaveOccurred())
		other.Spec.Dependencies.Redis.Database = nil
		Expect(environment.Apply(ctx, other)).To(Succeed())
		Eventually(ctx, func(g Gomega) {
			var seen v1alpha1.OpenIMStack
			g.Expect(environment.Cluster.Get(ctx, client.ObjectKeyFromObject(other), &seen)).To(Succeed())
			c := apimeta.FindStatusCondition(seen.Status.Conditions, v1alpha1.ConditionDependenciesReady)
			g.Expect(c).NotTo(BeNil())
			g.Expect(c.Reason).To(Equal(v1alpha1.ReasonSharedStore))
			g.Expect(c.Message).To(ContainSubstring("OpenIMStack " + stack.Namespace + "/" + stack.Name + " has database 0"))
		}).WithTimeout(time.Minute).Should(Succeed())
	}, SpecTimeout(2*time.Minute))

	It("runs the second stack in another database, from an image with upstream's layout", func(ctx SpecContext) {
		var err error
		other, err = second()
		Expect(err).NotTo(HaveOccurred())
		Expect(environment.Apply(ctx, other)).To(Succeed())
		ready(ctx, other)
	}, SpecTimeout(10*time.Minute))

	It("delivers in both stacks at once, and no message crosses", func(ctx SpecContext) {
		// The same names in both: what crossed would find somebody.
		sides := map[string]*side{}
		for _, s := range []*v1alpha1.OpenIMStack{stack, other} {
			sides[s.Name] = seated(ctx, s)
		}
		for n := range spoken {
			for name, s := range sides {
				_, err := s.from.Send(ctx, listener, fmt.Sprintf("%s %s %d", s.mark, name, n))
				Expect(err).NotTo(HaveOccurred())
			}
		}
		for name, s := range sides {
			heard := map[string]bool{}
			for len(heard) < spoken {
				got, err := s.to.Receive(ctx, func(r chat.Received) bool { return r.SendID == speaker })
				Expect(err).NotTo(HaveOccurred(), "%s heard %d of %d", name, len(heard), spoken)
				Expect(got.Text).To(HavePrefix(s.mark+" "+name+" "), "a message of the other stack")
				heard[got.Text] = true
			}
			a, err := environment.Admin(ctx, s.stack)
			Expect(err).NotTo(HaveOccurred())
			seq, err := a.NewestSeq(ctx, listener, chat.Conversation(speaker, listener))
			Expect(err).NotTo(HaveOccurred())
			Expect(seq-s.before).To(BeEquivalentTo(spoken), "%s counts its own messages, and no others", name)
		}
	}, SpecTimeout(3*time.Minute))

	It("delivers in the second stack, into its own database", func(ctx SpecContext) {
		stop, cancel := context.WithCancel(ctx)
		defer cancel()
		its, err := environment.Admin(stop, other)
		Expect(err).NotTo(HaveOccurred())
		_, err = its.Register(ctx, alice, bob)
		Expect(err).NotTo(HaveOccurred())
		d, err := environment.Deliver(ctx, other, its, alice, bob, fmt.Sprint("neighbour ", time.Now().UnixNano()))
		Expect(err).NotTo(HaveOccurred())
		Expect(d.Seq).To(BeEquivalentTo(1), "its conversation is not the first stack's")
	}, SpecTimeout(2*time.Minute))

	It("is isolated like the first stack", func(ctx SpecContext) {
		o, err := environment.Observer(ctx, other)
		Expect(err).NotTo(HaveOccurred())
		report, err := o.Observe(ctx, setup.TruthTable(other))
		Expect(err).NotTo(HaveOccurred())
		Expect(report.Faults()).To(BeEmpty())
		AddReportEntry("matrix", report.Count().String())
	}, SpecTimeout(5*time.Minute))

	It("neither reaches the other", func(ctx SpecContext) {
		for _, pair := range [][2]*v1alpha1.OpenIMStack{{stack, other}, {other, stack}} {
			report := apart(ctx, pair[0], pair[1])
			Expect(report.Faults()).To(BeEmpty())
			AddReportEntry(pair[0].Name+" to "+pair[1].Name, report.Count().String())
		}
	}, SpecTimeout(5*time.Minute))
}

// The users of both stacks.
const (
	speaker  = "dora"
	listener = "emil"
)

// side is one of two stacks with a sender and a receiver.
type side struct {
	stack    *v1alpha1.OpenIMStack
	from, to *chat.Socket
	mark     string
	// before is the newest sequence number of their conversation.
	before int64
}

// seated creates the two users of a stack and opens a socket for each, which are open until the spec ends.
func seated(ctx SpecContext, s *v1alpha1.OpenIMStack) *side {
	GinkgoHelper()
	made := &side{stack: s, mark: fmt.Sprint("beside ", time.Now().UnixNano())}
	a, err := environment.Admin(ctx, s)
	Expect(err).NotTo(HaveOccurred())
	_, err = a.Register(ctx, speaker, listener)
	Expect(err).NotTo(HaveOccurred())
	made.before, err = a.NewestSeq(ctx, listener, chat.Conversation(speaker, listener))
	Expect(err).NotTo(HaveOccurred())
	gateways, err := environment.Gateways(ctx, s)
	Expect(err).NotTo(HaveOccurred())
	for name, socket := range map[string]**chat.Socket{speaker: &made.from, listener: &made.to} {
		p, err := gateways[0].NewUser(ctx, a, name)
		Expect(err).NotTo(HaveOccurred())
		*socket, err = gateways[0].OpenSoon(ctx, p)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup((*socket).Close)
	}
	return made
}

// second returns the sample with another name, another Redis database, and an image with upstream's layout.
func second() (*v1alpha1.OpenIMStack, error) {
	other, err := environment.Sample()
	if err != nil {
		return nil, err
	}
	other.Name = neighbourName
	other.Spec.Image = &v1alpha1.ImageSpec{Repository: environment.Repository(setup.UpstreamLayoutImage)}
	other.Spec.Dependencies.Redis.Database = ptr.To[int32](neighbourNumber)
	other.Spec.Dependencies.ObjectStorage.MinIO.Bucket = neighbourName
	other.Spec.Wrapper.Auth.Users.Audience = manifests.Endpoints(other).Users
	return other, nil
}

// apart observes every port of one stack from every pod of another.
func apart(ctx SpecContext, from, to *v1alpha1.OpenIMStack) truthtable.Report {
	GinkgoHelper()
	var cells []graph.Cell
	o := &truthtable.Observer{
		Cluster:   environment.Cluster,
		Namespace: to.Namespace,
		Stack:     to.Name,
		Image:     environment.Images[setup.OperatorImage],
		Timeout:   programming,
	}
	for _, c := range graph.DeploymentsOf(to) { // the check has no pod at rest
		container, err := environment.Inside(ctx, client.ObjectKeyFromObject(from), c.Name)
		Expect(err).NotTo(HaveOccurred())
		o.ExtraSources = append(o.ExtraSources, truthtable.ExtraSource{Name: from.Name + "/" + c.Name, Row: foreign, Container: container})
		for _, port := range c.Ports {
			cells = append(cells, graph.Cell{From: foreign, To: c.Name, Port: port, Open: false})
		}
	}
	report, err := o.Observe(ctx, cells)
	Expect(err).NotTo(HaveOccurred())
	return report
}
