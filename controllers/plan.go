package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/observe"
	"github.com/openimstack/openim-operator/controllers/outcome"
	"github.com/openimstack/openim-operator/controllers/revision"
	"github.com/openimstack/openim-operator/controllers/rollout"
	"github.com/openimstack/openim-operator/netpol/graph"
)

// crashes is the number of restarts after which a container that ends again and again fails its wave.
const crashes = 3

// plan decides which revision each component is built from, and writes the state of the rollout before anything is done about it.
func (r *Reconciler) plan(ctx context.Context, s *scope) error {
	key := client.ObjectKeyFromObject(s.stack)
	if s.wanted == "" {
		r.slots.Release(key)
		return nil
	}
	s.now = r.pacer.now()
	input, wrong := s.input()
	if err := r.findUncheckable(ctx, s, &input); err != nil {
		return err
	}
	input.Slot = r.slots.Holds(key)
	plan := rollout.Next(input)
	if plan.NeedsSlot {
		moving, err := r.moving(ctx)
		if err != nil {
			return err
		}
		if input.Slot = r.slots.Acquire(key, moving); input.Slot {
			plan = rollout.Next(input)
		}
	}
	if rollout.Moving(plan.State.Rollout) && plan.State.Current != "" && !s.suspended() {
		r.slots.Acquire(key, []types.NamespacedName{key}) // a rollout of an earlier process
	} else {
		r.slots.Release(key)
	}
	if err := r.markRolledOut(ctx, s, plan.State.Current); err != nil {
		return err
	}
	s.urgent = s.checkIsStuck(plan)
	if err := r.writeState(ctx, s, plan); err != nil {
		return err
	}
	s.planned = &plan
	if wrong != nil {
		return outcome.NewTerminal(v1alpha1.ReasonInvalidSpec, wrong.Error())
	}
	return nil
}

// input returns what the planner decides from. The error reports parts of the spec that the planner does without.
func (s *scope) input() (rollout.Input, error) {
	policy, err := rollout.PolicyOf(s.stack.Spec.Upgrade)
	input := rollout.Input{
		State: rollout.State{
			Current: s.stack.Status.CurrentRevision, Rollout: s.stack.Status.Rollout, RetryAnswered: s.answered().RetryRollout,
		},
		Wanted: s.wanted, Observed: map[string]rollout.Observation{}, Policy: policy,
		Suspended: s.suspended(), Blocked: !s.sealed, Retry: s.requestOf(v1alpha1.AnnotationRetryRollout), Now: s.now,
	}
	input.Policy.Check = graph.CheckOf(s.stack) != v1alpha1.CheckNone
	input.Check = s.checked()
	for _, h := range s.history {
		input.Revisions = append(input.Revisions, h.Revision)
	}
	for _, c := range graph.DeploymentsOf(s.stack) {
		input.Components = append(input.Components, rollout.Component{Name: c.Name, Wave: c.Wave})
		input.Observed[c.Name] = s.observation(c.Name)
	}
	return input, err
}

// observation converts the state of a component for the planner. Only pods of the present template count, so that a broken stack can be
// repaired.
func (s *scope) observation(component string) rollout.Observation {
	d := s.deployments[component]
	o := rollout.Observation{Revision: s.revisionOf(component)}
	if d == nil {
		return o
	}
	generation := s.generations["Deployment/"+d.Name]
	c := observe.Deployment(component, d, generation, observe.OfTemplate(d, s.pods), s.now)
	o.Complete, o.Reason, o.Message, o.Since, o.Class = c.Complete, c.Reason, c.Message, c.Since, rollout.Class(c.Class)
	o.Failed = c.Lasting && (c.Reason != v1alpha1.ReasonCrashLoop || c.Restarts >= crashes)
	if refused, ok := s.refused[component]; ok {
		o.Refused, o.Complete, o.Reason, o.Message = true, false, refused.Reason, refused.Message
	}
	return o
}

// revisionOf returns the name of the revision that a component's Deployment was built from. The Deployment of an operator without revisions
// names none: it is the one whose template has the same hash. When the Deployment is gone, the status knows.
func (s *scope) revisionOf(component string) string {
	d := s.deployments[component]
	if d == nil {
		i := slices.IndexFunc(s.stack.Status.Processes, func(p v1alpha1.ProcessStatus) bool { return p.Name == component })
		if i < 0 {
			return ""
		}
		return s.stack.Status.Processes[i].Revision
	}
	if name := d.Annotations[v1alpha1.AnnotationRevision]; name != "" {
		return name
	}
	hash, err := revision.LiveHash(d.Spec.Template)
	if err != nil {
		return ""
	}
	i := slices.IndexFunc(s.history, func(h runRevision) bool { return h.Hashes[component] == hash })
	if i < 0 {
		return ""
	}
	return s.history[i].Name
}

// moving returns the stacks whose status says that a rollout is under way.
func (r *Reconciler) moving(ctx context.Context) ([]types.NamespacedName, error) {
	all, err := r.allStacks(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing OpenIMStacks to count their rollouts: %w", err)
	}
	var moving []types.NamespacedName
	for _, stack := range all {
		suspended := stack.Spec.Suspend != nil && *stack.Spec.Suspend
		installs := stack.Status.CurrentRevision == "" // a first installation has nothing to protect
		if rollout.Moving(stack.Status.Rollout) && !installs && !suspended && stack.DeletionTimestamp.IsZero() {
			moving = append(moving, client.ObjectKeyFromObject(stack))
		}
	}
	return moving, nil
}

// markRolledOut marks the revision to which a rollout was completed, so that a lost status can be restored.
func (r *Reconciler) markRolledOut(ctx context.Context, s *scope, current string) error {
	i := slices.IndexFunc(s.history, func(h runRevision) bool { return h.Name == current && !h.RolledOut })
	if i < 0 || s.suspended() {
		return nil
	}
	key := types.NamespacedName{Namespace: s.stack.Namespace, Name: current}
	if err := r.applier.UpdateRevision(ctx, s.stack.UID, s.history[i].uid, key, 0, rolledOut(true)); err != nil {
		return err
	}
	s.history[i].RolledOut = true
	return nil
}

// writeState writes the state of the rollout to the status when it is another one.
func (r *Reconciler) writeState(ctx context.Context, s *scope, plan rollout.Plan) error {
	before := s.stack.DeepCopy()
	s.setState(plan)
	if equality.Semantic.DeepEqual(before.Status, s.stack.Status) {
		return nil
	}
	// The answer may have a newer spec, which nothing of this reconciliation was decided from.
	written := s.stack.DeepCopy()
	if err := r.client.Status().Patch(ctx, written, client.MergeFrom(before), client.FieldOwner(FieldOwner)); err != nil {
		s.stack.Status = before.Status // nothing may be done about a state that was not written
		return fmt.Errorf("writing the rollout to the status: %w", err)
	}
	r.tellUnchecked(s, plan)
	return r.applier.Wrote(s.stack.UID, written)
}

// setState sets the fields of the status that the planner decides.
func (s *scope) setState(plan rollout.Plan) {
	status := &s.stack.Status
	status.CurrentRevision, status.Rollout = plan.State.Current, plan.State.Rollout
	if s.suspended() {
		return // the wanted revision is not written yet, and requests are not answered
	}
	status.UpdateRevision = s.wanted
	requests := v1alpha1.Requests{
		RetryRollout: plan.State.RetryAnswered, Update: s.answered().Update, RotateShareSecret: s.answered().RotateShareSecret,
	}
	if s.rotated != "" && s.facts.ShareSecret.Name == v1alpha1.ChildName(s.stack.Name, s.shareSuffix) {
		requests.RotateShareSecret = s.rotated
	}
	if s.revised {
		requests.Update = s.requestOf(v1alpha1.AnnotationUpdate)
	}
	status.Requests = nil
	if requests != (v1alpha1.Requests{}) {
		status.Requests = &requests
	}
	if s.rotated != "" {
		status.GeneratedSecrets = s.recorded() // a request that is answered by a Secret which nobody knows would be undone
	}
}

// replan records at once that the API server refused a template.
func (r *Reconciler) replan(ctx context.Context, s *scope) error {
	if s.planned == nil || len(s.refused) == 0 || !rollout.Moving(s.planned.State.Rollout) {
		return nil
	}
	input, _ := s.input()
	input.Slot = true
	plan := rollout.Next(input)
	if !plan.Moving() {
		r.slots.Release(client.ObjectKeyFromObject(s.stack))
	}
	s.planned = &plan
	return r.writeState(ctx, s, plan)
}

// keptRevisions returns the names of the revisions that are in use: by the status, by Deployments or by pods.
func (s *scope) keptRevisions() map[string]bool {
	kept := map[string]bool{s.wanted: true}
	for _, name := range s.namedRevisions() {
		kept[name] = true
	}
	for _, d := range s.deployments {
		kept[d.Annotations[v1alpha1.AnnotationRevision]] = true
	}
	// Of several revisions with a pod's template one is enough: the gateway's is the same in most.
	hashes := map[string]bool{}
	for _, pod := range s.pods {
		hashes[pod.Annotations[v1alpha1.AnnotationTemplate]] = true
	}
	for _, h := range s.history {
		if kept[h.Name] {
			covered(hashes, h)
		}
	}
	for _, h := range s.history { // the newest first
		if covered(hashes, h) {
			kept[h.Name] = true
		}
	}
	return kept
}

// covered removes the templates that a revision has, and reports whether there was one.
func covered(hashes map[string]bool, h runRevision) bool {
	before := len(hashes)
	for _, hash := range h.Hashes {
		delete(hashes, hash)
	}
	return len(hashes) < before
}

// surplusRuns returns the run revisions to delete.
func (s *scope) surplusRuns() []string {
	var all []revision.Stored
	for _, h := range s.history {
		all = append(all, revision.Stored{Name: h.Name})
	}
	return revision.Surplus(all, s.keptRevisions())
}

func splitNames(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

// maxRepeated is the longest value of an annotation that the status repeats.
const maxRepeated = 128

func bounded(value string) string {
	for len(value) > maxRepeated {
		_, size := utf8.DecodeLastRuneInString(value)
		value = value[:len(value)-size]
	}
	return value
}

// requestOf returns the value of an annotation of the stack that requests something.
func (s *scope) requestOf(annotation string) string { return bounded(s.stack.Annotations[annotation]) }

// namedRevisions returns the names of the run revisions that the status names.
func (s *scope) namedRevisions() []string {
	status := s.stack.Status
	names := append(rollout.State{Current: status.CurrentRevision, Rollout: status.Rollout}.Kept(), status.UpdateRevision)
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool { return name == "" })
}
