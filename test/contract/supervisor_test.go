package contract_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/supervisor"
)

// The supervisor logs in to etcd with the variables that OpenIM reads.
func TestTheSupervisorReadsOpenIMsVariables(t *testing.T) {
	g := NewWithT(t)
	g.Expect(supervisor.EnvUsername).To(Equal(openim.EnvName(openim.DiscoveryFile, openim.KeyEtcdUsername)))
	g.Expect(supervisor.EnvPassword).To(Equal(openim.EnvName(openim.DiscoveryFile, openim.KeyEtcdPassword)))
}
