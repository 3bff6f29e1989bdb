package snapshot

import (
	"errors"
	"fmt"
	"net/url"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// pageSize is the number of objects in one request, as in kubectl.
	pageSize = 500
	// maxObjects bounds one list. Kubernetes supports 150,000 pods and 10,000 Services in a cluster.
	maxObjects = 200_000
	// maxRestarts bounds the restarts of a list whose continue token expired (410 Gone, after five minutes).
	maxRestarts = 3
)

var errTooMany = fmt.Errorf("more than %d objects", maxObjects)

// kind reads a kind that every cluster serves.
func (r *clusterReader) kind(k kind) error {
	for _, namespace := range r.scope.namespaces() {
		list, take := k.list(r.snapshot)
		err := r.pages(list, namespace, func() error { take(); return nil })
		if err := r.unread(err, k.GroupKind(), k.resource, namespace); err != nil {
			return err
		}
	}
	return nil
}

// thirdParty reads a kind that a cluster may not serve.
func (r *clusterReader) thirdParty(k thirdPartyKind) error {
	namespaces := r.scope.namespaces()
	if k.clusterWide {
		namespaces = []string{metav1.NamespaceAll}
	}
	versions, err := r.served(k)
	if err := r.unread(err, k.GroupKind, k.resource, metav1.NamespaceAll); err != nil {
		return err
	}
	for _, namespace := range namespaces {
		for _, version := range versions {
			list, take := k.list(version, r.snapshot)
			err := r.pages(list, namespace, func() error { take(); return nil })
			if absent(err) {
				continue // the next version
			}
			if err := r.unread(err, k.GroupKind, k.resource, namespace); err != nil {
				return err
			}
			break
		}
	}
	return nil
}

// served returns the versions to list: the API server's preferred version when a RESTMapper is available, otherwise all known versions.
func (r *clusterReader) served(k thirdPartyKind) ([]string, error) {
	mapped, ok := r.reader.(interface{ RESTMapper() meta.RESTMapper })
	if !ok {
		return k.versions, nil
	}
	if r.scope.AbsentKinds.IsAbsent(r.ctx, k.GroupKind) {
		return nil, nil
	}
	mapping, err := mapped.RESTMapper().RESTMapping(k.GroupKind)
	if absent(err) {
		r.scope.AbsentKinds.Note(k.GroupKind)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return []string{mapping.GroupVersionKind.Version}, nil
}

// pages lists a kind page by page and calls take for each page. A list that expires between two pages is read again from the start;
// finish drops the duplicates.
func (r *clusterReader) pages(list client.ObjectList, namespace string, take func() error) error {
	options := &client.ListOptions{Namespace: namespace, Limit: pageSize}
	for seen, restarts := 0, 0; ; {
		err := r.reader.List(r.ctx, list, options)
		if apierrors.IsResourceExpired(err) && options.Continue != "" && restarts < maxRestarts {
			options.Continue, seen = "", 0
			restarts++
			continue
		}
		if err != nil {
			return err
		}
		seen += meta.LenList(list)
		if seen > maxObjects {
			return errTooMany
		}
		if err := take(); err != nil {
			return err
		}
		if options.Continue = list.GetContinue(); options.Continue == "" {
			return nil
		}
	}
}

// unread records a kind that could not be read. It returns the error when the API server does not answer at all.
func (r *clusterReader) unread(err error, kind schema.GroupKind, resource, namespace string) error {
	where := "in all namespaces"
	if namespace != metav1.NamespaceAll {
		where = "in namespace " + namespace
	}
	switch {
	case err == nil || absent(err):
		return nil
	case apierrors.IsForbidden(err):
		r.note(kind, fmt.Sprintf("listing %s %s is forbidden: bind a role with the verb list for %q of API group %q, "+
			"such as the ClusterRole openim-operator-openimstack-auditor", resource, where, resource, kind.Group))
		return nil
	case errors.Is(err, errTooMany):
		r.note(kind, fmt.Sprintf("%s of kind %s %s: read fewer namespaces", err, kind.Kind, where))
		return nil
	case r.unreachable(err):
		return fmt.Errorf("listing %s %s: %w", resource, where, err)
	default:
		// The API server answers and only this kind fails, for example because an aggregated API or a conversion webhook is down.
		r.note(kind, fmt.Sprintf("listing %s %s failed: %v", resource, where, err))
		return nil
	}
}

// unreachable reports whether the API server does not answer or does not accept the credentials, so that no other kind can be read.
func (r *clusterReader) unreachable(err error) bool {
	_, network := errors.AsType[*url.Error](err)
	return network || r.ctx.Err() != nil || apierrors.IsUnauthorized(err)
}

// note records the kind as kubectl writes it, for example NetworkPolicy.networking.k8s.io: several API groups have kinds of this name.
func (r *clusterReader) note(kind schema.GroupKind, reason string) {
	r.snapshot.Unread = append(r.snapshot.Unread, Unread{Kind: kind.String(), Reason: reason})
}

// absent reports whether the API server does not serve a kind.
func absent(err error) bool { return meta.IsNoMatchError(err) || apierrors.IsNotFound(err) }
