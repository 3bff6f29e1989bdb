package samples

import (
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/chat"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/supervisor/freeport"
	"github.com/openimstack/openim-operator/test/loopback"
)

// redisCluster starts a Redis Cluster of three servers with the password of the loopback's Redis, and returns their addresses.
func redisCluster(t *testing.T) []string {
	t.Helper()
	g := NewWithT(t)
	var addresses []string
	for range 3 {
		address := freeport.Address(t)
		_, port, err := net.SplitHostPort(address)
		g.Expect(err).NotTo(HaveOccurred())
		_, bus, err := net.SplitHostPort(freeport.Address(t))
		g.Expect(err).NotTo(HaveOccurred())
		server := exec.Command("redis-server", "--bind", "127.0.0.1", "--port", port, "--cluster-enabled", "yes", "--cluster-port", bus,
			"--requirepass", loopback.RedisPassword, "--masterauth", loopback.RedisPassword, "--dir", t.TempDir(), "--save", "")
		g.Expect(server.Start()).To(Succeed())
		t.Cleanup(func() {
			_ = server.Process.Kill()
			_ = server.Wait()
		})
		addresses = append(addresses, address)
	}
	create := append([]string{"-a", loopback.RedisPassword, "--no-auth-warning", "--cluster", "create"}, addresses...)
	var out []byte
	g.Eventually(func() (err error) {
		out, err = exec.Command("redis-cli", append(create, "--cluster-yes")...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}, 30*time.Second, look).Should(Succeed())
	return addresses
}

// The operator names one of the three alone, as a Service would.
func TestOpenIMRunsWithARedisClusterBehindOneAddress(t *testing.T) {
	g := NewWithT(t)
	servers := redisCluster(t)
	s := &sample{stack: read(t, "../../config/samples/openimstack_v1alpha1_minimal.yaml"), redis: servers[0]}
	s.adapt(t)
	d := &s.stack.Spec.Dependencies
	d.Redis.Mode, d.MongoDB = v1alpha1.RedisCluster, v1alpha1.MongoDB{}
	l := loopback.New(t, s.options)
	g.Expect(l.OpenIM.Register(t.Context(), "alice", "bob")).To(Succeed())
	l.OpenIM.Must(t, "/msg/send_msg", hello)
	database := openim.DefaultDatabase(s.stack.Namespace, s.stack.Name)
	g.Eventually(func() error {
		_, err := chat.FindInMongoDB(t.Context(), l.MongoDB, database, "si_alice_bob", 1)
		return err
	}, arrival, look).Should(Succeed())
	for _, server := range servers {
		host, port, err := net.SplitHostPort(server)
		g.Expect(err).NotTo(HaveOccurred())
		keys, err := exec.Command("redis-cli", "-h", host, "-p", port, "-a", loopback.RedisPassword, "--no-auth-warning", "--raw",
			"DBSIZE").Output()
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(strings.TrimSpace(string(keys))).NotTo(Equal("0"), "each of the three holds some of OpenIM's keys")
	}
	keys, err := l.RedisCLI(t.Context(), "--raw", "DBSIZE")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(strings.TrimSpace(keys)).To(Equal("0"), "the single server is not used")
	g.Expect(l.Err()).To(Succeed(), "all twelve processes run")
}
