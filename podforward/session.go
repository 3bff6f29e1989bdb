package podforward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/httpstream" //nolint:staticcheck // the types of client-go's dialers
)

// errEnded says that a forward is no longer open.
var errEnded = errors.New("the port-forward has ended: open another one")

// session makes connections of one forward: pairs of streams, as kubectl port-forward does (client-go, tools/portforward).
type session struct {
	connection httpstream.Connection
	port       int32
	requests   atomic.Int64
	ended      <-chan struct{}
}

// dial returns a connection to the port of the pod. There is no listener on this machine in between: another process could take its port
// after the forward has ended, and would be given what is meant for the pod.
func (s *session) dial(ctx context.Context) (net.Conn, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	select {
	case <-s.ended:
		return nil, errEnded
	default:
	}
	headers := http.Header{}
	headers.Set(corev1.PortHeader, strconv.Itoa(int(s.port)))
	headers.Set(corev1.PortForwardRequestIDHeader, strconv.FormatInt(s.requests.Add(1), 10))
	headers.Set(corev1.StreamType, corev1.StreamTypeError)
	failures, err := s.connection.CreateStream(headers)
	if err != nil {
		return nil, fmt.Errorf("connecting by the port-forward: %w", err)
	}
	_ = failures.Close() // nothing is written to it
	headers.Set(corev1.StreamType, corev1.StreamTypeData)
	data, err := s.connection.CreateStream(headers)
	if err != nil {
		_ = failures.Reset()
		s.connection.RemoveStreams(failures)
		return nil, fmt.Errorf("connecting by the port-forward: %w", err)
	}
	ours, theirs := net.Pipe() // a net.Conn with deadlines, which streams have not
	go s.carry(theirs, data, failures)
	return ours, nil
}

// carry copies between a connection and its streams until one side ends.
func (s *session) carry(conn net.Conn, data, failures httpstream.Stream) {
	failed := make(chan struct{})
	go func() {
		defer close(failed)
		// Any text is a failure: the port refuses connections, or the pod is gone. The node closes this stream after the other one.
		if n, err := failures.Read(make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) {
			_ = s.connection.Close()
		}
	}()
	done := make(chan struct{}, 2)
	go func() {
		_, _ = io.Copy(conn, data)
		done <- struct{}{}
	}()
	go func() {
		_, _ = io.Copy(data, conn)
		done <- struct{}{}
	}()
	<-done
	_ = conn.Close()
	_ = data.Reset()
	<-done
	<-failed
	s.connection.RemoveStreams(data, failures)
}
