package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// Subject is what a command judges: a snapshot, and the selected stacks in it.
type Subject struct {
	Snapshot *snapshot.Snapshot
	Stacks   []*Stack
	// time of the snapshot. It is zero for files, so that the same files give the same report every time.
	time time.Time
}

// Read takes a snapshot of the files or the cluster that the flags name. It selects the stack of that name, or all of the namespace, or
// all. Notes about manifests that were left out go to the writer.
func Read(ctx context.Context, f *Flags, names []string, notes io.Writer) (*Subject, error) {
	if f.FromFiles != "" {
		return readFiles(ctx, f, names, notes)
	}
	return readCluster(ctx, f, names)
}

// readFiles reads a folder or a file of manifests.
func readFiles(ctx context.Context, f *Flags, names []string, notes io.Writer) (*Subject, error) {
	s, warnings, err := snapshot.FromFiles(f.FromFiles, f.namespace())
	if err != nil {
		return nil, err
	}
	for _, warning := range warnings {
		fmt.Fprintln(notes, "note:", warning)
	}
	all, err := resolveAll(ctx, s, s.Stacks, nil, f)
	if err != nil {
		return nil, err
	}
	// All stacks of the folder will be in the cluster, not the selected ones alone.
	for _, stack := range all {
		s.AddIntended(stack.Children()...)
	}
	selected := slices.DeleteFunc(all, func(stack *Stack) bool {
		return len(names) > 0 && stack.Object.Name != names[0] ||
			len(names) > 0 && f.namespace() != "" && stack.Object.Namespace != f.namespace()
	})
	if len(selected) == 0 {
		return nil, fmt.Errorf("there is no OpenIMStack%s in %s: the folder must hold its manifest", quoted(names), f.FromFiles)
	}
	return &Subject{Snapshot: s, Stacks: selected}, nil
}

// readCluster reads the cluster of the flags.
func readCluster(ctx context.Context, f *Flags, names []string) (*Subject, error) {
	c, err := Connect(f.Connection)
	if err != nil {
		return nil, err
	}
	// A name is unique in its namespace only, so that -A with a name would be ambiguous.
	if f.AllNamespaces && len(names) > 0 {
		return nil, errors.New("both the name of a stack and all namespaces are given: leave one of the two out")
	}
	// The whole cluster is read even for one stack: policies select by labels of all namespaces, and a Service or a route elsewhere may
	// lead to the stack.
	others := c.others()
	s, err := snapshot.Read(ctx, c, snapshot.Scope{Name: c.Context, OtherKinds: others})
	if err != nil {
		return nil, err
	}
	namespace := c.Namespace
	if f.AllNamespaces {
		namespace = metav1.NamespaceAll
	} else if s, err = narrowed(ctx, c, s, namespace, others); err != nil {
		return nil, err
	}
	stacks := slices.DeleteFunc(slices.Clone(s.Stacks), func(s v1alpha1.OpenIMStack) bool {
		return namespace != metav1.NamespaceAll && s.Namespace != namespace || len(names) > 0 && s.Name != names[0]
	})
	if len(stacks) == 0 {
		return nil, noStack(s, namespace, names)
	}
	resolved, err := resolveAll(ctx, s, stacks, c.records(ctx, stacks), f)
	if err != nil {
		return nil, err
	}
	return &Subject{Snapshot: s, Stacks: resolved, time: time.Now()}, nil
}

// Names returns the names of the stacks, for messages.
func (s *Subject) Names() string {
	var all []string
	for _, stack := range s.Stacks {
		all = append(all, stack.Name())
	}
	return strings.Join(all, ", ")
}

// Audit runs the network audit of a stack of the subject.
func (s *Subject) Audit(stack *Stack) audit.Report {
	return audit.Run(audit.Input{Stack: stack.Object, Graph: stack.Graph, Snapshot: s.Snapshot, Now: s.time, Problems: stack.Problems})
}

// Audits runs the network audit of all stacks of the subject.
func (s *Subject) Audits() []audit.Report {
	var reports []audit.Report
	for _, stack := range s.Stacks {
		reports = append(reports, s.Audit(stack))
	}
	return reports
}

// noStack returns the error that says why no stack is selected: kinds that may not be listed look the same as kinds without objects.
func noStack(s *snapshot.Snapshot, namespace string, names []string) error {
	kind := v1alpha1.GroupVersion.WithKind("OpenIMStack").GroupKind().String()
	for _, u := range s.Unread {
		if u.Kind == kind {
			return errors.New(u.Reason)
		}
	}
	return noStackIn(namespace, names)
}

// noStackIn returns the error for a namespace without a selected stack.
func noStackIn(namespace string, names []string) error {
	if namespace == metav1.NamespaceAll {
		return errors.New("there is no OpenIMStack in the cluster")
	}
	return fmt.Errorf("there is no OpenIMStack%s in namespace %s: name another namespace with -n, or select all with -A",
		quoted(names), namespace)
}

// quoted returns the name of the command line for a message, with a space before it; empty without a name.
func quoted(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf(" %q", names[0])
}

// narrowed reads one namespace, and the namespaces of the stores of its stacks, when not all namespaces may be read. Findings there
// count, although the result can no longer be Sealed: what could not be read stays in the snapshot.
func narrowed(
	ctx context.Context, c *Cluster, all *snapshot.Snapshot, namespace string, others []schema.GroupVersionKind,
) (*snapshot.Snapshot, error) {
	if !slices.ContainsFunc(all.Unread, func(u snapshot.Unread) bool {
		return strings.Contains(u.Reason, "forbidden") && u.Kind != "Namespace"
	}) {
		return all, nil
	}
	s, err := snapshot.Read(ctx, c, snapshot.Scope{Name: c.Context, Namespaces: []string{namespace}})
	if err != nil {
		return nil, err
	}
	namespaces := []string{namespace}
	for i := range s.Stacks {
		namespaces = append(namespaces, storeNamespaces(ctx, s, &s.Stacks[i])...)
	}
	if s, err = snapshot.Read(ctx, c, snapshot.Scope{Name: c.Context, Namespaces: namespaces, OtherKinds: others}); err != nil {
		return nil, err
	}
	// The second reading does not attempt what the first could not read in other namespaces. The report must still name it.
	for _, u := range all.Unread {
		sameKind := func(x snapshot.Unread) bool { return x.Kind == u.Kind }
		if !slices.ContainsFunc(s.Unread, sameKind) {
			s.Unread = append(s.Unread, u)
		}
	}
	return s, nil
}
