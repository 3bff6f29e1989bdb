package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/apply"
	"github.com/openimstack/openim-operator/controllers/eventkind"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/outcome"
	"github.com/openimstack/openim-operator/controllers/seal"
	"github.com/openimstack/openim-operator/netpol/graph"
)

// decidePolicies computes the policies from the newest spec and from the places of the parties that it names. References need not resolve:
// the last known places of an address stay. When it is not known which places earlier specs had, only the default deny policy is desired,
// and the live policies stay as they are.
func (r *Reconciler) decidePolicies(ctx context.Context, s *scope) error {
	known, err := r.seals.load(ctx, r.live, s.stack)
	if unusable, ok := errors.AsType[*seal.RevisionError](err); ok {
		err = outcome.NewTerminal(v1alpha1.ReasonRevisionUnusable, unusable.Error())
	}
	if err != nil {
		s.undecided = outcome.Summary(outcome.Of(err))
		s.policies = manifests.Policies(s.stack, seal.Record{}.Graph(s.stack))[:1]
		return err
	}
	r.desire(s, seal.Next(known, s.facts.Locations))
	return nil
}

// tellProber passes the graph of the policies and the unresolved references to the prober.
func (r *Reconciler) tellProber(_ context.Context, s *scope) error {
	if s.undecided != "" {
		return nil
	}
	var problems []string
	for _, p := range s.problems { // refused settings say nothing about the network
		problems = append(problems, p.String())
	}
	r.prober.Intend(client.ObjectKeyFromObject(s.stack), s.graph, problems)
	return nil
}

// seal records the places and writes the policies, before anything else of the stack is written. No Deployment is written unless all of it
// succeeds. While the stack is suspended nothing is written.
func (r *Reconciler) seal(ctx context.Context, s *scope) error {
	owners, ownership := r.podOwners(ctx, s) // the policy is written even when its owners are not known
	unchanged := r.unchangedPolicies(ctx, s, owners, ownership == nil)
	if !unchanged {
		s.retainDefaultDeny(owners)
	}
	if s.suspended() {
		return ownership
	}
	failures := []error{r.record(ctx, s)}
	s.missing = nil
	if !unchanged {
		kept, failed := r.applyPolicies(ctx, s)
		failures = append(failures, failed...)
		if s.undecided == "" && len(failed) == 0 && ownership == nil {
			r.keepPolicies(s, owners, kept)
		}
	}
	s.policiesInPlace = s.undecided == "" && len(s.missing) == 0
	if s.policiesInPlace {
		failures = append(failures, r.prunePolicies(ctx, s))
	}
	failure := errors.Join(failures...)
	s.sealed = s.policiesInPlace && failure == nil
	return errors.Join(failure, ownership)
}

// applyPolicies writes the policies that differ. It tries all of them.
func (r *Reconciler) applyPolicies(ctx context.Context, s *scope) (kept []apply.Kept, failures []error) {
	for _, policy := range s.policies {
		applied, err := r.applier.Apply(ctx, policy)
		if err != nil {
			failures, s.missing = append(failures, err), append(s.missing, policy.GetName())
			continue
		}
		kept = append(kept, applied.Kept)
		s.noteResult(applied.Result, policy)
	}
	return kept, failures
}

// record keeps the places in a ControllerRevision, and deletes the older ones.
func (r *Reconciler) record(ctx context.Context, s *scope) error {
	if s.undecided != "" {
		return nil
	}
	common := manifests.CommonLabels(s.stack.Name)
	sequence := r.seals.next(s.stack, s.places)
	if sequence == 0 {
		return nil // nothing was ever known
	}
	revision, recorded, err := r.sealIsRecorded(ctx, s, sequence)
	if err != nil {
		return err
	}
	if !recorded {
		revision, err = seal.Revision(s.stack.Name, s.stack.Namespace, common, manifests.OwnerReference(s.stack), s.places, sequence)
		if err != nil {
			return err
		}
		seen, err := r.applier.Record(ctx, revision)
		if err != nil {
			return err
		}
		r.kept.of(s.stack).seal = keptSeal{}
		if seen != nil {
			r.kept.of(s.stack).seal = keptSeal{sequence, revision.Name, versionOf(seen)}
		}
	}
	_, err = r.applier.Prune(ctx, apply.PruneOptions{
		Namespace: s.stack.Namespace, Labels: seal.Labels(common), Owner: s.stack.UID, Wanted: []client.Object{revision},
		Lists: []client.ObjectList{&appsv1.ControllerRevisionList{}},
	})
	return err
}

// prunePolicies deletes policies that no edge needs any longer. A policy only adds to what is permitted, so that its deletion closes what
// the spec no longer opens, also while a reference is broken. Policies of components that the stack no longer runs stay until these are
// deleted.
func (r *Reconciler) prunePolicies(ctx context.Context, s *scope) error {
	deleted, err := r.applier.Prune(ctx, s.policyPruning())
	for _, object := range deleted {
		s.note(eventkind.Deleted, object)
	}
	return err
}

func (s *scope) policyPruning() apply.PruneOptions {
	return apply.PruneOptions{
		Namespace: s.stack.Namespace, Labels: manifests.CommonLabels(s.stack.Name), Owner: s.stack.UID, Wanted: s.policies,
		Lists: []client.ObjectList{&networkingv1.NetworkPolicyList{}},
		Keep: func(policy client.Object) bool {
			return !slices.ContainsFunc(s.graph.Components, func(c graph.Component) bool { return c.Name == componentOf(policy) })
		},
	}
}

// release gives up the places of earlier specs once all Deployments run the pods of their present templates and nothing is held back.
func (r *Reconciler) release(ctx context.Context, s *scope) error {
	if s.suspended() || !s.applied || !s.resolved() || !s.places.Retains() || !s.settled() {
		return nil
	}
	r.desire(s, s.places.Release())
	err := errors.Join(r.tellProber(ctx, s), r.seal(ctx, s))
	s.objects = slices.Concat(s.policies, s.workloads)
	s.applied = s.sealed
	return err
}

// installed reports whether a Deployment of the stack exists. A stack that never ran is built as a whole, or not at all.
func (r *Reconciler) installed(ctx context.Context, s *scope) (bool, error) {
	var list appsv1.DeploymentList
	labels := client.MatchingLabels(manifests.CommonLabels(s.stack.Name))
	if err := r.client.List(ctx, &list, client.InNamespace(s.stack.Namespace), labels); err != nil {
		return false, fmt.Errorf("listing Deployments: %w", err)
	}
	return slices.ContainsFunc(list.Items, func(d appsv1.Deployment) bool { return metav1.IsControlledBy(&d, s.stack) }), nil
}
