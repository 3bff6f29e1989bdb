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

// check refuses references that resolve but must not be used: a store that another stack holds, a login key other than the one that clients
// pinned, an invalid certificate, and settings that the gateway refuses. Meanwhile the children of the last good spec stay.
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
		s.referencesRead = false // a store is used only when it is known to be free
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

// checkLoginKey replaces the problem that the login key's Secret is missing by the problem that the key is lost.
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

// checkSharedStores compares the stack's claims to stores with those of all other stacks.
func (r *Reconciler) checkSharedStores(ctx context.Context, s *scope) error {
	var all v1alpha1.OpenIMStackList
	if err := r.client.List(ctx, &all); err != nil {
		return fmt.Errorf("listing OpenIMStacks to compare their stores: %w", err)
	}
	sharing := r.claims.compare(s.stack, s.facts.Claims, all.Items)
	s.problems = append(s.problems, sharing.Problems...)
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
