package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/apply"
	"github.com/openimstack/openim-operator/controllers/eventkind"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/outcome"
	"github.com/openimstack/openim-operator/controllers/revision"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
)

// run computes the other children and writes those that differ. Services, ServiceAccounts, disruption budgets and the gateway's hot file
// follow the newest spec as far as it is accepted; each Deployment is built from the revision that is assigned to it. Without the policies
// no Deployment is written. A stack that never ran is not made in parts.
func (r *Reconciler) run(ctx context.Context, s *scope) error {
	s.objects = s.policies
	if s.planned == nil && (s.foreign || len(s.deployments) == 0) {
		return nil
	}
	unchanged := r.unchangedWorkloads(ctx, s)
	var failure error
	if !unchanged {
		others, err := r.others(ctx, s)
		if err != nil {
			return err
		}
		failure = r.makeWorkloads(ctx, s, others)
	}
	s.objects = slices.Concat(s.policies, s.workloads)
	if s.suspended() {
		return failure
	}
	if !unchanged {
		kept, unwritten := r.apply(ctx, s)
		if failure = errors.Join(failure, unwritten); failure == nil {
			r.keepWorkloads(s, kept)
		}
	}
	err := errors.Join(failure, r.endCheck(ctx, s))
	err = errors.Join(err, r.replan(ctx, s))
	s.applied = s.sealed && s.planned != nil && err == nil
	return err
}

// makeWorkloads makes the workloads of the scope. Those that could be made are there also when it fails.
func (r *Reconciler) makeWorkloads(ctx context.Context, s *scope, others []client.Object) error {
	deployments, err := r.assigned(ctx, s)
	s.workloads = slices.Concat(r.keepHot(s, others), s.exposures(deployments), deployments)
	return err
}

// keepHot adds the gateway's hot file as it was accepted last, as far as this process knows it, while the gateway's settings are refused.
func (r *Reconciler) keepHot(s *scope, others []client.Object) []client.Object {
	const gateway = v1alpha1.ComponentGateway
	if s.heldHot() {
		return append(others, r.lastHot.get(s.stack, gateway)...)
	}
	var hot []client.Object
	for _, object := range others {
		if _, config := object.(*corev1.ConfigMap); config {
			hot = append(hot, object)
		}
	}
	r.lastHot.set(s.stack, gateway, hot)
	return others
}

// assigned returns the ConfigMaps and Deployments of all components that are assigned to a revision.
func (r *Reconciler) assigned(ctx context.Context, s *scope) ([]client.Object, error) {
	if s.planned == nil {
		return nil, nil
	}
	var objects []client.Object
	var failures []error
	used := map[string]bool{s.wanted: true} // its hashes are compared in each reconciliation
	for _, c := range graph.DeploymentsOf(s.stack) {
		name := s.planned.Assignments[c.Name]
		if name == "" {
			failures = append(failures, s.lostRevision(c.Name))
			continue
		}
		used[name] = true
		d, err := r.runData(ctx, s, name)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		objects = append(objects, s.workload(c.Name, d, name)...)
	}
	checks, err := r.checkOf(ctx, s)
	if err != nil {
		failures = append(failures, err)
	}
	if len(checks) > 0 {
		used[s.planned.State.Rollout.To] = true
	}
	r.runs.of(s.stack).keepData(used)
	return append(objects, checks...), errors.Join(failures...)
}

func (s *scope) workload(component string, d revision.Data, name string) []client.Object {
	stored := d.Components[component]
	rendered := manifests.Rendered{
		Template: *stored.Template.DeepCopy(), ConfigMaps: map[string]map[string]string{},
		Recreate: s.recreates(component, &stored.Template), Scaled: s.autoscaled[v1alpha1.ChildName(s.stack.Name, component)],
	}
	for _, configMap := range stored.ConfigMaps {
		rendered.ConfigMaps[configMap] = d.ConfigMap(configMap)
	}
	return manifests.Workload(s.stack, component, rendered, name)
}

// recreates reports whether the old pods of a component go before the new ones come: those of openim-rpc-auth with another share.secret.
// Two processes with two values would refuse each other's tokens, so that calls fail at random. It stays so until the new pods are there.
func (s *scope) recreates(component string, wanted *corev1.PodTemplateSpec) bool {
	d := s.deployments[component]
	if d == nil || component != string(openim.RPCAuth) {
		return false
	}
	under := d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType && !s.observation(component).Complete
	return under || manifests.ShareSecretOf(&wanted.Spec) != manifests.ShareSecretOf(&d.Spec.Template.Spec)
}

// lostRevision reports a component whose revision was deleted and that is left alone, because nothing else tells what its pods are made
// from. A component that its rollout has not reached yet is none.
func (s *scope) lostRevision(component string) error {
	name := s.revisionOf(component)
	if name == "" || s.hasRun(name) {
		return nil
	}
	return outcome.NewTerminal(v1alpha1.ReasonRevisionLost, fmt.Sprintf(
		"%s was built from ControllerRevision %s, which is gone and cannot be made again: restore it, or let the rollout replace it",
		component, name))
}

// apply writes the children that differ, in order.
func (r *Reconciler) apply(ctx context.Context, s *scope) ([]apply.Kept, error) {
	var failures []error
	var kept []apply.Kept
	for _, object := range s.workloads {
		_, deployment := object.(*appsv1.Deployment)
		if deployment && !s.sealed {
			continue
		}
		result, err := r.applier.Apply(ctx, object)
		if err != nil {
			failures = append(failures, err)
			if deployment {
				s.refuse(componentOf(object), err)
			}
			continue
		}
		kept = append(kept, result.Kept)
		s.generations[kindOf(object)+"/"+object.GetName()] = result.Generation
		s.noteResult(result.Result, object)
	}
	return kept, errors.Join(failures...)
}

// refuse notes that the API server refused a Deployment for a reason that waiting does not end.
func (s *scope) refuse(component string, err error) {
	if fault := outcome.Worst(outcome.Of(err)); fault != nil && fault.Kind == outcome.Terminal {
		if s.refused == nil {
			s.refused = map[string]*outcome.Fault{}
		}
		s.refused[component] = fault
	}
}

// pruneRuns deletes run revisions that are no longer in use.
func (r *Reconciler) pruneRuns(ctx context.Context, s *scope) error {
	surplus := s.surplusRuns()
	if len(surplus) == 0 {
		return nil
	}
	deleted, err := r.applier.Prune(ctx, apply.PruneOptions{
		Namespace: s.stack.Namespace, Labels: revision.Labels(manifests.CommonLabels(s.stack.Name)), Owner: s.stack.UID,
		Lists: []client.ObjectList{&appsv1.ControllerRevisionList{}},
		Keep:  func(object client.Object) bool { return !slices.Contains(surplus, object.GetName()) },
	})
	for _, object := range deleted {
		s.note(eventkind.Deleted, object)
	}
	return err
}

// keepsRun reports whether a ConfigMap belongs to a run revision that is kept, or a Deployment to a component that the spec has.
func (s *scope) keepsRun(object client.Object) bool {
	switch object.(type) {
	case *appsv1.Deployment:
		return slices.ContainsFunc(graph.DeploymentsOf(s.stack), func(c graph.Component) bool { return c.Name == componentOf(object) })
	case *corev1.ConfigMap:
		if !s.atRest() && strings.HasSuffix(object.GetName(), manifests.HotSuffix) {
			return true // the gateway of the way back may mount it
		}
		surplus := s.surplusRuns()
		return slices.ContainsFunc(s.history, func(h runRevision) bool {
			return !slices.Contains(surplus, h.Name) && slices.Contains(h.configMaps, object.GetName())
		})
	default:
		return false
	}
}

// isPolicy reports whether a pending change is one of a policy.
func isPolicy(pending string) bool { return strings.HasPrefix(pending, "NetworkPolicy/") }
