//go:build e2e

package node

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/hack/cluster/component"
)

const smokeNamespace = "cluster-smoke"

// smoke is a running cluster with a namespace of the test's own.
type smoke struct {
	*WithT
	node *Node
	b    binaries
}

// kubectl runs in the test's namespace and returns what is printed on either channel.
func (s smoke) kubectl(args ...string) (string, error) { return s.send(nil, args...) }

func (s smoke) send(stdin []byte, args ...string) (string, error) {
	return s.node.kubectl(context.Background(), s.b, stdin, append([]string{"--namespace=" + smokeNamespace}, args...)...)
}

func (s smoke) must(args ...string) string {
	out, err := s.kubectl(args...)
	s.Expect(err).NotTo(HaveOccurred())
	return out
}

func (s smoke) apply(file string) { s.must("apply", "--filename=testdata/"+file) }

// get fetches the web page from a pod of a deployment.
func (s smoke) get(from string) func() (string, error) {
	return func() (string, error) {
		return s.kubectl("exec", "deployment/"+from, "--", "/echo", "get", "http://web."+smokeNamespace+".svc."+clusterDNS)
	}
}

func newSmoke(t *testing.T) smoke {
	g, ctx := NewWithT(t), context.Background()
	g.SetDefaultEventuallyTimeout(time.Minute)
	n, err := New(Options{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(n.Up(ctx)).To(Succeed())
	b, ok := n.completed()
	g.Expect(ok).To(BeTrue())
	s := smoke{g, n, b}

	dir, err := component.Build(ctx, component.Spec{Name: "smoke-echo", Dir: "testdata/echo", Version: "test", Packages: []string{"."}})
	g.Expect(err).NotTo(HaveOccurred())
	var archive bytes.Buffer
	g.Expect(writeArchive(&archive, "openimstack/smoke-echo:1", "65532", filepath.Join(dir, "echo"))).To(Succeed())
	path := filepath.Join(t.TempDir(), "echo.tar")
	g.Expect(os.WriteFile(path, archive.Bytes(), 0o600)).To(Succeed())
	g.Expect(n.Load(ctx, path)).To(Succeed())

	remove := func() { s.must("delete", "namespace", smokeNamespace, "--ignore-not-found", "--timeout=2m") }
	remove()
	s.must("create", "namespace", smokeNamespace)
	t.Cleanup(remove)
	s.must("label", "namespace", smokeNamespace, "pod-security.kubernetes.io/enforce=restricted")
	s.apply("pods.yaml")
	s.must("rollout", "status", "deployment/web", "--timeout=2m")
	s.must("rollout", "status", "deployment/friend", "--timeout=2m")
	s.must("rollout", "status", "deployment/intruder", "--timeout=2m")
	return s
}

// TestTheClusterIsReal needs root, and starts the cluster if it does not run.
func TestTheClusterIsReal(t *testing.T) {
	s := newSmoke(t)

	t.Run("a policy shuts out the intruder, not the friend, until it is removed", func(t *testing.T) {
		s := smoke{NewWithT(t), s.node, s.b}
		s.SetDefaultEventuallyTimeout(time.Minute)
		s.Eventually(s.get("friend")).Should(Equal("hello"))
		s.Eventually(s.get("intruder")).Should(Equal("hello"))
		s.apply("policy.yaml")
		s.Eventually(func() error { _, err := s.get("intruder")(); return err }).Should(MatchError(Or(ContainSubstring("refused"), ContainSubstring("exceeded"))))
		s.Eventually(s.get("friend")).Should(Equal("hello"))
		s.Consistently(func() error { _, err := s.get("intruder")(); return err }, "2s").ShouldNot(Succeed())
		s.must("delete", "networkpolicy", "web")
		s.Eventually(s.get("intruder")).Should(Equal("hello"))
	})

	t.Run("logs tell what a pod said", func(t *testing.T) {
		NewWithT(t).Eventually(func() string { return s.must("logs", "deployment/web") }).Should(ContainSubstring("request for /"))
	})

	t.Run("port-forward reaches a pod from the host with the user's kubeconfig", func(t *testing.T) {
		g := NewWithT(t)
		cmd := exec.Command(s.b.kubernetes("kubectl"), "--kubeconfig="+s.node.paths.UserKubeconfig(),
			"--namespace="+smokeNamespace, "port-forward", "deployment/web", ":8080")
		stdout, err := cmd.StdoutPipe()
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(cmd.Start()).To(Succeed())
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		line, err := bufio.NewReader(stdout).ReadString('\n')
		g.Expect(err).NotTo(HaveOccurred())
		address := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(line)
		response, err := (&http.Client{Transport: &http.Transport{}}).Get("http://" + address)
		g.Expect(err).NotTo(HaveOccurred())
		defer response.Body.Close()
		g.Expect(io.ReadAll(response.Body)).To(BeEquivalentTo("hello"))
	})

	t.Run("an ephemeral container joins a running pod", func(t *testing.T) {
		g := NewWithT(t)
		pod := s.must("get", "pod", "--selector=app=web", "--output=jsonpath={.items[0].metadata.name}")
		s.must("debug", pod, "--image=openimstack/smoke-echo:1", "--image-pull-policy=Never", "--profile=restricted", "--container=guest", "--target=echo", "--",
			"/echo", "get", "http://127.0.0.1:8080")
		g.Eventually(func() (string, error) { return s.kubectl("logs", pod, "--container=guest") }, "1m").Should(Equal("hello"))
	})

	t.Run("PodSecurity refuses what is not restricted", func(t *testing.T) {
		_, err := s.kubectl("run", "bad", "--image=openimstack/smoke-echo:1")
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring(`violates PodSecurity "restricted`)))
	})

	t.Run("a ValidatingAdmissionPolicy decides", func(t *testing.T) {
		s.apply("admission.yaml")
		t.Cleanup(func() { s.must("delete", "--filename=testdata/admission.yaml") })
		NewWithT(t).Eventually(func() error {
			_, err := s.kubectl("create", "configmap", "forbidden", "--dry-run=server")
			return err
		}, "1m").Should(MatchError(ContainSubstring("not this name")))
	})

	t.Run("each write is audited once, with user and namespace, and no read is", func(t *testing.T) {
		g := NewWithT(t)
		s.must("create", "configmap", "counted")
		s.must("get", "configmap", "counted")
		g.Eventually(func() []string { return audited(g, s.node.paths.AuditLog(), "counted") }).Should(Equal([]string{"create kubernetes-super-admin " + smokeNamespace}))
	})
}

// audited lists verb, user and namespace of each audit event about an object.
func audited(g *WithT, path, object string) []string {
	file, err := os.Open(path)
	g.Expect(err).NotTo(HaveOccurred())
	defer file.Close()
	var all []string
	for decoder := json.NewDecoder(file); ; {
		var event struct {
			Verb      string
			User      struct{ Username string }
			ObjectRef struct{ Namespace, Name string }
		}
		if err := decoder.Decode(&event); err != nil {
			return all // the end, or a line being written
		}
		if event.ObjectRef.Name == object && event.ObjectRef.Namespace == smokeNamespace {
			all = append(all, event.Verb+" "+event.User.Username+" "+event.ObjectRef.Namespace)
		}
	}
}
