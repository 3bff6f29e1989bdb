package controllers

import (
	"context"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/apply"
	"github.com/openimstack/openim-operator/controllers/eventkind"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/observe"
	"github.com/openimstack/openim-operator/controllers/outcome"
	"github.com/openimstack/openim-operator/controllers/revision"
	"github.com/openimstack/openim-operator/controllers/rollout"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
)

// checked returns what is known of the check of OpenIM that the planner asked for.
func (s *scope) checked() rollout.CheckObservation {
	if fault, ok := s.refused[v1alpha1.ComponentCheck]; ok && s.planned != nil {
		return rollout.CheckObservation{Run: s.planned.Check, Refused: fault.Reason, Message: fault.Message}
	}
	state := observe.Check(s.checking, s.pods)
	return rollout.CheckObservation{Run: state.Run, Passed: state.Passed, Failed: state.Failed, Message: state.Message}
}

// checkIsStuck reports whether the plan is the first that says why the pod of the check does not run.
func (s *scope) checkIsStuck(plan rollout.Plan) bool {
	if plan.Check == "" || plan.State.Rollout.Check.Message == "" {
		return false
	}
	before := s.stack.Status.Rollout
	return before == nil || before.Check == nil || before.Check.Message == ""
}

// tellUnchecked records an event when checks stop deciding about a rollout: it goes on or is over, and no condition gets another reason.
func (r *Reconciler) tellUnchecked(s *scope, plan rollout.Plan) {
	u := plan.Unchecked
	if u == nil {
		return
	}
	kind := eventkind.CheckFailed
	if u.Check.State == v1alpha1.CheckSkipped {
		kind = eventkind.CheckSkipped
	}
	text := strings.TrimPrefix(unchecked(u), "; ")
	r.event(s, nil, kind, u.To+": "+text)
}

// checkInputs returns what the check of a revision is made from: what its backend is made from, which is older than the revision while a
// reference of the backend does not resolve. Why is not empty when the revision cannot be checked.
func checkInputs(stack *v1alpha1.OpenIMStack, d revision.Data) (inputs revision.Inputs, why string) {
	backend, ok := d.Components[v1alpha1.ComponentBackend]
	if !ok {
		return inputs, "it has no backend that could check it"
	}
	inputs = d.InputsOf(backend)
	if graph.CheckOf(checkedStack(stack, inputs)) == v1alpha1.CheckNone {
		return inputs, "the spec of its backend has no check"
	}
	return inputs, ""
}

// findUncheckable tells the planner that the check under way cannot be made.
func (r *Reconciler) findUncheckable(ctx context.Context, s *scope, input *rollout.Input) error {
	to := input.State.Checking()
	if to == "" || !s.hasRun(to) {
		return nil
	}
	d, err := r.runData(ctx, s, to)
	if err != nil {
		return err
	}
	if _, why := checkInputs(s.stack, d); why != "" {
		input.Check = rollout.CheckObservation{Run: input.State.CheckRun(), Impossible: true, Message: why}
	}
	return nil
}

// checkedStack returns the stack as a check sees it: the spec of its inputs, with as much checked as the newest spec wants.
func checkedStack(stack *v1alpha1.OpenIMStack, inputs revision.Inputs) *v1alpha1.OpenIMStack {
	of := stack.DeepCopy()
	of.Spec = *inputs.Spec.DeepCopy()
	of.Spec.Upgrade = &v1alpha1.Upgrade{Check: graph.CheckOf(stack)}
	return of
}

// checkOf returns the objects of the check that the planner asks for, none when it asks for none. The check has the image and the settings
// of the backend that the rollout goes to, and asks for what the release has that the api runs now: a release may have routes that the one
// before lacks.
func (r *Reconciler) checkOf(ctx context.Context, s *scope) ([]client.Object, error) {
	if s.planned == nil || s.planned.Check == "" {
		return nil, nil
	}
	d, err := r.runData(ctx, s, s.planned.State.Rollout.To)
	if err != nil {
		return nil, err
	}
	inputs, why := checkInputs(s.stack, d)
	if why != "" {
		return nil, nil // findUncheckable tells the planner
	}
	options := manifests.CheckOptions{
		Run: s.planned.Check, Image: inputs.Images.Wrapper, Release: d.Inputs.Facts.Settings.Release.Tag,
		Socket: s.stack.Spec.Wrapper.Auth.Users != nil,
	}
	if i := slices.IndexFunc(s.history, func(h runRevision) bool { return h.Name == s.revisionOf(string(openim.API)) }); i >= 0 {
		options.Release = s.history[i].Release.Tag
	}
	objects, err := manifests.Check(checkedStack(s.stack, inputs), inputs.Facts, options)
	if err != nil {
		return nil, outcome.NewTerminal(v1alpha1.ReasonInvalidSpec, err.Error()) // pure: another attempt fails too
	}
	return objects, nil
}

// endCheck deletes the Deployment of a check that the planner does not ask for: it holds share.secret, and would check again and again.
func (r *Reconciler) endCheck(ctx context.Context, s *scope) error {
	if s.checking == nil || s.suspended() || s.planned == nil || s.planned.Check != "" {
		return nil
	}
	_, err := r.applier.Prune(ctx, apply.PruneOptions{
		Namespace: s.stack.Namespace, Labels: manifests.CommonLabels(s.stack.Name), Owner: s.stack.UID,
		Lists: []client.ObjectList{&appsv1.DeploymentList{}},
		Keep:  func(o client.Object) bool { return componentOf(o) != v1alpha1.ComponentCheck },
	})
	return err
}
