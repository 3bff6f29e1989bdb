package openim_test

import (
	"encoding/json"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/openim"
)

func TestTheCatalogueHoldsTwelveProcessesAndTwentyTwoPortsOfTheirOwn(t *testing.T) {
	g := NewWithT(t)
	names, ports := map[openim.Name]bool{}, map[int32]openim.Name{}
	for _, p := range openim.Processes() {
		g.Expect(names).NotTo(HaveKey(p.Name))
		names[p.Name] = true
		supervised, ok := p.Port(openim.Health)
		g.Expect(ok).To(BeTrue(), "%s is supervised", p.Name)
		g.Expect(supervised.Number).To(Equal(int32(12900)))
		for _, port := range p.Ports {
			if port == supervised {
				continue
			}
			g.Expect(ports).NotTo(HaveKey(port.Number), "%s and %s listen on the same port", p.Name, ports[port.Number])
			ports[port.Number] = p.Name
		}
	}
	g.Expect(names).To(HaveLen(12))
	g.Expect(ports).To(HaveLen(22))
}

func TestAProcessRegistersIfOthersCallIt(t *testing.T) {
	names := map[string]openim.Name{}
	for _, p := range openim.Processes() {
		g := NewWithT(t)
		_, called := p.Port(openim.GRPC)
		if !called {
			g.Expect(p.Registered).To(BeEmpty(), "%s", p.Name)
		} else {
			g.Expect(p.Registered).NotTo(BeEmpty(), "%s", p.Name)
			g.Expect(names).NotTo(HaveKey(p.Registered))
			names[p.Registered] = p.Name
		}
	}
	NewWithT(t).Expect(names).To(HaveLen(9))
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
		"v3.8.3-alpha.1", "v3.8.3-patch.11"} {
		_, err := openim.ParseRelease(tag)
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring("write v3.8.3")), tag)
	}
}

// A run revision of a release that is no longer supported is read: what runs goes on, and the way to another release is open.
func TestARecordedReleaseIsReadAlsoWhenItIsNoLongerSupported(t *testing.T) {
	g := NewWithT(t)
	var r openim.Release
	g.Expect(r.UnmarshalText([]byte("v3.8.3-patch.11"))).To(Succeed())
	g.Expect(r.Tag).To(Equal("v3.8.3-patch.11"))
	g.Expect(r.RPCMaxBodySize()).To(BeTrue())
	g.Expect(r.UnmarshalText([]byte("v3.8.3-patch.99"))).NotTo(Succeed())
}

func TestDialects(t *testing.T) {
	cases := []struct {
		tag                       string
		redisMode, rpcMaxBodySize bool
		bracketsIPv6, again       bool
	}{
		{"v3.8.3", false, false, false, false}, {"v3.8.3-patch.2", false, false, false, false}, {"v3.8.3-patch.3", false, false, true, false},
		{"v3.8.3-patch.4", false, false, true, false}, {"v3.8.3-patch.5", false, true, true, false},
		{"v3.8.3-patch.10", false, true, true, false}, {"v3.8.3-patch.12", true, true, true, false},
		{"v3.8.3-patch.15", true, true, true, false}, {"v3.8.3-patch.16", true, true, true, true},
	}
	for _, c := range cases {
		r := release(t, c.tag)
		NewWithT(t).Expect(r.RedisMode()).To(Equal(c.redisMode), c.tag)
		NewWithT(t).Expect(r.RedisClusterNeedsTwo()).To(Equal(c.redisMode && !c.again), c.tag)
		NewWithT(t).Expect(r.RPCMaxBodySize()).To(Equal(c.rpcMaxBodySize), c.tag)
		NewWithT(t).Expect(r.BracketsIPv6()).To(Equal(c.bracketsIPv6), c.tag)
		NewWithT(t).Expect(r.RegistersAgain()).To(Equal(c.again), c.tag)
	}
}

func TestEnvironmentNames(t *testing.T) {
	g := NewWithT(t)
	g.Expect(openim.EnvName(openim.RedisFile, openim.KeyPassword)).To(Equal("IMENV_REDIS_PASSWORD"))
	g.Expect(openim.EnvName(openim.DiscoveryFile, openim.KeyEtcdUsername)).To(Equal("IMENV_DISCOVERY_ETCD_USERNAME"))
	g.Expect(openim.EnvName(openim.RPCAuthFile, openim.KeyRegisterIP)).To(Equal("IMENV_OPENIM_RPC_AUTH_RPC_REGISTERIP"))
	g.Expect(openim.EnvName(openim.MinIOFile, openim.KeyAccessKeyID)).To(Equal("IMENV_MINIO_ACCESSKEYID"))
}

func TestCalleesAreUpgradedBeforeTheirCallers(t *testing.T) {
	for _, p := range openim.Processes() {
		g := NewWithT(t)
		g.Expect(p.Wave).To(And(BeNumerically(">=", openim.WaveRPC), BeNumerically("<=", openim.WaveFront)), "%s", p.Name)
		for _, callee := range p.Calls {
			// msggateway is called back by push and by the rpc services. It comes late all the same, because its restart closes sockets.
			if callee == openim.MsgGateway {
				continue
			}
			target, _ := openim.Lookup(callee)
			g.Expect(target.Wave).To(BeNumerically("<=", p.Wave), "%s calls %s", p.Name, callee)
		}
	}
}

func TestPatchesAreNewerThanTheirRelease(t *testing.T) {
	g := NewWithT(t)
	base, err := openim.ParseRelease("v3.8.3")
	g.Expect(err).NotTo(HaveOccurred())
	second, err := openim.ParseRelease("v3.8.3-patch.2")
	g.Expect(err).NotTo(HaveOccurred())
	tenth, err := openim.ParseRelease("v3.8.3-patch.10")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(base.Compare(second)).To(BeNumerically("<", 0))
	g.Expect(tenth.Compare(second)).To(BeNumerically(">", 0))
	same := tenth
	g.Expect(tenth.Compare(same)).To(BeZero())
}

func TestAReleaseIsWrittenAsItsTag(t *testing.T) {
	g := NewWithT(t)
	release, err := openim.ParseRelease("v3.8.3-patch.12")
	g.Expect(err).NotTo(HaveOccurred())
	text, err := json.Marshal(openim.Settings{Release: release})
	g.Expect(err).NotTo(HaveOccurred())
	var read openim.Settings
	g.Expect(json.Unmarshal(text, &read)).To(Succeed())
	g.Expect(read.Release).To(Equal(release))
	g.Expect(read.Release.RedisMode()).To(BeTrue())
	g.Expect(json.Unmarshal([]byte(`{"Release":"v9"}`), &read)).To(MatchError(ContainSubstring("not supported")))
}
