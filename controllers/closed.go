package controllers

import (
	"context"
	"errors"
	"fmt"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/apply"
	"github.com/openimstack/openim-operator/controllers/revision"
	"github.com/openimstack/openim-operator/openim/pods"
)

// namedByRuns remembers which Secrets run revisions name or were bound to, by the revision's UID. The cache holds no data of a run
// revision, which never changes: it is read once.
type namedByRuns struct {
	mutex sync.Mutex
	byUID map[types.UID]pods.Named
}

func newNamedByRuns() *namedByRuns { return &namedByRuns{byUID: map[types.UID]pods.Named{}} }

func (n *namedByRuns) get(uid types.UID) (pods.Named, bool) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	named, ok := n.byUID[uid]
	return named, ok
}

// put remembers a revision's names. The rest of a revision, which is a hundred times as large, is not kept.
func (n *namedByRuns) put(uid types.UID, named pods.Named) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if len(n.byUID) >= maxNamedByRuns {
		clear(n.byUID) // most of them were deleted: the rest is read again
	}
	n.byUID[uid] = named
}

// maxNamedByRuns bounds the revisions that are remembered. Two hundred stacks with templates that read Secrets have a thousand.
const maxNamedByRuns = 4096

// elsewhere returns the Secrets that are closed to the stack's templates beside those of its present spec. Nothing is read for templates
// that read no Secret. A stack whose templates are refused for another stack's sake is judged again when the pacer retries it.
func (r *Reconciler) elsewhere(ctx context.Context, s *scope) (pods.Elsewhere, error) {
	stack, found := s.stack, pods.Elsewhere{Bound: s.facts.Bound, Earlier: pods.Named{}, Others: pods.Named{}}
	if !pods.ReadSecrets(stack.Spec.Pods) {
		return found, nil
	}
	var stacks v1alpha1.OpenIMStackList
	if err := r.client.List(ctx, &stacks, client.InNamespace(stack.Namespace), apply.Shared); err != nil {
		return found, fmt.Errorf("listing the OpenIMStacks of the namespace to compare their Secrets: %w", err)
	}
	for i := range stacks.Items {
		if stacks.Items[i].Name != stack.Name {
			found.Others.Add(pods.References(&stacks.Items[i].Spec))
		}
	}
	var revisions appsv1.ControllerRevisionList
	labels := client.MatchingLabels{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy, v1alpha1.LabelRevision: v1alpha1.RevisionRun}
	if err := r.client.List(ctx, &revisions, client.InNamespace(stack.Namespace), labels, apply.Shared); err != nil {
		return found, fmt.Errorf("listing the run revisions of the namespace to compare their Secrets: %w", err)
	}
	for i := range revisions.Items {
		named, err := r.namedBy(ctx, &revisions.Items[i])
		if err != nil {
			return found, err
		}
		if revisions.Items[i].Labels[v1alpha1.LabelInstance] == stack.Name {
			found.Earlier.Add(named)
		} else {
			found.Others.Add(named)
		}
	}
	return found, nil
}

// namedBy returns the Secrets that the specs of a run revision name and that its resourceRefs led to. One that is gone or damaged names
// none: nothing can be built from it.
func (r *Reconciler) namedBy(ctx context.Context, object *appsv1.ControllerRevision) (pods.Named, error) {
	if named, ok := r.named.get(object.UID); ok {
		return named, nil
	}
	var whole appsv1.ControllerRevision
	err := r.live.Get(ctx, client.ObjectKeyFromObject(object), &whole)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading ControllerRevision %s for the Secrets that it names: %w", object.Name, err)
	}
	named := pods.Named{}
	d, err := revision.Read(&whole, whole.Labels[v1alpha1.LabelInstance])
	if bad := new(revision.DataError); err != nil && !errors.As(err, &bad) {
		return nil, err
	}
	if err == nil {
		for _, inputs := range append(d.Earlier, d.Inputs) {
			named.Add(pods.References(&inputs.Spec))
			named.Add(inputs.Facts.Bound)
		}
	}
	r.named.put(whole.UID, named)
	return named, nil
}
