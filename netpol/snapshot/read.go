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

// Scope says what of a cluster is read.
type Scope struct {
	// Name of the cluster to show, such as the kubeconfig's context.
	Name string
	// Namespaces whose objects are read, for example a stack's own and those of its stores. Empty: all. Kinds without a namespace and
	// the labels of all namespaces are read in any case, because selectors match them.
	Namespaces []string
	// Catalog of what the cluster lacks, for who reads it again and again. Nil: every kind is asked for.
	Catalog *Catalog
	// Others are kinds that are looked through for what they mention, of which those that are known here are left out. One that may not be
	// listed, or fails, is left out, too: many clusters have kinds that an auditor may not read and that have nothing to do with a stack.
	Others []schema.GroupVersionKind
}

// namespaces of the lists: metav1.NamespaceAll, or one namespace after the other.
func (s Scope) namespaces() []string {
	if len(s.Namespaces) == 0 {
		return []string{metav1.NamespaceAll}
	}
	places := slices.Clone(s.Namespaces)
	slices.Sort(places)
	return slices.Compact(places)
}

// Read takes a snapshot of a live cluster. A reader that goes to the API server itself is needed: a cache may hold only a part. A kind
// that may not be read, or that is too much to read, becomes Unread; one that the API server does not have is left out. The error is
// for a cluster that does not answer.
//
// The reader's scheme must know Kubernetes' own kinds and OpenIMStack. Kinds of others are found by the reader's RESTMapper, when it
// has one, as client.Client does; otherwise in the versions that are known here.
func Read(ctx context.Context, reader client.Reader, scope Scope) (*World, error) {
	r := &clusterReader{ctx: ctx, reader: reader, scope: scope, snapshot: &World{Source: Source{Kind: Cluster, Name: scope.Name}}}
	if len(scope.Namespaces) > 0 {
		r.snapshot.Only = scope.namespaces()
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
	for _, gvk := range scope.Others {
		if err := r.mentions(gvk); err != nil {
			return nil, err
		}
	}
	r.snapshot.finish()
	return r.snapshot, nil
}

// mentions looks the objects of a kind through that is not known here.
func (r *clusterReader) mentions(gvk schema.GroupVersionKind) error {
	known := func(k thirdPartyKind) bool { return k.GroupKind == gvk.GroupKind() && k.read == nil }
	if ignoredForMentions(gvk.GroupKind()) || slices.ContainsFunc(thirdPartyKinds, known) {
		return nil
	}
	_, maker := podMakers[gvk.GroupKind()]
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
	for _, place := range r.scope.namespaces() {
		err := r.pages(list, place, func() error {
			for i := range list.Items {
				if m := mentionOf(gvk, list.Items[i].Object); m != nil {
					if maker {
						m.Labels = nil // its pods are read as pods
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

// clusterReader is a snapshot on its way.
type clusterReader struct {
	ctx      context.Context
	reader   client.Reader
	scope    Scope
	snapshot *World
}

// namespaces reads what selectors of namespaces match: their metadata.
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

// getNamespaces reads the namespaces of the scope by name, when they may not be listed: their own labels at least are then known.
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
