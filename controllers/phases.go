package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/apply"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/netpol/graph"
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
		{"tell the prober", r.tellProber},
		{"build", r.build},
		{"retain the default deny policy", r.retainDefaultDeny},
		{"apply", r.apply},
		{"observe", r.observe},
		{"prune", r.prune},
		{"list pending changes", r.listPending},
	}
}

// generateSecrets creates the Secrets that users need not provide: OpenIM's share.secret unless the spec names one, the key that signs
// assertions between gateway and backend, and, when users may log in, the static key of the login unless the spec names keys, and the
// custody key under which the backend encrypts OpenIM's tokens.
//
// Clients pin the login key. No second key is generated unless the user has given up the first, and its Secret has no owner, so that it
// survives the deletion of the stack.
func (r *Reconciler) generateSecrets(ctx context.Context, s *scope) error {
	for _, g := range generated(s.stack) {
		meta := metav1.ObjectMeta{
			Name: v1alpha1.ChildName(s.stack.Name, g.suffix), Namespace: s.stack.Namespace, Labels: manifests.CommonLabels(s.stack.Name),
		}
		if g.suffix != v1alpha1.SuffixLogin {
			meta.OwnerReferences = []metav1.OwnerReference{manifests.OwnerReference(s.stack)}
		}
		if s.suspended() {
			exists, err := r.applier.Exists(ctx, types.NamespacedName{Namespace: meta.Namespace, Name: meta.Name})
			if err != nil {
				return err
			}
			if !exists {
				s.pending = append(s.pending, "Secret/"+meta.Name)
			}
			continue
		}
		immutable := g.suffix != v1alpha1.SuffixCustody // the custody key is rotated in place (docs/token-vault.md)
		result, err := r.applier.GenerateSecret(ctx, meta, g.key, immutable)
		if err != nil {
			return err
		}
		if result == apply.Created {
			r.event(s, &corev1.Secret{ObjectMeta: meta}, "Created", "Secret "+meta.Name)
		}
	}
	return nil
}

type generatedSecret struct{ suffix, key string }

func generated(stack *v1alpha1.OpenIMStack) []generatedSecret {
	var secrets []generatedSecret
	if stack.Spec.Wrapper.ExternalRef == nil {
		secrets = append(secrets, generatedSecret{v1alpha1.SuffixAssertionKey, v1alpha1.KeyAssertionKey})
	}
	if stack.Spec.SecretRef == nil {
		secrets = append(secrets, generatedSecret{v1alpha1.SuffixShareSecret, v1alpha1.KeyShareSecret})
	}
	if users := stack.Spec.Wrapper.Auth.Users; users != nil {
		secrets = append(secrets, generatedSecret{v1alpha1.SuffixCustody, v1alpha1.KeyCustody})
		if users.ServerKeys == nil && dependencies.MayGenerateLoginKey(stack) {
			secrets = append(secrets, generatedSecret{v1alpha1.SuffixLogin, v1alpha1.KeyLogin})
		}
	}
	return secrets
}

func (r *Reconciler) resolve(ctx context.Context, s *scope) error {
	facts, problems, err := dependencies.Resolve(ctx, r.live, s.stack)
	if err != nil {
		return err
	}
	s.facts, s.problems, s.referencesRead = facts, problems, true
	r.references.set(client.ObjectKeyFromObject(s.stack), facts.Secrets, facts.Services)
	return nil
}

// tellProber passes the stack's graph and its unresolved references to the prober.
func (r *Reconciler) tellProber(_ context.Context, s *scope) error {
	if !s.referencesRead {
		return nil
	}
	var problems []string
	for _, p := range slices.Concat(s.problems, s.refusals) {
		problems = append(problems, p.String())
	}
	r.prober.Intend(client.ObjectKeyFromObject(s.stack), graph.New(s.stack, s.facts), problems)
	return nil
}

// build computes the desired children. While a reference is broken, the children of the last good spec stay desired.
func (r *Reconciler) build(_ context.Context, s *scope) error {
	if !s.resolved() {
		s.objects = r.lastGood.get(s.stack)
		return nil
	}
	objects, err := manifests.Build(s.stack, s.facts, r.options)
	if err != nil {
		return err
	}
	s.objects = objects
	r.lastGood.set(s.stack, objects)
	return nil
}

// apply writes the children that differ, in order. No Deployment is written before all policies are in place.
func (r *Reconciler) apply(ctx context.Context, s *scope) error {
	if s.suspended() || len(s.objects) == 0 {
		return nil
	}
	var failures []error
	for _, object := range s.objects {
		_, policy := object.(*networkingv1.NetworkPolicy)
		if !policy && len(failures) == 0 {
			s.policiesInPlace = true
		}
		if !policy && !s.policiesInPlace {
			break
		}
		outcome, err := r.applier.Apply(ctx, object)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		s.generations[kindOf(object)+"/"+object.GetName()] = outcome.Generation
		if outcome.Result == apply.Created {
			r.event(s, object, "Created", kindOf(object)+" "+object.GetName())
		}
	}
	s.applied = len(failures) == 0
	return errors.Join(failures...)
}

// observe reads the live Deployments.
func (r *Reconciler) observe(ctx context.Context, s *scope) error {
	var list appsv1.DeploymentList
	labels := client.MatchingLabels(manifests.CommonLabels(s.stack.Name))
	if err := r.client.List(ctx, &list, client.InNamespace(s.stack.Namespace), labels); err != nil {
		return fmt.Errorf("listing Deployments: %w", err)
	}
	s.deployments = map[string]*appsv1.Deployment{}
	for i, d := range list.Items {
		// The cache may still hold the Deployment as it was before apply.
		behind := d.Generation < s.generations[kindOf(&d)+"/"+d.Name]
		if metav1.IsControlledBy(&d, s.stack) && !behind {
			s.deployments[componentOf(&d)] = &list.Items[i]
		}
	}
	return nil
}

// prune deletes children that are no longer desired. A ConfigMap stays until no pod of its component uses it.
func (r *Reconciler) prune(ctx context.Context, s *scope) error {
	if s.suspended() || !s.applied || !s.resolved() {
		return nil
	}
	deleted, err := r.applier.Prune(ctx, r.pruneOptions(s))
	for _, object := range deleted {
		r.event(s, object, "Deleted", kindOf(object)+" "+object.GetName())
	}
	return err
}

func (r *Reconciler) pruneOptions(s *scope) apply.PruneOptions {
	return apply.PruneOptions{
		Namespace: s.stack.Namespace, Labels: manifests.CommonLabels(s.stack.Name), Owner: s.stack.UID, Wanted: s.objects,
		Lists: ownedLists(),
		Keep: func(object client.Object) bool {
			_, config := object.(*corev1.ConfigMap)
			d := s.deployments[componentOf(object)]
			return config && d != nil && !complete(d)
		},
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
	if s.resolved() && len(s.objects) > 0 {
		unwanted, err := r.applier.Unwanted(ctx, r.pruneOptions(s))
		if err != nil {
			return err
		}
		for _, object := range unwanted {
			s.pending = append(s.pending, kindOf(object)+"/"+object.GetName())
		}
	}
	slices.Sort(s.pending)
	s.pending = slices.Compact(s.pending)
	s.policiesInPlace = !slices.ContainsFunc(s.pending, func(p string) bool { return strings.HasPrefix(p, "NetworkPolicy/") })
	return nil
}
