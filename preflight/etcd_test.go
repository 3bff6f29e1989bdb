package preflight

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"go.etcd.io/etcd/api/v3/authpb"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/openimstack/openim-operator/supervisor/certtest"
	"github.com/openimstack/openim-operator/supervisor/etcdtest"
	"github.com/openimstack/openim-operator/supervisor/termination"
)

const testRoot = "openim.ns.chat"

func TestEtcd(t *testing.T) {
	addressCases(t, func(address string) tryFunc { return etcd{endpoints: []string{address}, root: testRoot}.try })
}

func TestEtcdWithTLS(t *testing.T) {
	ours, foreign := certtest.New(t), certtest.New(t)
	pair := ours.Issue(time.Hour)
	server := etcdtest.StartTLS(t, pair.Certificate, pair.Key)
	trusting := func(address string, authority *certtest.Authority) tryFunc {
		return etcd{endpoints: []string{address}, root: testRoot, tls: true, roots: authority.Pool()}.try
	}
	expectWorks(t, trusting(server.Address, ours))
	expectFailure(t, trusting(server.Address, foreign), termination.CertificateNotTrusted, "another authority")
	expectFailure(t, etcd{endpoints: []string{server.Address}, root: testRoot}.try, termination.TLSRequired, "expects TLS")
	expectFailure(t, trusting(etcdtest.Start(t).Address, ours), termination.Unreachable, "check that the port speaks TLS")
	expectFailure(t, trusting(refused(t), ours), termination.Unreachable, "refused")
	expectWorks(t, trusting(server.Address, ours))
}

// TestEtcdWithUsers follows one etcd through everything that a person can do wrong, and ends with a working one each time.
func TestEtcdWithUsers(t *testing.T) {
	g := NewWithT(t)
	server := etcdtest.Start(t)
	as := func(user, password string) tryFunc {
		return etcd{endpoints: []string{server.Address}, root: testRoot, username: user, password: password}.try
	}
	expectWorks(t, as("", ""))
	expectWorks(t, as("openim", "right")) // OpenIM's client does without a token when etcd has no users

	conn, err := grpc.NewClient("passthrough:///"+server.Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = conn.Close() }()
	admin := etcdUsers(t, conn)

	expectWorks(t, as("openim", "right"))
	expectFailure(t, as("openim", "sesame"), termination.AuthenticationFailed, "wrong")
	expectFailure(t, as("nobody", "sesame"), termination.AuthenticationFailed, "wrong")
	expectFailure(t, as("", ""), termination.AuthenticationFailed, "requires a user")
	expectFailure(t, as("reader", "right"), termination.PermissionDenied, "readwrite")
	expectFailure(t, as("other", "right"), termination.PermissionDenied, "readwrite")
	expectWorks(t, as("openim", "right"))

	// Nothing was written by any of the tries.
	all, err := etcdserverpb.NewKVClient(conn).Range(admin, &etcdserverpb.RangeRequest{Key: []byte{0}, RangeEnd: []byte{0}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(all.GetKvs()).To(BeEmpty())
}

// etcdUsers enables authentication: openim may do everything below the root, reader may read there, other has rights elsewhere. It
// returns a context of root.
func etcdUsers(t *testing.T, conn *grpc.ClientConn) context.Context {
	t.Helper()
	g := NewWithT(t)
	ctx, auth := t.Context(), etcdserverpb.NewAuthClient(conn)
	for user, permission := range map[string]*authpb.Permission{
		"root":   nil,
		"openim": {PermType: authpb.READWRITE, Key: []byte(testRoot + "/"), RangeEnd: []byte(testRoot + "0")},
		"reader": {PermType: authpb.READ, Key: []byte(testRoot + "/"), RangeEnd: []byte(testRoot + "0")},
		"other":  {PermType: authpb.READWRITE, Key: []byte("other/"), RangeEnd: []byte("other0")},
	} {
		_, err := auth.UserAdd(ctx, &etcdserverpb.AuthUserAddRequest{Name: user, Password: "right"})
		g.Expect(err).NotTo(HaveOccurred())
		_, err = auth.RoleAdd(ctx, &etcdserverpb.AuthRoleAddRequest{Name: user})
		g.Expect(err).NotTo(HaveOccurred())
		if permission != nil {
			_, err = auth.RoleGrantPermission(ctx, &etcdserverpb.AuthRoleGrantPermissionRequest{Name: user, Perm: permission})
			g.Expect(err).NotTo(HaveOccurred())
		}
		_, err = auth.UserGrantRole(ctx, &etcdserverpb.AuthUserGrantRoleRequest{User: user, Role: user})
		g.Expect(err).NotTo(HaveOccurred())
	}
	_, err := auth.AuthEnable(ctx, &etcdserverpb.AuthEnableRequest{})
	g.Expect(err).NotTo(HaveOccurred())
	reply, err := auth.Authenticate(ctx, &etcdserverpb.AuthenticateRequest{Name: "root", Password: "right"})
	g.Expect(err).NotTo(HaveOccurred())
	return metadata.AppendToOutgoingContext(ctx, "token", reply.GetToken())
}

func TestEtcdStopsAndComesBack(t *testing.T) {
	server := etcdtest.Start(t)
	try := etcd{endpoints: []string{server.Address}, root: testRoot}.try
	expectWorks(t, try)
	server.Freeze()
	expectFailure(t, try, termination.Unreachable, "nothing is answered")
	server.Thaw()
	expectWorks(t, try)
	server.Stop()
	expectFailure(t, try, termination.Unreachable, "refused")
	server.Run()
	expectWorks(t, try)
}

// TestEtcdWithOneEndpointDown: OpenIM works with any member, so does the check, and at once.
func TestEtcdWithOneEndpointDown(t *testing.T) {
	server := etcdtest.Start(t)
	try := etcd{endpoints: []string{silent(t), refused(t), server.Address}, root: testRoot}.try
	expectWorks(t, try)
	// Who waited for the silent member would always wait for it. A slow machine is slow now and then, so one quick check is the proof.
	NewWithT(t).Eventually(func() time.Duration {
		start := time.Now()
		expectWorks(t, try)
		return time.Since(start)
	}, time.Minute).Should(BeNumerically("<", callTimeout))
}
