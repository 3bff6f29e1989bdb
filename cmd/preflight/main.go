// Command preflight is the program of the init container "prepare" in OpenIM's pods: it installs the supervisor and checks the stores.
// See package preflight.
//
//go:debug x509usefallbackroots=1
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/openimstack/openim-operator/preflight"
	"github.com/openimstack/openim-operator/publicroots"
	"github.com/openimstack/openim-operator/supervisor/termination"
	"github.com/openimstack/openim-operator/version"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	if version.Asked(os.Args[1:]) {
		fmt.Println(version.Line("preflight"))
		return
	}
	code := run(ctx, os.Args[1:], os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stderr io.Writer) int {
	flags := flag.NewFlagSet("preflight", flag.ContinueOnError)
	flags.SetOutput(stderr)
	install := flags.String("install", "", "copies the supervisor to this path")
	supervisor := flags.String("supervisor", "/supervisor", "the file to copy")
	stores := flags.String("stores", "", "stores to check, with commas: etcd, redis, mongodb, kafka, object-storage")
	config := flags.String("config", "/etc/openim", "the folder of OpenIM's configuration files")
	attempts := flags.String("attempts", "", "the file that counts the attempts, in a volume that outlives the container")
	partitions := flags.Int("topic-partitions", 0, "makes missing topics of Kafka with this number of partitions, 1 to 1000")
	replication := flags.Int("topic-replication", 0, "and with this number of copies, 1 to 10; 0 is the brokers' default")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
		return exitUsage
	}
	if *partitions < 0 || *partitions > preflight.MaxPartitions || *replication < 0 || *replication > preflight.MaxReplication {
		_, _ = fmt.Fprintln(stderr, "preflight: reading the flags of topics: a number is out of range: see --help")
		return exitUsage
	}
	if *install != "" {
		if err := preflight.Install(*supervisor, *install); err != nil {
			_, _ = fmt.Fprintln(stderr, "preflight:", err)
			return exitFailed
		}
	}
	if *stores == "" {
		return exitOK
	}
	if err := publicroots.Trust(); err != nil {
		_, _ = fmt.Fprintln(stderr, "preflight:", err)
		return exitFailed
	}
	err := preflight.Run(ctx, preflight.Options{
		Stores: strings.Split(*stores, ","), ConfigDir: *config, AttemptsFile: *attempts,
		NewTopics:      preflight.NewTopics{Partitions: int32(*partitions), Replication: int16(*replication)},
		TerminationLog: termination.Path, Getenv: os.Getenv, Log: stderr,
	})
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "preflight:", err)
		return exitFailed
	}
	return exitOK
}
