package dependencies

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// sizeSteps check the size of each component by itself.
func (r *resolver) sizeSteps() []step {
	var steps []step
	for _, s := range openim.Sizes(&r.stack.Spec) {
		if s.Resources != nil {
			steps = append(steps, step{[]string{s.Component}, func() error { r.size(s); return nil }})
		}
	}
	return steps
}

// size refuses requests above their limits and negative quantities. The API server would refuse the Deployment, and name the Deployment's
// field instead of the spec's. A limit of 0 means no limit.
func (r *resolver) size(s openim.Size) {
	field := s.Field + ".resources"
	for _, list := range []struct {
		name       string
		quantities map[string]resource.Quantity
	}{{"requests", s.Resources.Requests}, {"limits", s.Resources.Limits}} {
		for _, name := range slices.Sorted(maps.Keys(list.quantities)) {
			if quantity := list.quantities[name]; quantity.Sign() < 0 {
				r.invalid(v1alpha1.ReasonInvalidSpec, fmt.Sprintf("%s.%s", field, list.name), "%s is %s: write 0 or more", name, quantity.String())
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Resources.Requests)) {
		request, limit := s.Resources.Requests[name], s.Resources.Limits[name]
		if limit.Sign() > 0 && request.Cmp(limit) > 0 {
			r.invalid(v1alpha1.ReasonInvalidSpec, field, "the request of %s (%s) is more than its limit (%s): lower the request, "+
				"raise the limit, or write a limit of 0 for none", name, request.String(), limit.String())
		}
	}
}
