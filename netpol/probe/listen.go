package probe

import (
	"context"
	"fmt"
	"net"
	"sync"
)

// Listen accepts connections and closes them at once, until ctx ends. Control attempts connect to it. It reads and writes nothing.
func Listen(ctx context.Context, address string) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listening on %s: %w", address, err)
	}
	return accept(ctx, listener)
}

func accept(ctx context.Context, listener net.Listener) error {
	var once sync.Once
	shut := func() { once.Do(func() { _ = listener.Close() }) }
	defer shut()
	defer context.AfterFunc(ctx, shut)()
	for {
		connection, err := listener.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("accepting a connection: %w", err)
		}
		_ = connection.Close() // no data was exchanged
	}
}
