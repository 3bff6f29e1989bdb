package controllers

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/outcome"
	"github.com/openimstack/openim-operator/controllers/revision"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim/pods"
)

// refusedRun is a run revision whose Deployments the API server refused in a dry run.
type refusedRun struct {
	name     string
	problems []dependencies.Problem
	// request that the revision answers, and the names of its history. They are not rendered again before until.
	request revision.Request
	history []string
	// failed is how often in a row the revision was refused.
	failed int
	// until is when the API server is asked again: a webhook may have been corrected without a change of the spec.
	until time.Time
}

// templateFaults are the reasons for which the text of a template is to blame. Others, such as a quota, a missing right or a Deployment of
// another owner, hold for the Deployment without the templates too: its write tells them.
var templateFaults = []string{outcome.ReasonInvalid, outcome.ReasonRefusedByAdmission, outcome.ReasonTooLarge}

// answers reports whether the revision is refused for the same request, and not to be tried again yet.
func (f *refusedRun) answers(request revision.Request, history []string, now time.Time) bool {
	return f != nil && len(f.problems) > 0 && now.Before(f.until) && slices.Equal(f.history, history) &&
		reflect.DeepEqual(f.request, request)
}

// tryTemplates sends each Deployment of a new run revision as a dry run, before the revision is recorded and any Deployment is written, and
// reports whether all were taken. It does so only when the templates of spec.pods differ from those of the revision that the stack wanted
// last: nothing else of a Deployment is the user's own text. What is refused is added to the refusals, and every component stays as it is.
// It is tried again, later each time.
func (r *Reconciler) tryTemplates(ctx context.Context, s *scope, answer *proposed, d revision.Data, last *revision.Data) (bool, error) {
	name := answer.name
	if s.suspended() || s.hasRun(name) || len(pods.Layers(s.stack.Spec.Pods)) == 0 {
		return true, nil
	}
	if last != nil && reflect.DeepEqual(pods.Layers(last.Inputs.Spec.Pods), pods.Layers(s.stack.Spec.Pods)) {
		return true, nil
	}
	known := r.runs.of(s.stack)
	if known.refused == nil || known.refused.name != name || !r.pacer.now().Before(known.refused.until) {
		problems, err := r.dryRun(ctx, s, name, d)
		if err != nil && len(problems) == 0 {
			if known.refused != nil && known.refused.name == name { // what was said before holds until something else is known
				s.refuseTemplates(known.refused.problems)
			}
			return false, err
		}
		failed := 1
		if known.refused != nil && known.refused.name == name {
			failed = known.refused.failed + 1
		}
		known.refused = &refusedRun{name: name, problems: problems, failed: failed, until: r.pacer.now().Add(r.pacer.retry(failed))}
	}
	known.refused.request, known.refused.history = answer.request, answer.history
	s.refuseTemplates(known.refused.problems)
	return !s.templatesInvalid, nil
}

// refuseTemplates adds what a dry run refused to the refusals.
func (s *scope) refuseTemplates(problems []dependencies.Problem) {
	s.refusals = append(s.refusals, problems...)
	s.templatesInvalid = len(problems) > 0
}

// dryRun returns what the API server, or an admission webhook or policy, refuses of the Deployments of a run revision. The error is what
// hindered some of the dry runs; it says nothing against the templates.
func (r *Reconciler) dryRun(ctx context.Context, s *scope, name string, d revision.Data) ([]dependencies.Problem, error) {
	var problems []dependencies.Problem
	var failures []error
	for _, c := range graph.DeploymentsOf(s.stack) {
		if _, ok := d.Components[c.Name]; !ok {
			continue
		}
		for _, object := range s.workload(c.Name, d, name) {
			if _, deployment := object.(*appsv1.Deployment); !deployment {
				continue
			}
			err := r.applier.Try(ctx, object)
			fault := outcome.Worst(outcome.Of(err))
			switch {
			case err == nil:
			case fault == nil || fault.Kind != outcome.Terminal:
				failures = append(failures, err)
			case slices.Contains(templateFaults, fault.Reason):
				problems = append(problems, dependencies.Problem{
					Reason: v1alpha1.ReasonPodTemplateInvalid, Field: "spec.pods", Stalled: true,
					Message: fmt.Sprintf("with its templates, %s is refused: %s", c.Name, fault.Message),
				})
			}
		}
	}
	return problems, errors.Join(failures...)
}
