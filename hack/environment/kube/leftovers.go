package kube

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"
)

// ephemeralKinds are excluded from inventories: events expire by themselves, metrics are computed on request.
var ephemeralKinds = []string{"events", "events.events.k8s.io", "pods.metrics.k8s.io"}

// Inventory lists all objects of a namespace that keep accepts, of every kind that the API server serves, as kind.group/name, sorted.
func (c *Cluster) Inventory(ctx context.Context, namespace string, keep func(*metav1.PartialObjectMetadata) bool) ([]string, error) {
	lists, err := discovery.ServerPreferredNamespacedResources(c.Clientset.Discovery())
	if err != nil {
		return nil, fmt.Errorf("discovering kinds: %w", err)
	}
	client, err := metadata.NewForConfig(c.Config)
	if err != nil {
		return nil, fmt.Errorf("creating a metadata client: %w", err)
	}
	var found []string
	for _, list := range lists {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, fmt.Errorf("parsing a discovered group version: %w", err)
		}
		for _, resource := range list.APIResources {
			gr := schema.GroupResource{Group: version.Group, Resource: resource.Name}
			if !slices.Contains(resource.Verbs, "list") || slices.Contains(ephemeralKinds, gr.String()) {
				continue
			}
			objects, err := client.Resource(version.WithResource(resource.Name)).Namespace(namespace).List(ctx, metav1.ListOptions{})
			if err != nil {
				return nil, fmt.Errorf("listing %s in %s: %w", gr, namespace, err)
			}
			for i := range objects.Items {
				if keep == nil || keep(&objects.Items[i]) {
					found = append(found, gr.String()+"/"+objects.Items[i].Name)
				}
			}
		}
	}
	slices.Sort(found)
	return found, nil
}
