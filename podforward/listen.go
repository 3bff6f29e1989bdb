package podforward

import (
	"context"
	"io"
	"net"
)

// Listen accepts connections at a free port of 127.0.0.1 and forwards them, until the forward ends. It returns host:port.
//
// It is for programs that take an address alone, and for what needs no secret: every process of this machine can connect, and after the
// forward has ended another one can take the port. Everything else uses Dial.
func (f Forward) Listen(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go func() {
		<-f.Ended
		_ = listener.Close()
	}()
	go func() {
		for {
			local, err := listener.Accept()
			if err != nil {
				return
			}
			go f.serve(ctx, local)
		}
	}()
	return listener.Addr().String(), nil
}

// serve forwards one connection.
func (f Forward) serve(ctx context.Context, local net.Conn) {
	defer func() { _ = local.Close() }()
	remote, err := f.Dial(ctx)
	if err != nil {
		return
	}
	done := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{remote, local}, {local, remote}} {
		go func() {
			_, _ = io.Copy(way[0], way[1])
			done <- struct{}{}
		}()
	}
	<-done
	_, _ = local.Close(), remote.Close()
	<-done
}
