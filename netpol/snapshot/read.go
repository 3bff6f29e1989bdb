package snapshot

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Scope selects the objects of a cluster that are read.
type Scope struct {
	// Name of the cluster to show, such as the kubeconfig's context.
	Name string
	// Namespaces whose objects are read, for example those of a stack and of its stores. Empty means all. Cluster-wide kinds and the
	// labels of all namespaces are read in any case, because selectors match them.
	Namespaces []string
	// AbsentKinds holds the kinds that the cluster does not serve, for callers that read repeatedly. Nil means that every kind is requested.
	AbsentKinds *AbsentKinds
	// OtherKinds are kinds that are searched for mentions. Kinds that this package reads are ignored. So are kinds that cannot be listed:
	// many clusters have kinds that an auditor may not read and that are unrelated to a stack.
	OtherKinds []schema.GroupVersionKind
}

// namespaces returns the namespaces to list: metav1.NamespaceAll, or those of the scope, sorted.
func (s Scope) namespaces() []string {
	if len(s.Namespaces) == 0 {
		return []string{metav1.NamespaceAll}
	}
	names := slices.Clone(s.Namespaces)
	slices.Sort(names)
	return slices.Compact(names)
}

// Read takes a snapshot of a live cluster. The reader must query the API server: a cache may hold only part of the objects. A kind that
// the caller may not list, or that has too many objects, becomes Unread. A kind that the API server does not serve is ignored. Read
// returns an error when the API server does not answer.
//
// The reader's scheme must contain Kubernetes' kinds and OpenIMStack. Third-party kinds are resolved by the reader's RESTMapper when
// the reader has one, like client.Client; otherwise the versions in this package's tables are listed.
func Read(ctx context.Context, reader client.Reader, scope Scope) (*Snapshot, error) {
	r := &clusterReader{ctx: ctx, reader: reader, scope: scope, snapshot: &Snapshot{Origin: Origin{Kind: Cluster, Name: scope.Name}}}
	if len(scope.Namespaces) > 0 {
		r.snapshot.OnlyNamespaces = scope.namespaces()
	}
	if err := r.namespaces(); err != nil {
		return nil, err
	}
	for _, kind := range kinds {
		if err := r.kind(kind); err != nil {
			return nil, err
		}
	}
	if err := r.settings(); err != nil {
		return nil, err
	}
	for _, kind := range thirdPartyKinds {
		if err := r.thirdParty(kind); err != nil {
			return nil, err
		}
	}
	for _, gvk := range scope.OtherKinds {
		if err := r.mentions(gvk); err != nil {
			return nil, err
		}
	}
	r.snapshot.finish()
	return r.snapshot, nil
}

// mentions searches the objects of a kind that this package does not read.
func (r *clusterReader) mentions(gvk schema.GroupVersionKind) error {
	known := func(k thirdPartyKind) bool { return k.GroupKind == gvk.GroupKind() && k.read == nil }
	if ignoredForMentions(gvk.GroupKind()) || slices.ContainsFunc(thirdPartyKinds, known) {
		return nil
	}
	_, maker := podMakers[gvk.GroupKind()]
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
	for _, namespace := range r.scope.namespaces() {
		err := r.pages(list, namespace, func() error {
			for i := range list.Items {
				if m := mentionOf(gvk, list.Items[i].Object); m != nil {
					if maker {
						m.Labels = nil // the object's pods are in the snapshot
					}
					r.snapshot.Mentions = append(r.snapshot.Mentions, *m)
				}
			}
			r.snapshot.keepMentions()
			return nil
		})
		if err != nil && r.unreachable(err) {
			return fmt.Errorf("listing %s: %w", gvk.Kind, err)
		}
	}
	return nil
}

// clusterReader reads a snapshot from a cluster.
type clusterReader struct {
	ctx      context.Context
	reader   client.Reader
	scope    Scope
	snapshot *Snapshot
}

// namespaces reads the metadata of namespaces, which namespace selectors match.
func (r *clusterReader) namespaces() error {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("NamespaceList"))
	err := r.pages(list, metav1.NamespaceAll, func() error {
		for i := range list.Items {
			r.snapshot.Namespaces = append(r.snapshot.Namespaces, corev1.Namespace{ObjectMeta: trimMeta(list.Items[i].ObjectMeta)})
		}
		return nil
	})
	if err == nil {
		return nil
	}
	r.snapshot.Namespaces = nil
	if err := r.unread(err, corev1.SchemeGroupVersion.WithKind("Namespace").GroupKind(), "namespaces", metav1.NamespaceAll); err != nil {
		return err
	}
	return r.getNamespaces()
}

// getNamespaces reads the namespaces of the scope by name. It is used when listing namespaces is forbidden.
func (r *clusterReader) getNamespaces() error {
	if len(r.scope.Namespaces) == 0 {
		return nil
	}
	for _, name := range r.scope.namespaces() {
		one := &metav1.PartialObjectMetadata{}
		one.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
		err := r.reader.Get(r.ctx, types.NamespacedName{Name: name}, one)
		if apierrors.IsForbidden(err) || apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading Namespace %s: %w", name, err)
		}
		r.snapshot.Namespaces = append(r.snapshot.Namespaces, corev1.Namespace{ObjectMeta: trimMeta(one.ObjectMeta)})
	}
	return nil
}
