package controllers

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/accept"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/outcome"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/openim/pods"
	"github.com/openimstack/openim-operator/openim/settings"
)

// check refuses references that resolve but must not be used: a store that another stack holds, a login key other than the one that clients
// pinned, an invalid certificate, and settings that the gateway refuses. Meanwhile the components that they concern stay as they are.
func (r *Reconciler) check(ctx context.Context, s *scope) error {
	s.problems = s.lostSecrets()
	closed := r.closedReferences(ctx, s)
	problem, warning := dependencies.Certificate(s.stack, s.facts, time.Now())
	if problem != nil {
		s.problems = append(s.problems, *problem)
	}
	if warning != nil {
		s.warnings = append(s.warnings, *warning)
	}
	refusals, failure := r.acceptance.refusals(s.stack)
	elsewhere, unread := r.elsewhere(ctx, s)
	if unread != nil { // a Secret is open to templates only when it is known to be no other's
		s.referencesRead, s.unread, s.podsUnread = false, errors.Join(s.unread, unread), true
	}
	s.refusals, s.unexposed = slices.Concat(settingRefusals(s, elsewhere), refusals), exposureRefusals(s.stack)
	return errors.Join(closed, unread, r.claims.exclusively(func() error {
		if err := r.checkSharedStores(ctx, s); err != nil {
			s.referencesRead, s.unread = false, errors.Join(s.unread, err) // a store is used only when it is known to be free
			s.facts.Locations = dependencies.Unresolved(s.facts.Locations)
			return err
		}
		if failure != nil {
			return outcome.NewTerminal(v1alpha1.ReasonInvalidSpec, failure.Error()) // pure: another attempt fails too
		}
		return r.claimStores(ctx, s)
	}))
}

// closedReferences adds a problem for each field that names a Secret which the operator generated, for this stack or for another one that
// is or was in the namespace. It is told by its labels, or by its controller.
func (r *Reconciler) closedReferences(ctx context.Context, s *scope) error {
	refusals, err := pods.GeneratedReferences(s.stack, func(name string) (bool, error) {
		secret, err := r.secretMetadataOf(ctx, s, types.NamespacedName{Namespace: s.stack.Namespace, Name: name})
		if secret == nil || err != nil {
			return false, err
		}
		owner := metav1.GetControllerOf(secret)
		return secret.Labels[v1alpha1.LabelManagedBy] == v1alpha1.ManagedBy && secret.Labels[v1alpha1.LabelPartOf] == v1alpha1.PartOf ||
			owner != nil && owner.Kind == "OpenIMStack", nil
	})
	if err != nil { // a reference is used only when it is known to be nobody's key
		s.referencesRead, s.unread = false, errors.Join(s.unread, err)
		return err
	}
	for _, refusal := range refusals {
		s.problems = append(s.problems, dependencies.Problem{
			Reason: v1alpha1.ReasonSecretInvalid, Field: refusal.Field, Message: refusal.Why, Stalled: true, // of all components
		})
	}
	return nil
}

// settingRefusals returns what OpenIM's release does not take of the spec's settings, and what is refused of spec.pods. Meanwhile
// every component stays as it is, also those that do not read the setting: a spec with another release must not change some of them alone,
// nor the gateway without the backend. A release that is not supported is a problem of its own.
func settingRefusals(s *scope, elsewhere pods.Elsewhere) []dependencies.Problem {
	var problems []dependencies.Problem
	for _, refusal := range settings.Refusals(s.facts.Settings.Release, s.stack.Spec.Settings) {
		problems = append(problems, dependencies.Problem{
			Reason: refusal.Reason, Field: refusal.Field, Message: refusal.Why, Stalled: true, // of all components
		})
	}
	for _, refusal := range pods.Refusals(s.stack, elsewhere) {
		problems = append(problems, dependencies.Problem{
			Reason: v1alpha1.ReasonPodTemplateRefused, Field: refusal.Field, Message: refusal.Why, Stalled: true,
		})
	}
	for _, refusal := range pods.RefusedScaling(&s.stack.Spec) {
		problems = append(problems, dependencies.Problem{
			Reason: refusal.Reason, Field: refusal.Field, Message: refusal.Why, Stalled: true,
		})
	}
	return problems
}

// claimStores records the claims to the stores that components are about to use. A component that is held uses none of its new ones.
func (r *Reconciler) claimStores(ctx context.Context, s *scope) error {
	if s.suspended() {
		return nil
	}
	if !s.resolved() {
		if installed, err := r.installed(ctx, s); err != nil || !installed {
			return err
		}
	}
	r.claims.use(s.stack, func(c openim.Claim) bool {
		return slices.ContainsFunc(dependencies.Readers(s.stack, c), func(component string) bool { return !s.held(component) })
	})
	return nil
}

// lostSecrets puts the problems of lost Secrets first. They replace the problems that these Secrets do not exist.
func (s *scope) lostSecrets() []dependencies.Problem {
	lost := slices.Clone(s.lost)
	if problem := dependencies.LoginKey(s.stack, s.facts, s.problems, s.loginKeysGivenUp); problem != nil &&
		!slices.ContainsFunc(lost, func(p dependencies.Problem) bool { return p.Secret == problem.Secret }) {
		lost = append(lost, *problem)
	}
	rest := slices.DeleteFunc(slices.Clone(s.problems), func(p dependencies.Problem) bool {
		return p.Secret != "" && slices.ContainsFunc(lost, func(l dependencies.Problem) bool { return l.Secret == p.Secret })
	})
	return append(lost, rest...)
}

// checkSharedStores compares the stack's claims to stores with those of all other stacks.
func (r *Reconciler) checkSharedStores(ctx context.Context, s *scope) error {
	all, err := r.allStacks(ctx)
	if err != nil {
		return fmt.Errorf("listing OpenIMStacks to compare their stores: %w", err)
	}
	sharing := r.claims.compare(s.stack, s.facts.Claims, all)
	s.problems = append(s.problems, sharing.Problems...)
	s.facts.Locations = dependencies.Refuse(s.stack, s.facts.Locations, sharing.Refused)
	s.warnings = append(s.warnings, sharing.Warnings...)
	return nil
}

// acceptance caches what the gateway's code refuses in each stack's hot.yaml, so that rules are compiled once for each change.
type acceptance struct {
	mutex   sync.Mutex
	byStack map[types.NamespacedName]accepted
}

type accepted struct {
	sum      [sha256.Size]byte
	refusals []dependencies.Problem
}

func newAcceptance() *acceptance { return &acceptance{byStack: map[types.NamespacedName]accepted{}} }

func (a *acceptance) refusals(stack *v1alpha1.OpenIMStack) ([]dependencies.Problem, error) {
	text, err := manifests.Hot(stack)
	if err != nil || text == nil {
		return nil, err
	}
	a.mutex.Lock()
	defer a.mutex.Unlock()
	key, sum := client.ObjectKeyFromObject(stack), sha256.Sum256(text)
	if known, ok := a.byStack[key]; ok && known.sum == sum {
		return known.refusals, nil
	}
	var refusals []dependencies.Problem
	for _, refusal := range accept.Hot(text) {
		refusals = append(refusals, dependencies.Problem{
			Reason: v1alpha1.ReasonSettingRefused, Field: refusal.Field, Message: refusal.Why, Stalled: true,
			Components: []string{v1alpha1.ComponentGateway},
		})
	}
	a.byStack[key] = accepted{sum, refusals}
	return refusals, nil
}

func (a *acceptance) forget(stack types.NamespacedName) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	delete(a.byStack, stack)
}
