package openim_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/openim"
)

func TestTheCatalogueHoldsTwelveProcessesAndTwentyTwoPorts(t *testing.T) {
	g := NewWithT(t)
	names, ports := map[openim.Name]bool{}, map[int32]openim.Name{}
	for _, p := range openim.Processes() {
		g.Expect(names).NotTo(HaveKey(p.Name))
		names[p.Name] = true
		for _, port := range p.Ports {
			g.Expect(ports).NotTo(HaveKey(port.Number), "%s and %s listen on the same port", p.Name, ports[port.Number])
			ports[port.Number] = p.Name
		}
	}
	g.Expect(names).To(HaveLen(12))
	g.Expect(ports).To(HaveLen(22))
}

func TestEveryCallEndsAtAnRPCPort(t *testing.T) {
	for _, p := range openim.Processes() {
		for _, callee := range p.Calls {
			g := NewWithT(t)
			target, ok := openim.Lookup(callee)
			g.Expect(ok).To(BeTrue(), "%s calls %s, which is not in the table", p.Name, callee)
			_, ok = target.Port(openim.GRPC)
			g.Expect(ok).To(BeTrue(), "%s calls %s, which has no rpc port", p.Name, callee)
		}
	}
}

func TestAProcessReadsTheFilesOfTheStoresItConnectsTo(t *testing.T) {
	file := map[openim.Dependency]openim.File{
		openim.Kafka: openim.KafkaFile, openim.Redis: openim.RedisFile, openim.MongoDB: openim.MongoDBFile,
		openim.Etcd: openim.DiscoveryFile, openim.ObjectStorage: openim.MinIOFile,
	}
	for _, p := range openim.Processes() {
		for _, d := range p.Dependencies {
			NewWithT(t).Expect(p.Reads(file[d])).To(BeTrue(), "%s needs %s", p.Name, d)
		}
		NewWithT(t).Expect(p.Reads(p.OwnFile())).To(BeTrue(), "%s reads its own file", p.Name)
	}
}

func TestSupportedReleases(t *testing.T) {
	for _, tag := range []string{"v3.8.3", "v3.8.3-patch.1", "v3.8.3-patch.16"} {
		r, err := openim.ParseRelease(tag)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		NewWithT(t).Expect(r.Tag).To(Equal(tag))
	}
	for _, tag := range []string{"", "3.8.3", "v3.8.4", "v3.8.3-patch.0", "v3.8.3-patch.17", "v3.8.3-patch.016", "v3.8.3-patch.1x",
		"v3.8.3-alpha.1"} {
		_, err := openim.ParseRelease(tag)
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring("write v3.8.3")), tag)
	}
}

func TestDialects(t *testing.T) {
	cases := []struct {
		tag                       string
		redisMode, rpcMaxBodySize bool
	}{
		{"v3.8.3", false, false}, {"v3.8.3-patch.4", false, false}, {"v3.8.3-patch.5", false, true},
		{"v3.8.3-patch.11", false, true}, {"v3.8.3-patch.12", true, true}, {"v3.8.3-patch.16", true, true},
	}
	for _, c := range cases {
		r := release(t, c.tag)
		NewWithT(t).Expect(r.RedisMode()).To(Equal(c.redisMode), c.tag)
		NewWithT(t).Expect(r.RPCMaxBodySize()).To(Equal(c.rpcMaxBodySize), c.tag)
	}
}

func TestEnvironmentNames(t *testing.T) {
	g := NewWithT(t)
	g.Expect(openim.EnvName(openim.RedisFile, openim.KeyPassword)).To(Equal("IMENV_REDIS_PASSWORD"))
	g.Expect(openim.EnvName(openim.DiscoveryFile, openim.KeyEtcdUsername)).To(Equal("IMENV_DISCOVERY_ETCD_USERNAME"))
	g.Expect(openim.EnvName(openim.RPCAuthFile, openim.KeyRegisterIP)).To(Equal("IMENV_OPENIM_RPC_AUTH_RPC_REGISTERIP"))
	g.Expect(openim.EnvName(openim.MinIOFile, openim.KeyAccessKeyID)).To(Equal("IMENV_MINIO_ACCESSKEYID"))
}
