package supervisor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/openimstack/openim-operator/supervisor"
	"github.com/openimstack/openim-operator/supervisor/etcdtest"
	"github.com/openimstack/openim-operator/supervisor/freeport"
	"github.com/openimstack/openim-operator/supervisor/termination"
)

const (
	folder = "openim.im.chat/user"
	host   = "127.0.0.1"
	// patience is for a busy machine.
	patience = time.Minute
)

// quick returns the timing of the tests.
func quick() supervisor.Timing {
	return supervisor.Timing{
		Tick: 20 * time.Millisecond, Ports: 100 * time.Millisecond, PortTimeout: time.Second,
		Look: 200 * time.Millisecond, LookSoon: 50 * time.Millisecond, EtcdTimeout: 500 * time.Millisecond,
		Lease: 4 * time.Second, KeepAlive: 500 * time.Millisecond, TokenPause: 500 * time.Millisecond, Away: time.Minute,
		ResetSpread: 300 * time.Millisecond, Stuck: 3 * time.Second, Kill: time.Second, Deregister: 500 * time.Millisecond,
		Settle: 300 * time.Millisecond, Stalled: time.Minute,
	}
}

// pod is a container under a supervisor, with the part of the kubelet: it is started again when it ended.
type pod struct {
	*WithT
	t       *testing.T
	etcd    *etcdtest.Server
	timing  supervisor.Timing
	options []string // of the supervisor
	env     []string
	ports   map[string]int // by kind

	control, health string
	log             string
	command         *exec.Cmd
	ended           chan struct{}
	output          output
}

// output is what the container wrote. The buffer is not embedded: its ReadFrom would be used, which takes no lock.
type output struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.text.String()
}

// newPod returns a pod whose program has ports of the given kinds.
func newPod(t *testing.T, etcd *etcdtest.Server, kinds ...string) *pod {
	t.Helper()
	p := &pod{WithT: NewWithT(t), t: t, etcd: etcd, timing: quick(), ports: map[string]int{}, log: filepath.Join(t.TempDir(), "log")}
	p.SetDefaultEventuallyTimeout(patience)
	p.SetDefaultEventuallyPollingInterval(20 * time.Millisecond)
	p.control, p.health = freeport.Address(t), freeport.Address(t)
	p.options = []string{"--key=" + folder, "--etcd=" + etcd.Address, "--health=" + p.health, "--host=" + host}
	for _, kind := range kinds {
		p.ports[kind] = p.free()
		p.options = append(p.options, fmt.Sprintf("--listen=%s:%d", kind, p.ports[kind]))
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the supervisor said:\n%s", p.output.String())
		}
		if p.command != nil {
			_ = syscall.Kill(-p.command.Process.Pid, syscall.SIGKILL)
			<-p.ended
		}
	})
	return p
}

func (p *pod) free() int {
	_, text, err := net.SplitHostPort(freeport.Address(p.t))
	p.Expect(err).NotTo(HaveOccurred())
	port, err := strconv.Atoi(text)
	p.Expect(err).NotTo(HaveOccurred())
	return port
}

// start starts the container, and waits until the program takes orders.
func (p *pod) start() {
	p.t.Helper()
	p.run()
	p.Eventually(func() error { _, err := p.ask("/pid"); return err }).Should(Succeed())
}

func (p *pod) run() {
	p.t.Helper()
	timing, err := json.Marshal(p.timing)
	p.Expect(err).NotTo(HaveOccurred())
	p.Expect(os.WriteFile(p.log, nil, 0o600)).To(Succeed())
	self, err := os.Executable()
	p.Expect(err).NotTo(HaveOccurred())
	p.command = exec.Command(self, append(append([]string{}, p.options...), "--", self, p.control)...)
	p.command.Env = append(append(os.Environ(), p.env...), envRole+"="+roleRun, envTiming+"="+string(timing), envLog+"="+p.log)
	p.command.Stdout, p.command.Stderr = &p.output, &p.output
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.Expect(p.command.Start()).To(Succeed())
	p.ended = make(chan struct{})
	ended, command := p.ended, p.command
	go func() { _ = command.Wait(); close(ended) }()
}

// listen opens all ports of the program.
func (p *pod) listen() {
	p.t.Helper()
	for kind, port := range p.ports {
		p.tell("/listen?kind=%s&port=%d", kind, port)
	}
}

func (p *pod) ask(path string) (string, error) { return get("http://" + p.control + path) }

func (p *pod) tell(format string, args ...any) string {
	p.t.Helper()
	text, err := p.ask(fmt.Sprintf(format, args...))
	p.Expect(err).NotTo(HaveOccurred())
	return text
}

func (p *pod) pid() int {
	p.t.Helper()
	pid, err := strconv.Atoi(p.tell("/pid"))
	p.Expect(err).NotTo(HaveOccurred())
	return pid
}

func get(url string) (string, error) {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	reply, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer func() { _ = reply.Body.Close() }()
	text, err := io.ReadAll(reply.Body)
	if err == nil && reply.StatusCode != http.StatusOK {
		err = fmt.Errorf("%d: %s", reply.StatusCode, text)
	}
	return string(text), err
}

func (p *pod) probe(path string) error { _, err := get("http://" + p.health + path); return err }

func (p *pod) becomesReady() {
	p.t.Helper()
	p.Eventually(func() error { return p.probe("/readyz") }).Should(Succeed())
	p.Expect(p.probe("/livez")).To(Succeed())
}

// ends waits for the end of the supervisor and returns its exit code.
func (p *pod) ends() int {
	p.t.Helper()
	p.Eventually(p.ended).Should(BeClosed())
	return p.command.ProcessState.ExitCode()
}

func (p *pod) message() termination.Exit {
	p.t.Helper()
	text, err := os.ReadFile(p.log)
	p.Expect(err).NotTo(HaveOccurred())
	exit, err := termination.DecodeExit(string(text))
	p.Expect(err).NotTo(HaveOccurred(), string(text))
	return exit
}

// registers does what the program does: it writes its key with a lease of its own, and keeps it alive until the returned function is
// called.
func (p *pod) registers() (stop func()) {
	p.t.Helper()
	lease := p.grant()
	p.put(lease)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if stream, err := pb.NewLeaseClient(p.dial()).LeaseKeepAlive(ctx); err == nil {
				_ = stream.Send(&pb.LeaseKeepAliveRequest{ID: lease})
				_, _ = stream.Recv()
			}
			select {
			case <-ctx.Done():
			case <-time.After(200 * time.Millisecond):
			}
		}
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	p.t.Cleanup(stop)
	return stop
}

func (p *pod) dial() *grpc.ClientConn {
	conn, err := grpc.NewClient("passthrough:///"+p.etcd.Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(err)
	p.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

const value = `{"Op":0,"Addr":"127.0.0.1","Metadata":null}`

func (p *pod) grant() int64 {
	p.t.Helper()
	reply, err := pb.NewLeaseClient(p.dial()).LeaseGrant(p.t.Context(), &pb.LeaseGrantRequest{TTL: 4})
	p.Expect(err).NotTo(HaveOccurred())
	return reply.GetID()
}

func (p *pod) key() []byte { return fmt.Appendf(nil, "%s/%s:%d", folder, host, p.ports["grpc"]) }

func (p *pod) put(lease int64) {
	p.t.Helper()
	_, err := pb.NewKVClient(p.dial()).Put(p.t.Context(), &pb.PutRequest{Key: p.key(), Value: []byte(value), Lease: lease})
	p.Expect(err).NotTo(HaveOccurred())
}

// leases returns those that exist in etcd.
func (p *pod) leases() []int64 {
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	reply, err := pb.NewLeaseClient(p.dial()).LeaseLeases(ctx, &pb.LeaseLeasesRequest{})
	p.Expect(err).NotTo(HaveOccurred())
	var all []int64
	for _, l := range reply.GetLeases() {
		all = append(all, l.GetID())
	}
	return all
}

// lease returns the lease of the pod's key, or 0 when the key is absent.
func (p *pod) lease() int64 {
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	reply, err := pb.NewKVClient(p.dial()).Range(ctx, &pb.RangeRequest{Key: p.key()})
	if err != nil || len(reply.GetKvs()) == 0 {
		return 0
	}
	p.Expect(string(reply.GetKvs()[0].GetValue())).To(Equal(value))
	return reply.GetKvs()[0].GetLease()
}
