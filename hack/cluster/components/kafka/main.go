package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	if err := run(ctx, os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "kafka stand-in:", err)
		os.Exit(1)
	}
}

// run starts the broker, prints its address and serves until ctx ends.
func run(ctx context.Context, args []string, log io.Writer) error {
	cfg, err := parse(args, log)
	if err != nil {
		return err
	}

	b, err := start(cfg, log)
	if err != nil {
		return err
	}
	fmt.Fprintf(log, "kafka stand-in (franz-go kfake): listening on %s, advertised as %s, topics %s with %d partitions, state in %s\n",
		b.addr, cfg.advertise, strings.Join(cfg.topics, ", "), cfg.partitions, cfg.dataDir)

	<-ctx.Done()
	b.close()
	fmt.Fprintln(log, "kafka stand-in: stopped, state is on disk")
	return nil
}

// config holds the command line's settings.
type config struct {
	listen     string   // address to listen on, host:port
	advertise  string   // host:port for clients, in metadata replies
	dataDir    string   // holds topics, records and offsets
	topics     []string // created at start if they do not exist
	partitions int32    // of each topic, created at start or on demand
	maxConns   int      // concurrent connections; further ones wait
	files      files    // of TLS and of users
}

func parse(args []string, out io.Writer) (config, error) {
	var cfg config
	fs := flag.NewFlagSet("kafka", flag.ContinueOnError)
	fs.SetOutput(out)
	fs.StringVar(&cfg.listen, "listen", ":9092", "`address` to listen on")
	fs.StringVar(&cfg.advertise, "advertise", "kafka.infra.svc:9092", "`host:port` by which clients reach this broker")
	fs.StringVar(&cfg.dataDir, "data-dir", "/data", "`folder` for topics, records and group offsets")
	topics := fs.String("topics", "toRedis,toMongo,toPush,toOfflinePush", "`names` of topics to make at start, separated by commas")
	partitions := fs.Int("partitions", 8, "partitions of each topic, 1 to 1000")
	fs.StringVar(&cfg.files.certificate, "tls-cert", "", "`file` with the broker's certificate, as PEM: it then speaks TLS alone")
	fs.StringVar(&cfg.files.key, "tls-key", "", "`file` with the private key of --tls-cert, as PEM")
	fs.StringVar(&cfg.files.clientCA, "tls-client-ca", "", "`file` with the authorities of which clients must have a certificate, as PEM")
	fs.StringVar(&cfg.files.users, "users", "", "`file` with a user and password a line, user:password: clients must log in by SASL PLAIN")
	fs.IntVar(&cfg.maxConns, "max-connections", 1024, "connections served at once")
	if err := fs.Parse(args); err != nil {
		return config{}, err
	}

	switch {
	case fs.NArg() > 0:
		return config{}, fmt.Errorf("unexpected argument %q: this command takes flags only, see -h", fs.Arg(0))
	case *partitions < 1 || *partitions > 1000:
		return config{}, fmt.Errorf("--partitions %d is out of range: use 1 to 1000", *partitions)
	case (cfg.files.certificate == "") != (cfg.files.key == ""):
		return config{}, errors.New("--tls-cert and --tls-key belong together: write both")
	case cfg.files.clientCA != "" && cfg.files.certificate == "":
		return config{}, errors.New("--tls-client-ca needs --tls-cert and --tls-key: write them, too")
	case cfg.maxConns < 1:
		return config{}, fmt.Errorf("--max-connections %d is too small: use at least 1", cfg.maxConns)
	}
	cfg.partitions = int32(*partitions)
	for _, name := range strings.Split(*topics, ",") {
		if name = strings.TrimSpace(name); name != "" {
			cfg.topics = append(cfg.topics, name)
		}
	}
	return cfg, nil
}
