package snapshot

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// finish sorts the lists, drops duplicates, trims objects, and adds the namespaces of objects that were not read.
func (w *Snapshot) finish() {
	w.noteWriters()
	w.Pods = tidy(w.Pods)
	w.Services = tidy(w.Services)
	w.EndpointSlices = tidy(w.EndpointSlices)
	w.Policies = tidy(w.Policies)
	w.Ingresses = tidy(w.Ingresses)
	w.Stacks = tidy(w.Stacks)
	w.Routes = sortUnique(w.Routes, func(r *Route) key { return key{r.Namespace, r.Name, r.Kind, r.APIVersion} })
	w.OtherPolicies = sortUnique(w.OtherPolicies, func(p *OtherPolicy) key { return key{p.Namespace, p.Name, p.Kind, p.APIVersion} })
	w.keepMentions()
	w.addNamespaces()
	w.Namespaces = tidy(w.Namespaces)
}

// addNamespaces adds the namespaces that were not read, with the label that Kubernetes sets on every namespace (KEP-2161).
func (w *Snapshot) addNamespaces() {
	known := map[string]bool{}
	for i := range w.Namespaces {
		known[w.Namespaces[i].Name] = true
	}
	named := map[string]bool{}
	for _, list := range [][]string{
		namespacesOf(w.Pods), namespacesOf(w.Services), namespacesOf(w.EndpointSlices),
		namespacesOf(w.Policies), namespacesOf(w.Ingresses), namespacesOf(w.Stacks),
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

// tidy sorts objects by namespace and name, drops duplicates, and removes fields that do not affect reachability.
func tidy[T any, P object[T]](items []T) []T {
	for i := range items {
		item := P(&items[i])
		item.SetManagedFields(nil)
		item.SetAnnotations(trimAnnotations(item.GetAnnotations()))
	}
	return sortUnique(items, func(item *T) key { return key{P(item).GetNamespace(), P(item).GetName()} })
}

// key is the sort key of objects: namespace, name, and the kind where a list holds several kinds.
type key [4]string

// sortUnique sorts by a key and keeps the first of the items with equal keys.
func sortUnique[T any](items []T, of func(*T) key) []T {
	slices.SortStableFunc(items, func(a, b T) int {
		x, y := of(&a), of(&b)
		return slices.Compare(x[:], y[:])
	})
	return slices.CompactFunc(items, func(a, b T) bool { return of(&a) == of(&b) })
}
