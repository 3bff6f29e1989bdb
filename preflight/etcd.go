package preflight

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/openimstack/openim-operator/supervisor/termination"
)

// etcd checks that OpenIM can register itself and find others.
type etcd struct {
	endpoints          []string
	root               string
	username, password string
	// tls is true for encrypted connections. roots are the authorities, nil for those of the system.
	tls   bool
	roots *x509.CertPool
}

// try succeeds when one endpoint works, because OpenIM uses any of them.
func (e etcd) try(ctx context.Context) ([]string, *failure) {
	return nil, anyOf(ctx, e.endpoints, e.endpoint)
}

func (e etcd) endpoint(ctx context.Context, address string) *failure {
	calls, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(e.transport()),
		grpc.WithDisableServiceConfig(), grpc.WithNoProxy(), grpc.WithDisableRetry())
	if err != nil {
		return failed(termination.Unreachable, "the address is not valid: write host:port")
	}
	defer func() { _ = conn.Close() }()
	if err := e.calls(calls, conn); err != nil {
		return etcdFailure(ctx, calls, address, err, e.secure())
	}
	return nil
}

// secure returns the configuration of TLS, nil without TLS.
func (e etcd) secure() *tls.Config {
	if !e.tls {
		return nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: e.roots, NextProtos: []string{"h2"}}
}

func (e etcd) transport() credentials.TransportCredentials {
	if e.tls {
		return credentials.NewTLS(e.secure())
	}
	return insecure.NewCredentials()
}

func (e etcd) calls(ctx context.Context, conn *grpc.ClientConn) error {
	// With this header a member without a leader answers at once instead of holding the call.
	ctx = metadata.AppendToOutgoingContext(ctx, rpctypes.MetadataRequireLeaderKey, rpctypes.MetadataHasLeader)
	if e.username != "" {
		login := &etcdserverpb.AuthenticateRequest{Name: e.username, Password: e.password}
		reply, err := etcdserverpb.NewAuthClient(conn).Authenticate(ctx, login)
		switch {
		case err == nil:
			ctx = metadata.AppendToOutgoingContext(ctx, rpctypes.TokenFieldNameGRPC, reply.GetToken())
		case !errors.Is(rpctypes.Error(err), rpctypes.ErrAuthNotEnabled): // OpenIM's client does without a token then
			return err
		}
	}
	kv := etcdserverpb.NewKVClient(conn)
	from, to := []byte(e.root+"/"), []byte(e.root+"0") // "0" follows "/"
	if _, err := kv.Range(ctx, &etcdserverpb.RangeRequest{Key: from, RangeEnd: to, Limit: 1, KeysOnly: true}); err != nil {
		return err
	}
	_, err := kv.Txn(ctx, e.neverPuts())
	return err
}

// neverPuts returns a transaction for which etcd checks the permission to write, and which writes nothing: it would put a key if the key
// had a negative version.
func (e etcd) neverPuts() *etcdserverpb.TxnRequest {
	key := []byte(e.root + "/preflight")
	return &etcdserverpb.TxnRequest{
		Compare: []*etcdserverpb.Compare{{
			Key: key, Target: etcdserverpb.Compare_VERSION, Result: etcdserverpb.Compare_LESS,
			TargetUnion: &etcdserverpb.Compare_Version{Version: 0},
		}},
		Success: []*etcdserverpb.RequestOp{{Request: &etcdserverpb.RequestOp_RequestPut{
			RequestPut: &etcdserverpb.PutRequest{Key: key},
		}}},
	}
}

// etcdFailure returns the failure that an error stands for. calls is the context of the calls that failed.
func etcdFailure(ctx, calls context.Context, address string, err error, secure *tls.Config) *failure {
	switch rpctypes.Error(err) {
	case rpctypes.ErrAuthFailed: //nolint:errorlint // Error returns one of these values, or err itself
		return failed(termination.AuthenticationFailed, "user name or password is wrong: correct the Secret of credentialsRef")
	case rpctypes.ErrUserEmpty:
		return failed(termination.AuthenticationFailed, "etcd requires a user: name a Secret in credentialsRef")
	case rpctypes.ErrPermissionDenied:
		return failed(termination.PermissionDenied,
			"the user may not read and write all keys below the stack's root: grant readwrite on the prefix")
	case rpctypes.ErrNoLeader, rpctypes.ErrLeaderChanged, rpctypes.ErrNotLeader, rpctypes.ErrTimeout, rpctypes.ErrTimeoutDueToLeaderFail,
		rpctypes.ErrTimeoutDueToConnectionLost, rpctypes.ErrTimeoutWaitAppliedIndex:
		return failed(termination.NoLeader, "etcd has no leader: check that most of its members run")
	case rpctypes.ErrNoSpace:
		return failed(termination.PermissionDenied,
			"etcd refuses writes, because its database is full: compact it, defragment it and disarm the alarm")
	}
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.Internal:
		return diagnose(ctx, []string{address}, isTimeout(calls, err), secure)
	case codes.Unauthenticated:
		return failed(termination.AuthenticationFailed, "etcd refuses the token that it issued: check its clock and its settings of tokens")
	}
	return failed(termination.UnexpectedProtocol, "what answers at the address is not etcd: check address and port")
}
