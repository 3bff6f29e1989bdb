package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"text/tabwriter"

	"github.com/openimstack/openim-operator/hack/cluster/node"
)

const usage = `usage: go run ./hack/cluster [--state-dir DIR] COMMAND

  up                start the cluster, or restart processes that ended
  down              remove the cluster; fails if anything is left behind
  status            show the processes; --output json for programs
  load FILE.tar...  import docker archives into the cluster
  enforcement on    enforce NetworkPolicies (the default)
  enforcement off   ignore NetworkPolicies, as some networks do
  restart kubelet   kill the kubelet and start it again
  kubeconfig        print the path of the kubeconfig
  assets            build and print the folder with kube-apiserver, etcd, kube-controller-manager, kubectl
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "error:", err)
		stop()
		os.Exit(1)
	}
}

// command parses the flags, which may precede or follow the command's name, and runs the command.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	state := flags.String("state-dir", node.DefaultStateDir, "")
	output := flags.String("output", "text", "")
	words, err := parse(flags, args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usage)
		return err
	}
	if err != nil || len(words) == 0 {
		fmt.Fprint(stderr, usage)
		return errors.Join(err, errors.New("no command"))
	}
	if !slices.Contains([]string{"load", "enforcement", "restart"}, words[0]) && len(words) > 1 {
		return fmt.Errorf("%s takes no argument, but got %q", words[0], words[1:])
	}
	if words[0] == "assets" {
		dir, err := node.Assets(ctx)
		if err == nil {
			fmt.Fprintln(stdout, dir)
		}
		return err
	}
	n, err := node.New(node.Options{StateDir: *state, Out: stderr})
	if err != nil {
		return err
	}
	switch words[0] {
	case "up":
		return n.Up(ctx)
	case "down":
		return n.Down(ctx)
	case "status":
		s, err := n.Status(ctx)
		if err != nil {
			return err
		}
		return printStatus(stdout, s, *output)
	case "load":
		if len(words) == 1 {
			return errors.New("load: name at least one image archive (docker archive, .tar)")
		}
		return n.Load(ctx, words[1:]...)
	case "enforcement":
		if len(words) != 2 || words[1] != "on" && words[1] != "off" {
			return errors.New("enforcement: use on or off")
		}
		return n.Enforce(ctx, words[1] == "on")
	case "restart":
		if len(words) != 2 || words[1] != "kubelet" {
			return errors.New("restart: use kubelet")
		}
		return n.RestartKubelet(ctx)
	case "kubeconfig":
		path, err := n.Kubeconfig()
		if err == nil {
			fmt.Fprintln(stdout, path)
		}
		return err
	default:
		fmt.Fprint(stderr, usage)
		return fmt.Errorf("unknown command %q", words[0])
	}
}

func parse(flags *flag.FlagSet, args []string) (words []string, err error) {
	for len(args) > 0 {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		if args = flags.Args(); len(args) > 0 {
			words, args = append(words, args[0]), args[1:]
		}
	}
	return words, nil
}

func printStatus(w io.Writer, s node.Status, output string) error {
	switch output {
	case "json":
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(s)
	case "text":
	default:
		return fmt.Errorf("--output %s: use text or json", output)
	}
	if len(s.Components) == 0 {
		_, err := fmt.Fprintln(w, "the cluster does not run")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(
		table,
		"running\t%t\nkubeconfig\t%s\naudit log\t%s\nstate\t%s\nkubectl\t%s\n\n",
		s.Running,
		s.Kubeconfig,
		s.AuditLog,
		s.StateDir,
		s.Kubectl,
	)
	fmt.Fprintln(table, "COMPONENT\tPID\tHEALTH\tLOG")
	for _, c := range s.Components {
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\n", c.Name, c.PID, c.Health, c.Log)
	}
	return table.Flush()
}
