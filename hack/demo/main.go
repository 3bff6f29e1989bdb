package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/hack/environment/setup"
)

// demoTimeout bounds the whole demo. The first run builds Kubernetes and OpenIM from source.
const demoTimeout = 45 * time.Minute

// pass is the last line of a run that passed.
const pass = "demo: PASS in %s. Everything is left running; remove it with `make demo-down`."

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Printf("\ndemo: FAIL\n%v\n", err)
		}
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	down := flags.Bool("down", false, "remove what the demo set up")
	transcript := flags.String("transcript", "", "write what the demo prints to this Markdown `file`, without what differs between runs")
	keep := flags.Bool("keep", false, "with --down: keep the local cluster itself")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 || *keep && !*down || *transcript != "" && *down {
		return fmt.Errorf("unexpected arguments %q: use none, --transcript FILE, --down, or --down --keep", args)
	}
	klog.LogToStderr(false) // the client library's messages about closed streams do not help a reader
	klog.SetOutput(io.Discard)
	ctx, cancel := context.WithTimeoutCause(ctx, demoTimeout, fmt.Errorf("the demo took longer than %s", demoTimeout))
	defer cancel()

	var printed bytes.Buffer
	out = io.MultiWriter(out, &printed)
	environment, err := setup.NewEnvironment(setup.NewJournal(out))
	if err != nil {
		return err
	}
	if *down {
		return environment.Down(ctx, *keep)
	}
	s := &demo{Environment: environment}
	if err := s.run(ctx); err != nil {
		return errors.Join(err, s.whereToLook(ctx))
	}
	if err := writeReport(s.Root, s.audited); err != nil {
		return err
	}
	writeNext(out, client.ObjectKeyFromObject(s.stack), s.Kubeconfig)
	_, _ = fmt.Fprintf(out, "\n"+pass+"\n", environment.Journal.Elapsed().Round(time.Second))
	if *transcript != "" {
		return writeTranscript(*transcript, printed.String())
	}
	return nil
}

// whereToLook dumps artifacts and returns an error that lists where to find them and what else to check.
func (s *demo) whereToLook(ctx context.Context) error {
	text := "where to look:\n"
	if s.Cluster != nil {
		folder := filepath.Join(s.Root, "dist", "demo")
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		if err := s.Cluster.Dump(
			ctx,
			folder,
			setup.OperatorNamespace,
			setup.StackNamespace,
			setup.StoresNamespace,
			setup.IntruderNamespace,
		); err != nil {
			text += fmt.Sprintf("  (dumping artifacts: %v)\n", err)
		}
		text += fmt.Sprintf("  %s: stacks, pods, events and logs, without secrets\n", folder)
	}
	if s.Local {
		text += "  go run ./hack/cluster status: the node's processes, their logs, and the kubeconfig for kubectl\n"
	}
	return errors.New(text + "  kubectl -n im describe openimstack chat")
}
