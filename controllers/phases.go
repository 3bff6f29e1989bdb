package controllers

import (
	"context"
	"errors"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/apply"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/eventkind"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/openim"
)

type phase struct {
	name string
	run  func(context.Context, *scope) error
}

// phases returns the phases in their order. Each does one thing, and tolerates that an earlier phase failed.
func (r *Reconciler) phases() []phase {
	return []phase{
		{"generate secrets", r.generateSecrets},
		{"resolve references", r.resolve},
		{"check", r.check},
		{"decide the policies", r.decidePolicies},
		{"tell the prober", r.tellProber},
		{"seal", r.seal},
		{"find the Gateway API", r.findGatewayAPI},
		{"observe", r.observe},
		{"prune exposures", r.pruneExposures},
		{"revise", r.revise},
		{"plan", r.plan},
		{"run", r.run},
		{"observe again", r.observe},
		{"release earlier places", r.release},
		{"prune", r.prune},
		{"prune copies", r.pruneCopies},
		{"list pending changes", r.listPending},
		{"find unused Secrets", r.findUnusedSecrets},
	}
}

// resolve resolves the references. What one reference lacks stops no other.
func (r *Reconciler) resolve(ctx context.Context, s *scope) error {
	secrets, err := r.shareSecrets(ctx, s)
	s.facts, s.read, s.problems, s.unread = r.resolveReferences(ctx, s.stack, secrets)
	if err != nil {
		s.unread = errors.Join(s.unread, &dependencies.ReadError{
			Components: []string{string(openim.RPCAuth), v1alpha1.ComponentBackend}, Err: err,
		})
	}
	s.unread = errors.Join(s.unread, r.copySecrets(ctx, s))
	s.referencesRead = s.unread == nil
	r.references.set(client.ObjectKeyFromObject(s.stack), reads{s.facts.Secrets, s.facts.ConfigMaps, s.facts.Services, s.facts.Elsewhere})
	return s.unread
}

// prune deletes children that are no longer desired, once the cache shows all that this process wrote. A ConfigMap stays until no pod of
// its component uses it, and everything while it is not known what the components are to be built from.
func (r *Reconciler) prune(ctx context.Context, s *scope) error {
	if s.suspended() || !s.applied || !s.proposed || !s.resolved() {
		return nil
	}
	var err error
	if s.lagging, err = r.behind(ctx, s); err != nil || s.lagging {
		return err
	}
	deleted, err := r.applier.Prune(ctx, r.pruneOptions(s))
	for _, object := range deleted {
		s.note(eventkind.Deleted, object)
	}
	return errors.Join(err, r.pruneRuns(ctx, s))
}

func (r *Reconciler) pruneOptions(s *scope) apply.PruneOptions {
	return apply.PruneOptions{
		Namespace: s.stack.Namespace, Labels: manifests.CommonLabels(s.stack.Name), Owner: s.stack.UID,
		Wanted: slices.Concat(s.objects, s.wantedExposures()), Lists: s.childLists(),
		Keep: func(object client.Object) bool { return s.keeps(object) || s.keepsRun(object) },
	}
}

// listPending lists the changes that a suspended stack would write.
func (r *Reconciler) listPending(ctx context.Context, s *scope) error {
	if !s.suspended() {
		return nil
	}
	for _, object := range s.objects {
		differs, err := r.applier.Differs(ctx, object)
		if err != nil {
			return err
		}
		if differs {
			s.pending = append(s.pending, kindOf(object)+"/"+object.GetName())
		}
	}
	pruning := []apply.PruneOptions{s.exposurePruning()}
	if s.undecided == "" {
		pruning = append(pruning, s.policyPruning())
	}
	if s.resolved() && s.undecided == "" {
		pruning = append(pruning, r.pruneOptions(s))
	}
	for _, options := range pruning {
		unwanted, err := r.applier.Unwanted(ctx, options)
		if err != nil {
			return err
		}
		for _, object := range unwanted {
			s.pending = append(s.pending, kindOf(object)+"/"+object.GetName())
		}
	}
	slices.Sort(s.pending)
	s.pending = slices.Compact(s.pending)
	s.policiesInPlace = !slices.ContainsFunc(s.pending, isPolicy)
	return nil
}
