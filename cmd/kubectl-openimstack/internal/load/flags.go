package main

import (
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/tools/clientcmd"
)

// options are the flags of all commands. Each command adds those that it takes.
type options struct {
	kubeconfig string
	overrides  clientcmd.ConfigOverrides
	// namespaceGiven is true when -n was written.
	namespaceGiven bool
	allNamespaces  bool

	fromFiles        string
	mongodbAddresses []string

	// stack that is meant, for commands whose arguments are something else.
	stack string

	output, outputFile string
	timeout            time.Duration

	wrapperImage         string
	clusterNetworkPolicy bool
	priority             int32
}

// namespace of the command line. Empty when none was given.
func (o *options) namespace() string { return o.overrides.Context.Namespace }

// clusterFlags are kubectl's own, under the same names.
func clusterFlags(flags *pflag.FlagSet, o *options) {
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "file with the clusters' addresses; default $KUBECONFIG, then ~/.kube/config")
	names := clientcmd.ConfigOverrideFlags{}
	recommended := clientcmd.RecommendedConfigOverrideFlags("")
	names.CurrentContext = recommended.CurrentContext
	names.Timeout = recommended.Timeout
	names.ContextOverrideFlags.Namespace = recommended.ContextOverrideFlags.Namespace
	names.AuthOverrideFlags.Impersonate = recommended.AuthOverrideFlags.Impersonate
	names.AuthOverrideFlags.ImpersonateGroups = recommended.AuthOverrideFlags.ImpersonateGroups
	clientcmd.BindOverrideFlags(&o.overrides, flags, names)
}

func allNamespacesFlag(flags *pflag.FlagSet, o *options) {
	flags.BoolVarP(&o.allNamespaces, "all-namespaces", "A", false, "take the stacks of all namespaces")
}

// fileFlags are those of commands that can do without a cluster.
func fileFlags(flags *pflag.FlagSet, o *options) {
	flags.StringVar(&o.fromFiles, "from-files", "", "take manifests of this folder or file (.yaml, .yml, .json) and ask no cluster; -n is then the namespace of objects that name none")
	factFlags(flags, o)
}

func factFlags(flags *pflag.FlagSet, o *options) {
	flags.StringSliceVar(&o.mongodbAddresses, "mongodb-addresses", nil, "host:port,... behind mongodb.uriRef, which stand in a Secret and so are not read")
}

func outputFlags(flags *pflag.FlagSet, o *options, formats ...string) {
	flags.StringVarP(&o.output, "output", "o", formats[0], "format: "+strings.Join(formats, ", "))
	flags.StringVar(&o.outputFile, "output-file", "", "write to this file, and a line about it to the terminal")
}
