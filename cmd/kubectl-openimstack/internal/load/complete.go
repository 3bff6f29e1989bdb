package load

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// completionTimeout limits a request that a completion sends: a shell waits for the answer.
const completionTimeout = 3 * time.Second

// CompleteStack returns a completion of the name of a stack as the only argument. Names come from the folder of --from-files or from the
// cluster. Errors give no candidates, because a shell has no place to show them.
func (f *Flags) CompleteStack() cobra.CompletionFunc {
	return cli.Matching(func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return f.CompleteStackFlag(cmd, args, typed)
	})
}

// CompleteStackFlag is the completion of a flag whose value is the name of a stack.
func (f *Flags) CompleteStackFlag(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return f.stackNames(cmd.Context()), cobra.ShellCompDirectiveNoFileComp
}

// stackNames returns the sorted names of the stacks that the flags select. Stacks of several namespaces may share a name, which is then one
// candidate.
func (f *Flags) stackNames(ctx context.Context) []string {
	var stacks []v1alpha1.OpenIMStack
	if f.FromFiles != "" {
		s, _, err := snapshot.FromFiles(f.FromFiles, f.namespace())
		if err != nil {
			return nil
		}
		stacks = s.Stacks
	} else {
		c, err := Connect(f.Connection)
		if err != nil {
			return nil
		}
		ctx, cancel := context.WithTimeout(ctx, completionTimeout)
		defer cancel()
		if stacks, err = c.Stacks(ctx, nil, f.AllNamespaces); err != nil {
			return nil
		}
	}
	var names []string
	for i := range stacks {
		names = append(names, stacks[i].Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// CompleteNamespace is the completion of -n.
func (f *Flags) CompleteNamespace(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	c, err := Connect(f.Connection)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
	defer cancel()
	var list corev1.NamespaceList
	if err := c.List(ctx, &list); err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// CompleteFromKubeconfig returns the completions of the flags whose values are names of the kubeconfig, by flag.
func (f *Flags) CompleteFromKubeconfig() map[string]cobra.CompletionFunc {
	complete := func(names func(clientcmdapi.Config) []string) cobra.CompletionFunc {
		return func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			raw, err := f.Connection.ToRawKubeConfigLoader().RawConfig()
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return names(raw), cobra.ShellCompDirectiveNoFileComp
		}
	}
	return map[string]cobra.CompletionFunc{
		"context": complete(func(c clientcmdapi.Config) []string { return slices.Sorted(maps.Keys(c.Contexts)) }),
		"cluster": complete(func(c clientcmdapi.Config) []string { return slices.Sorted(maps.Keys(c.Clusters)) }),
		"user":    complete(func(c clientcmdapi.Config) []string { return slices.Sorted(maps.Keys(c.AuthInfos)) }),
	}
}
