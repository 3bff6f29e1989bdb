package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// subject is what a command looks at: a snapshot, and the stacks in it that were asked for.
type subject struct {
	world *snapshot.World
	views []*view
	// time of the snapshot. Zero for files, whose reports so are the same every time.
	time time.Time
}

// gather takes a snapshot of the files or the cluster that the flags name, and picks stacks: the one that is named, or all of the
// namespace, or all.
func (p *program) gather(ctx context.Context, o *options, names []string) (*subject, error) {
	if o.fromFiles != "" {
		return p.gatherFiles(ctx, o, names)
	}
	return gatherCluster(ctx, o, names)
}

func (p *program) gatherFiles(ctx context.Context, o *options, names []string) (*subject, error) {
	w, warnings, err := snapshot.FromFiles(o.fromFiles, o.namespace())
	if err != nil {
		return nil, err
	}
	for _, warning := range warnings {
		fmt.Fprintln(p.errors, "note:", warning)
	}
	all, err := viewsOf(ctx, w, w.Stacks, o)
	if err != nil {
		return nil, err
	}
	// All stacks of the folder will be there, not only those that were asked for.
	for _, v := range all {
		w.Intend(v.children()...)
	}
	chosen := slices.DeleteFunc(all, func(v *view) bool {
		return len(names) > 0 && v.stack.Name != names[0] || len(names) > 0 && o.namespaceGiven && v.stack.Namespace != o.namespace()
	})
	if len(chosen) == 0 {
		return nil, fmt.Errorf("there is no OpenIMStack%s in %s: the folder must hold its manifest", quoted(names), o.fromFiles)
	}
	return &subject{world: w, views: chosen}, nil
}

func gatherCluster(ctx context.Context, o *options, names []string) (*subject, error) {
	c, err := connect(o)
	if err != nil {
		return nil, err
	}
	if o.allNamespaces && len(names) > 0 {
		return nil, errors.New("a stack is named, and all namespaces are asked for: leave one of the two out")
	}
	others := c.others()
	w, err := snapshot.Read(ctx, c, snapshot.Scope{Name: c.context, Others: others})
	if err != nil {
		return nil, err
	}
	namespace := c.namespace
	if o.allNamespaces {
		namespace = metav1.NamespaceAll
	} else if w, err = narrowed(ctx, c, w, namespace, others); err != nil {
		return nil, err
	}
	stacks := slices.DeleteFunc(slices.Clone(w.Stacks), func(s v1alpha1.OpenIMStack) bool {
		return namespace != metav1.NamespaceAll && s.Namespace != namespace || len(names) > 0 && s.Name != names[0]
	})
	if len(stacks) == 0 {
		return nil, noStack(w, namespace, names)
	}
	views, err := viewsOf(ctx, w, stacks, o)
	if err != nil {
		return nil, err
	}
	return &subject{world: w, views: views, time: time.Now()}, nil
}

// noStack says why there is none: kinds that may not be listed look the same as kinds without objects.
func noStack(w *snapshot.World, namespace string, names []string) error {
	kind := v1alpha1.GroupVersion.WithKind("OpenIMStack").GroupKind().String()
	for _, u := range w.Unread {
		if u.Kind == kind {
			return errors.New(u.Reason)
		}
	}
	if namespace == metav1.NamespaceAll {
		return errors.New("there is no OpenIMStack in the cluster")
	}
	return fmt.Errorf("there is no OpenIMStack%s in namespace %s: name another with -n, or take all with -A", quoted(names), namespace)
}

func quoted(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf(" %q", names[0])
}

// narrowed reads one namespace, and those of the stores of its stacks, when not all may be read: findings there count, even though
// nobody can then say that the stack is sealed. What could not be read stays in the snapshot.
func narrowed(ctx context.Context, c *cluster, all *snapshot.World, namespace string, others []schema.GroupVersionKind) (*snapshot.World, error) {
	if !slices.ContainsFunc(all.Unread, func(u snapshot.Unread) bool { return strings.Contains(u.Reason, "forbidden") && u.Kind != "Namespace" }) {
		return all, nil
	}
	w, err := snapshot.Read(ctx, c, snapshot.Scope{Name: c.context, Namespaces: []string{namespace}})
	if err != nil {
		return nil, err
	}
	namespaces := []string{namespace}
	for i := range w.Stacks {
		namespaces = append(namespaces, storeNamespaces(ctx, w, &w.Stacks[i])...)
	}
	if w, err = snapshot.Read(ctx, c, snapshot.Scope{Name: c.context, Namespaces: namespaces, Others: others}); err != nil {
		return nil, err
	}
	for _, u := range all.Unread {
		same := func(x snapshot.Unread) bool { return x.Kind == u.Kind }
		if !slices.ContainsFunc(w.Unread, same) {
			w.Unread = append(w.Unread, u)
		}
	}
	return w, nil
}
