package load

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/seal"
)

// records returns the places that the operator has recorded for stacks, by UID. Without them the plugin knows only what the spec says now:
// during a move it would report the earlier place, which old pods still use. Records that may not or cannot be read are left out.
func (c *Cluster) records(ctx context.Context, stacks []v1alpha1.OpenIMStack) map[types.UID]seal.Record {
	found := map[types.UID]seal.Record{}
	for i := range stacks {
		stack := &stacks[i]
		common := manifests.CommonLabels(stack.Name)
		var list appsv1.ControllerRevisionList
		if err := c.List(ctx, &list, client.InNamespace(stack.Namespace), client.MatchingLabels(seal.Labels(common))); err != nil {
			continue
		}
		if record, _, err := seal.Newest(stack, common, list.Items); err == nil {
			found[stack.UID] = record
		}
	}
	return found
}
