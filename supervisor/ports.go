package supervisor

import (
	"context"
	"net"
	"net/http"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/openimstack/openim-operator/supervisor/registry"
)

// unknownMethod exists in no service. A server answers Unimplemented before any of its interceptors runs, so nothing is logged or counted.
const unknownMethod = "/openimstack.supervisor/Served"

// maxAnswer bounds an answer of a gRPC port: a status.
const maxAnswer = 1 << 10

// prober tries the program's ports, on loopback: the pod's own policies do not apply there.
type prober struct {
	listen []Listen
	grpc   *grpc.ClientConn // nil without a gRPC port
	client http.Client
}

func newProber(listen []Listen) (*prober, error) {
	p := &prober{listen: listen, client: http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, MaxResponseHeaderBytes: 16 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	for _, l := range listen {
		if l.Kind != GRPC {
			continue
		}
		conn, err := registry.Dial(l.local(), maxAnswer)
		if err != nil {
			return nil, err
		}
		p.grpc = conn
	}
	return p, nil
}

func (l Listen) local() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(int(l.Port))) }

// try reports for each port whether it answers.
func (p *prober) try(ctx context.Context) []bool {
	answers := make([]bool, len(p.listen))
	for i, l := range p.listen {
		switch l.Kind {
		case GRPC:
			answers[i] = p.serves(ctx)
		case WebSocket:
			answers[i] = accepts(ctx, l.local())
		case HTTP, Metrics:
			answers[i] = p.answers(ctx, l.local())
		}
	}
	return answers
}

// serves reports whether the gRPC server answers a call. A connection alone says nothing: the kernel accepts it before the program serves.
func (p *prober) serves(ctx context.Context) bool {
	return status.Code(p.grpc.Invoke(ctx, unknownMethod, &emptypb.Empty{}, &emptypb.Empty{})) == codes.Unimplemented
}

// answers reports whether an HTTP server answers, with any status.
func (p *prober) answers(ctx context.Context, address string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, "http://"+address+"/", nil)
	if err != nil {
		return false
	}
	reply, err := p.client.Do(request)
	if err != nil {
		return false
	}
	_ = reply.Body.Close()
	return true
}

func accepts(ctx context.Context, address string) bool {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}
