package snapshot

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// complete puts the lists in order, drops doubles, trims, and adds the namespaces that objects are in and that were not read.
func (w *World) complete() {
	w.writers()
	w.Pods = finish(w.Pods)
	w.Services = finish(w.Services)
	w.EndpointSlices = finish(w.EndpointSlices)
	w.Policies = finish(w.Policies)
	w.Ingresses = finish(w.Ingresses)
	w.Stacks = finish(w.Stacks)
	w.Routes = inOrder(w.Routes, func(r *Route) key { return key{r.Namespace, r.Name, r.Kind, r.APIVersion} })
	w.OtherPolicies = inOrder(w.OtherPolicies, func(p *OtherPolicy) key { return key{p.Namespace, p.Name, p.Kind, p.APIVersion} })
	w.keepMentions()
	w.addNamespaces()
	w.Namespaces = finish(w.Namespaces)
}

// addNamespaces makes those that were not read, with the label that Kubernetes gives each (KEP-2161).
func (w *World) addNamespaces() {
	known := map[string]bool{}
	for i := range w.Namespaces {
		known[w.Namespaces[i].Name] = true
	}
	named := map[string]bool{}
	for _, list := range [][]string{
		namespacesOf(w.Pods), namespacesOf(w.Services), namespacesOf(w.EndpointSlices), namespacesOf(w.Policies), namespacesOf(w.Ingresses), namespacesOf(w.Stacks),
	} {
		for _, name := range list {
			named[name] = true
		}
	}
	for i := range w.Routes {
		named[w.Routes[i].Namespace] = true
	}
	for name := range named {
		if name != "" && !known[name] {
			labels := map[string]string{corev1.LabelMetadataName: name}
			w.Namespaces = append(w.Namespaces, corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}})
		}
	}
}

// object is a pointer to an object of type T.
type object[T any] interface {
	*T
	metav1.Object
}

func namespacesOf[T any, P object[T]](items []T) []string {
	var names []string
	for i := range items {
		names = append(names, P(&items[i]).GetNamespace())
	}
	return names
}

// finish orders objects by namespace and name, once each, without what decides nothing.
func finish[T any, P object[T]](items []T) []T {
	for i := range items {
		item := P(&items[i])
		item.SetManagedFields(nil)
		item.SetAnnotations(trimAnnotations(item.GetAnnotations()))
	}
	return inOrder(items, func(item *T) key { return key{P(item).GetNamespace(), P(item).GetName()} })
}

// key is what objects are ordered by: namespace, name, and the kind where a list holds several.
type key [4]string

// inOrder sorts by a key, and keeps the first of those that share one.
func inOrder[T any](items []T, of func(*T) key) []T {
	slices.SortStableFunc(items, func(a, b T) int {
		x, y := of(&a), of(&b)
		return slices.Compare(x[:], y[:])
	})
	return slices.CompactFunc(items, func(a, b T) bool { return of(&a) == of(&b) })
}
