package bundle

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/load"
)

// options are the flags of the command.
type options struct {
	load.Flags

	streams           cli.Streams
	outputFile        string
	operatorNamespace string
	now               func() time.Time
}

// New returns the command.
func New(streams cli.Streams, connection *genericclioptions.ConfigFlags) *cobra.Command {
	o := &options{streams: streams, Flags: load.Flags{Connection: connection}, now: time.Now}
	cmd := &cobra.Command{
		Use:   "bundle STACK",
		Short: "collect what is needed to help with a stack, without secrets and messages",
		Long: `Writes an archive (.tar.gz) with the stack, its objects, pods, events and revisions, the audit, versions, and the logs of the
operator, the wrapper and the supervisors. README.txt in it lists what was left out. What the user may not read is left out, too.

It holds no value of a Secret, no environment variable and no text of a message. It holds names of users, devices and addresses: look
through it before it is passed on.`,
		Example: `  ` + cli.Name + ` bundle chat -n im
  ` + cli.Name + ` bundle chat -n im --output-file chat.tar.gz`,
		Args:              cli.Args(1, 1),
		ValidArgsFunction: o.CompleteStack(),
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.outputFile, "output-file", "", "name of the archive (default STACK-TIME.tar.gz in this folder)")
	flags.StringVar(&o.operatorNamespace, "operator-namespace", "openim-operator-system", "namespace in which the operator runs")
	cli.CompleteFlag(cmd, "operator-namespace", o.CompleteNamespace)
	cli.DescribeExitCodes(cmd, "0 the archive is written, 1 it is not.")
	return cmd
}

func (o *options) run(ctx context.Context, names []string) error {
	cluster, err := load.Connect(o.Connection)
	if err != nil {
		return err
	}
	stacks, err := cluster.Stacks(ctx, names, false)
	if err != nil {
		return err
	}
	c := newCollection(cluster, &stacks[0], o.operatorNamespace, o.now())
	c.collect(ctx)
	c.addAudit(func() (*load.Subject, error) { return load.Read(ctx, &o.Flags, names, io.Discard) })
	return o.streams.PublishPrivately(cmp.Or(o.outputFile, c.fileName()), c.write, c.summary)
}

// fileName returns the name of the archive unless another is given.
func (c *collection) fileName() string {
	return fmt.Sprintf("%s-%s.tar.gz", c.stack.Name, c.time.Format("20060102-150405"))
}

// summary says in a line what the archive holds.
func (c *collection) summary() string {
	text := fmt.Sprintf("%d files", len(c.files)+1)
	if len(c.omitted) > 0 {
		text += fmt.Sprintf(", %d things left out: %s", len(c.omitted), strings.Join(firsts(c.omitted), ", "))
	}
	return text + "; see README.txt in it"
}
