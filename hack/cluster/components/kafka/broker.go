package main

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"

	"github.com/twmb/franz-go/pkg/kfake"
)

// broker is a running kfake cluster with one broker.
type broker struct {
	cluster *kfake.Cluster
	addr    net.Addr // the address that it listens on
}

// start loads the state from the data folder, if any, and starts to serve.
func start(cfg config, log io.Writer) (*broker, error) {
	adv, err := parseAdvertised(cfg.advertise)
	if err != nil {
		return nil, err
	}
	secured, err := cfg.files.options()
	if err != nil {
		return nil, err
	}
	// kfake takes its port and its advertised address from its listener. So the listener is created here: it accepts on one address and
	// reports another.
	ln, err := net.Listen("tcp", cfg.listen)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w: use another --listen address", cfg.listen, err)
	}

	cluster, err := kfake.NewCluster(append(secured,
		kfake.NumBrokers(1),
		kfake.Ports(adv.port),
		kfake.ListenFn(func(string, string) (net.Listener, error) {
			return &advertisingListener{Listener: ln, advertised: adv, slots: make(chan struct{}, cfg.maxConns)}, nil
		}),
		kfake.SeedTopics(cfg.partitions, cfg.topics...),
		kfake.DefaultNumPartitions(int(cfg.partitions)),
		kfake.AllowAutoTopicCreation(),
		kfake.DataDir(cfg.dataDir),
		kfake.WithLogger(kfake.BasicLogger(log, kfake.LogLevelWarn)),
	)...)
	if err != nil {
		_ = ln.Close()
		return nil, fmt.Errorf("loading the state in %s: %w: check that the folder is writable, or empty it", cfg.dataDir, err)
	}
	return &broker{cluster: cluster, addr: ln.Addr()}, nil
}

// close stops serving and writes the state to the data folder.
func (b *broker) close() { b.cluster.Close() }

// advertised is the address in metadata replies. This process need not be able to listen on it.
type advertised struct {
	host string
	port int
}

func parseAdvertised(s string) (advertised, error) {
	host, p, err := net.SplitHostPort(s)
	if err != nil {
		return advertised{}, fmt.Errorf("--advertise %q is not host:port: %w", s, err)
	}
	port, err := strconv.ParseUint(p, 10, 16)
	if err != nil || port == 0 || host == "" {
		return advertised{}, fmt.Errorf("--advertise %q needs a host and a port from 1 to 65535", s)
	}
	return advertised{host: host, port: int(port)}, nil
}

// Network and String implement net.Addr.
func (advertised) Network() string  { return "tcp" }
func (a advertised) String() string { return net.JoinHostPort(a.host, strconv.Itoa(a.port)) }

// advertisingListener accepts on its inner listener, reports the advertised address as its own, and serves at most as many concurrent
// connections as it has slots.
type advertisingListener struct {
	net.Listener
	advertised advertised
	slots      chan struct{}
}

func (l *advertisingListener) Addr() net.Addr { return l.advertised }

func (l *advertisingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.slots <- struct{}{}
	return &slotConn{Conn: conn, release: sync.OnceFunc(func() { <-l.slots })}, nil
}

// slotConn releases its slot when it is closed.
type slotConn struct {
	net.Conn
	release func()
}

func (c *slotConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}
