package controllers

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/prober"
	"github.com/openimstack/openim-operator/openim"
)

// scope holds what the phases of one reconciliation have found so far.
type scope struct {
	stack *v1alpha1.OpenIMStack
	// facts that the references resolved to. Valid when there are no problems.
	facts openim.Facts
	// referencesRead is true when the references could be read and the checks could be made.
	referencesRead bool
	// problems of references, and settings that the gateway refuses.
	problems, refusals []dependencies.Problem
	// warnings about references that work for now.
	warnings []dependencies.Warning
	// objects are the desired children, policies first.
	objects []client.Object
	// policiesInPlace is true when all policies are as desired.
	policiesInPlace bool
	// applied is true when all objects are as desired.
	applied bool
	// pending changes of a suspended stack.
	pending []string
	// generations of the objects as applied, by kind/name.
	generations map[string]int64
	// deployments that were observed, by component.
	deployments map[string]*appsv1.Deployment
	// assessment of the lockdown, and when it was read from the prober.
	assessment prober.Assessment
	now        time.Time
	// failure is the first error of a phase.
	failure error
}

func (s *scope) suspended() bool { return s.stack.Spec.Suspend != nil && *s.stack.Spec.Suspend }

// resolved reports whether the spec can be built: all references resolve, and all settings are accepted.
func (s *scope) resolved() bool {
	return s.referencesRead && len(s.problems) == 0 && len(s.refusals) == 0
}

// stalled returns the first problem that only a change by the user solves.
func (s *scope) stalled() *dependencies.Problem {
	for _, list := range [][]dependencies.Problem{s.problems, s.refusals} {
		for i := range list {
			if list[i].Stalled {
				return &list[i]
			}
		}
	}
	return nil
}

func (s *scope) fail(err error) {
	if s.failure == nil {
		s.failure = err
	}
}
