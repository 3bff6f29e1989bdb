package supervisor

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/openimstack/openim-operator/supervisor/termination"
)

// Bounds of the command line. The operator writes it, so they stop mistakes, not attacks.
const (
	maxListen  = 8
	maxStores  = 128
	maxWords   = 64
	maxText    = 1024 // bytes of one value
	maxPause   = 10 * time.Minute
	minStart   = time.Second
	maxStart   = 24 * time.Hour
	defaultSet = 5 * time.Minute
)

// Kind is what answers on a port of the program.
type Kind string

// The kinds of ports. A program with a gRPC port registers in etcd, and no other one does.
const (
	GRPC      Kind = "grpc"
	HTTP      Kind = "http"
	WebSocket Kind = "websocket"
	Metrics   Kind = "metrics"
)

var kinds = []Kind{GRPC, HTTP, WebSocket, Metrics}

// Listen is a port of the program.
type Listen struct {
	Kind Kind
	Port uint16
}

// Store is an address of a store that the program uses.
type Store struct {
	Name    termination.StoreName
	Address string
}

// Arguments are the command line.
type Arguments struct {
	// Key is the folder of the program's key in etcd: root and registered name. For a program that does not register, it is the root.
	Key string
	// Host is the pod's address, by which the program registers.
	Host string
	// BracketIPv6 is true when the release registers IPv6 addresses with brackets.
	BracketIPv6 bool
	// Listen are the ports on which the program listens.
	Listen []Listen
	// Etcd are etcd's endpoints, host:port.
	Etcd []string
	// EtcdTLS is true when the connections to etcd are encrypted. The authorities are those of the system.
	EtcdTLS bool
	// Stores are the addresses of the other stores. They are tried when the program ends, to say which one was away.
	Stores []Store
	// Health is the address on which probes are answered.
	Health string
	// RestoreAfter is how long the program is given to restore its key itself.
	RestoreAfter time.Duration
	// StartTimeout bounds the time from the start of the program to its first readiness.
	StartTimeout time.Duration
	// Program is the path of the program, which may contain "*", and its arguments.
	Program []string
}

// ParseArguments parses the command line, without the name of the supervisor.
func ParseArguments(words []string) (Arguments, error) {
	var a Arguments
	if len(words) > maxStores+maxWords {
		return Arguments{}, fmt.Errorf("parsing the arguments: %d words are more than %d", len(words), maxStores+maxWords)
	}
	for _, word := range words {
		if len(word) > maxText || strings.ContainsRune(word, 0) {
			return Arguments{}, fmt.Errorf("parsing the arguments: a word is longer than %d bytes or contains a NUL", maxText)
		}
	}
	if err := a.flags().Parse(words); err != nil {
		return Arguments{}, fmt.Errorf("parsing the arguments: %w", err)
	}
	return a, nil
}

func (a *Arguments) flags() *parser {
	f := flag.NewFlagSet("supervisor", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&a.Key, "key", "", "the folder of the program's key in etcd; the root for a program that does not register")
	f.StringVar(&a.Host, "host", "", "the address by which the program registers")
	f.BoolVar(&a.BracketIPv6, "bracket-ipv6", false, "the program registers IPv6 addresses with brackets")
	f.Func("listen", "KIND:PORT, a port of the program; several", a.addListen)
	f.Func("etcd", "HOST:PORT of etcd, or https://HOST:PORT for TLS; several, all of one form", a.addEtcd)
	f.Func("store", "NAME=HOST:PORT of another store; several", a.addStore)
	f.StringVar(&a.Health, "health", "", "the address on which probes are answered")
	f.DurationVar(&a.RestoreAfter, "restore-after", 0, "how long the program is given to restore its key itself")
	f.DurationVar(&a.StartTimeout, "start-timeout", defaultSet, "the longest time to the first readiness")
	return &parser{FlagSet: f, a: a}
}

// usage prints the flags.
func (a *Arguments) usage(out io.Writer) {
	_, _ = fmt.Fprintln(out, "usage: supervisor FLAGS PROGRAM [ARGUMENT]...")
	f := a.flags()
	f.SetOutput(out)
	f.PrintDefaults()
}

type parser struct {
	*flag.FlagSet
	a *Arguments
}

// Parse parses and validates.
func (p *parser) Parse(words []string) error {
	if err := p.FlagSet.Parse(words); err != nil {
		return err
	}
	p.a.Program = p.Args()
	return p.a.validate()
}

func (a *Arguments) addListen(text string) error {
	kind, number, ok := strings.Cut(text, ":")
	port, err := strconv.ParseUint(number, 10, 16)
	if !ok || err != nil || port == 0 || !slices.Contains(kinds, Kind(kind)) {
		return fmt.Errorf("want KIND:PORT with one of %q", kinds)
	}
	if slices.ContainsFunc(a.Listen, func(l Listen) bool { return l.Kind == Kind(kind) }) {
		return fmt.Errorf("kind %s occurs twice", kind)
	}
	a.Listen = append(a.Listen, Listen{Kind(kind), uint16(port)})
	return nil
}

func (a *Arguments) addEtcd(text string) error {
	text, secure := strings.CutPrefix(text, "https://")
	if len(a.Etcd) > 0 && secure != a.EtcdTLS {
		return errors.New("want https:// before every endpoint, or before none")
	}
	a.Etcd, a.EtcdTLS = append(a.Etcd, text), secure
	return validAddress(text)
}

func (a *Arguments) addStore(text string) error {
	name, address, ok := strings.Cut(text, "=")
	if !ok || name == "" {
		return errors.New("want NAME=HOST:PORT")
	}
	a.Stores = append(a.Stores, Store{termination.StoreName(name), address})
	return validAddress(address)
}

func (a *Arguments) validate() error {
	switch {
	case a.Key == "" || strings.HasPrefix(a.Key, "/") || strings.HasSuffix(a.Key, "/"):
		return errors.New("--key: want a path without a slash at either end")
	case len(a.Listen) > maxListen || len(a.Etcd)+len(a.Stores) > maxStores:
		return errors.New("too many ports or stores")
	case len(a.Etcd) == 0:
		return errors.New("--etcd: want at least one HOST:PORT")
	case a.registers() && net.ParseIP(a.Host) == nil:
		return errors.New("--host: want the pod's address, because the program registers by it")
	case a.RestoreAfter < 0 || a.RestoreAfter > maxPause:
		return fmt.Errorf("--restore-after: want 0s to %s", maxPause)
	case a.StartTimeout < minStart || a.StartTimeout > maxStart:
		return fmt.Errorf("--start-timeout: want %s to %s", minStart, maxStart)
	case len(a.Program) == 0 || len(a.Program) > maxWords || a.Program[0] == "":
		return errors.New("want the program and its arguments after --")
	}
	return validListener(a.Health)
}

func validListener(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return errors.New("--health: want HOST:PORT or :PORT")
	}
	return nil
}

func validAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	if number, e := strconv.ParseUint(port, 10, 16); err != nil || e != nil || host == "" || number == 0 {
		return errors.New("want HOST:PORT")
	}
	return nil
}

// registers reports whether the program registers in etcd.
func (a *Arguments) registers() bool { return a.listens(GRPC) }

func (a *Arguments) listens(kind Kind) bool {
	return slices.ContainsFunc(a.Listen, func(l Listen) bool { return l.Kind == kind })
}

// key returns the key that is read: the pod's own, or one that never exists, whose answer has etcd's revision all the same.
func (a *Arguments) key() string {
	if !a.registers() {
		return a.Key + "/"
	}
	for _, l := range a.Listen {
		if l.Kind == GRPC {
			return a.Key + "/" + a.registered(l.Port)
		}
	}
	return ""
}

// registered returns an address as OpenIM writes it.
func (a *Arguments) registered(port uint16) string {
	number := strconv.Itoa(int(port))
	if a.BracketIPv6 {
		return net.JoinHostPort(a.Host, number)
	}
	return a.Host + ":" + number
}
