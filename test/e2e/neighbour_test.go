//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/lockdown"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/test/harness/matrix"
	"github.com/openimstack/openim-operator/test/harness/setup"
)

const (
	neighbourName     = "other"
	neighbourStores   = "infra-other"
	neighbourDatabase = "other"
	// foreign is the row of a table for pods of another stack.
	foreign = "another stack"
)

// neighbour is a second stack in the same namespace, with stores of its own and with the image layout that upstream uses.
func neighbour() {
	var other *v1alpha1.OpenIMStack

	It("runs a second stack beside it, from an image with upstream's layout", func(ctx SpecContext) {
		Expect(environment.InstallStores(ctx, neighbourStores)).To(Succeed())
		var err error
		other, err = second()
		Expect(err).NotTo(HaveOccurred())
		Expect(environment.Apply(ctx, other)).To(Succeed())
		ready(ctx, other)
	}, SpecTimeout(10*time.Minute))

	It("delivers in the second stack, into its own database", func(ctx SpecContext) {
		stop, cancel := context.WithCancel(ctx)
		defer cancel()
		its, err := environment.Admin(stop, other)
		Expect(err).NotTo(HaveOccurred())
		_, err = its.Register(ctx, alice, bob)
		Expect(err).NotTo(HaveOccurred())
		d, err := environment.Deliver(ctx, other, its, alice, bob, fmt.Sprint("next door ", time.Now().UnixNano()))
		Expect(err).NotTo(HaveOccurred())
		Expect(d.Seq).To(BeEquivalentTo(1), "its conversation is not the first stack's")
	}, SpecTimeout(2*time.Minute))

	It("is sealed like the first", func(ctx SpecContext) {
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

// second is the sample with another name, other stores, and an image whose binaries are where upstream's image has them.
func second() (*v1alpha1.OpenIMStack, error) {
	other, err := environment.Sample()
	if err != nil {
		return nil, err
	}
	other.Name = neighbourName
	other.Spec.Image = &v1alpha1.ImageSpec{Repository: environment.Repository(setup.UpstreamLayoutImage)}
	other.Spec.Dependencies = v1alpha1.Dependencies{
		Kafka:   v1alpha1.Kafka{Brokers: elsewhere(other.Spec.Dependencies.Kafka.Brokers)},
		Redis:   v1alpha1.Redis{Addresses: elsewhere(other.Spec.Dependencies.Redis.Addresses), CredentialsRef: other.Spec.Dependencies.Redis.CredentialsRef},
		MongoDB: v1alpha1.MongoDB{Addresses: elsewhere(other.Spec.Dependencies.MongoDB.Addresses), Database: neighbourDatabase},
		Etcd:    v1alpha1.Etcd{Endpoints: elsewhere(other.Spec.Dependencies.Etcd.Endpoints)},
	}
	other.Spec.Wrapper.Redis.Addresses = elsewhere(other.Spec.Wrapper.Redis.Addresses)
	other.Spec.Wrapper.Auth.Users.Audience = manifests.Endpoints(other).Users
	return other, nil
}

func elsewhere(addresses []v1alpha1.Address) []v1alpha1.Address {
	var moved []v1alpha1.Address
	for _, address := range addresses {
		moved = append(moved, v1alpha1.Address(setup.Moved(string(address), neighbourStores)))
	}
	return moved
}

// apart observes every port of a stack from every pod of another.
func apart(ctx SpecContext, from, to *v1alpha1.OpenIMStack) matrix.Report {
	GinkgoHelper()
	var cells []lockdown.Cell
	o := &matrix.Observer{
		Cluster: environment.Cluster, Namespace: to.Namespace, Stack: to.Name, Image: environment.Images[setup.OperatorImage], Patience: programming,
	}
	for _, c := range lockdown.ComponentsOf(to) {
		place, err := environment.Inside(ctx, client.ObjectKeyFromObject(from), c.Name)
		Expect(err).NotTo(HaveOccurred())
		o.Strangers = append(o.Strangers, matrix.Stranger{Name: from.Name + "/" + c.Name, Row: foreign, Place: place})
		for _, port := range c.Ports {
			cells = append(cells, lockdown.Cell{From: foreign, To: c.Name, Port: port, Open: false})
		}
	}
	report, err := o.Observe(ctx, cells)
	Expect(err).NotTo(HaveOccurred())
	return report
}
