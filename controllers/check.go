package controllers

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/accept"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/manifests"
)

// check looks at what resolves and yet will not do: a store that another stack has, a login key that is not the one which clients know, a
// certificate that is none, rules that the gateway would not take. The children of the last good spec stay meanwhile.
func (r *Reconciler) check(ctx context.Context, s *scope) error {
	if !s.referencesRead {
		return nil
	}
	s.problems = r.checkLoginKey(s)
	problem, warning := dependencies.Certificate(s.stack, s.facts, time.Now())
	if problem != nil {
		s.problems = append(s.problems, *problem)
	}
	if warning != nil {
		s.warnings = append(s.warnings, *warning)
	}
	if err := r.checkSharedStores(ctx, s); err != nil {
		s.referencesRead = false // what is not known to be free is not taken
		return err
	}
	refusals, err := r.acceptance.refusals(s.stack)
	if err != nil {
		return err
	}
	s.refusals = refusals
	if s.resolved() && !s.suspended() {
		r.claims.record(s.stack, false)
	}
	return nil
}

// checkLoginKey puts the loss of the login key in the place of the sentence that its Secret is missing.
func (r *Reconciler) checkLoginKey(s *scope) []dependencies.Problem {
	problem := dependencies.LoginKey(s.stack, s.facts, s.problems)
	if problem == nil {
		return s.problems
	}
	name := v1alpha1.ChildName(s.stack.Name, v1alpha1.SuffixLogin)
	if own := s.stack.Spec.Wrapper.Auth.Users.ServerKeys; own != nil {
		name = own.SecretRef.Name
	}
	rest := slices.DeleteFunc(slices.Clone(s.problems), func(p dependencies.Problem) bool { return p.Secret == name })
	return append([]dependencies.Problem{*problem}, rest...)
}

// checkSharedStores looks for other stacks in the same stores.
func (r *Reconciler) checkSharedStores(ctx context.Context, s *scope) error {
	var all v1alpha1.OpenIMStackList
	if err := r.client.List(ctx, &all); err != nil {
		return fmt.Errorf("listing OpenIMStacks, which may be in the same stores: %w", err)
	}
	sharing := r.claims.compare(s.stack, s.facts.Claims, all.Items)
	s.problems = append(s.problems, sharing.Problems...)
	s.warnings = append(s.warnings, sharing.Warnings...)
	return nil
}

// acceptance remembers what the gateway's code said of each stack's hot.yaml: rules are compiled once for each change of them.
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
