package controllers

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/apply"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/seal"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
)

// keptStacks remembers for each stack what its children were made from last, and digests of them. While all of it is as it was, none of the
// children is made anew: the live ones are compared with the digests alone. No child is kept. A new process knows nothing, and makes all.
type keptStacks struct {
	mutex   sync.Mutex
	byStack map[types.NamespacedName]*keptStack
}

// keptStack belongs to one stack. One reconciliation at a time uses it.
type keptStack struct {
	owner     types.UID
	spec      *v1alpha1.OpenIMStackSpec
	policies  *keptPolicies
	workloads *keptWorkloads
	pods      *keptOwners
	seal      keptSeal
}

// specInputs stand for the spec. Whoever changes it gives it another generation. A changed CustomResourceDefinition has other defaults and
// fields, and gives the spec no other generation.
type specInputs struct {
	generation int64
	spec       *v1alpha1.OpenIMStackSpec
}

// policyInputs are all that policies are made from, besides the stack's name, namespace and UID.
type policyInputs struct {
	specInputs

	places seal.Record
}

type keptPolicies struct {
	from   policyInputs
	graph  graph.Graph
	owners []metav1.OwnerReference
	kept   []apply.Kept
}

// workloadInputs are all that the other children are made from. What a builder reads beyond them must be added here, or workloadInputs must
// report false for it (TestWhatBuildersReadIsAmongTheInputs).
type workloadInputs struct {
	specInputs

	facts       openim.Facts
	assignments map[string]string
	// routes is true when the spec has routes of the Gateway API and the cluster serves them.
	routes bool
	// certificate is the name of the Secret with the certificate of the gateway's pods, and routePolicies are the BackendTLSPolicies that
	// exist: one for an earlier certificate stays as it is.
	certificate   string
	routePolicies []string
}

type keptWorkloads struct {
	from workloadInputs
	kept []apply.Kept
}

// keptOwners are the pods that own the default deny policy, as they were listed last.
type keptOwners struct {
	// seen are the UIDs of the pods that the cache showed then.
	seen   []types.UID
	at     time.Time
	owners []metav1.OwnerReference
}

// keptSeal is the ControllerRevision with the places of a number, and its version when it had the right content.
type keptSeal struct {
	sequence      int64
	name, version string
}

func newKeptStacks() *keptStacks { return &keptStacks{byStack: map[types.NamespacedName]*keptStack{}} }

// of returns what is kept of a stack. A stack that was deleted and created again starts anew.
func (m *keptStacks) of(stack *v1alpha1.OpenIMStack) *keptStack {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	key := client.ObjectKeyFromObject(stack)
	if known := m.byStack[key]; known != nil && known.owner == stack.UID {
		return known
	}
	known := &keptStack{owner: stack.UID}
	m.byStack[key] = known
	return known
}

// inputs returns what stands for the spec of a stack. All inputs share one copy of it.
func (k *keptStack) inputs(stack *v1alpha1.OpenIMStack) specInputs {
	if k.spec == nil || !equality.Semantic.DeepEqual(*k.spec, stack.Spec) {
		k.spec = stack.Spec.DeepCopy()
	}
	return specInputs{stack.Generation, k.spec}
}

func (m *keptStacks) forget(stack types.NamespacedName) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	delete(m.byStack, stack)
}

// desire sets the record of places, and what follows from it. The policies are left to seal when they need not be made.
func (r *Reconciler) desire(s *scope, record seal.Record) {
	s.places, s.policies = record, nil
	known := r.kept.of(s.stack)
	if known.policies != nil && !s.suspended() && reflect.DeepEqual(known.policies.from, policyInputs{known.inputs(s.stack), record}) {
		s.graph = known.policies.graph
		return
	}
	s.graph = record.Graph(s.stack)
	s.policies = manifests.Policies(s.stack, s.graph)
}

// unchangedPolicies reports whether all policies are in place as desired, without making them, and sets those of the scope to the cache's
// own objects. owners are the pods that own the default deny policy. It makes the policies when they are to be compared and applied.
func (r *Reconciler) unchangedPolicies(ctx context.Context, s *scope, owners []metav1.OwnerReference, ownersKnown bool) bool {
	if s.policies != nil {
		return false // other inputs
	}
	known, same := r.kept.of(s.stack).policies, false
	if ownersKnown && slices.Equal(known.owners, owners) {
		s.policies, same = r.applier.Unchanged(ctx, known.kept)
	}
	if !same {
		s.policies = manifests.Policies(s.stack, s.graph)
	}
	return same
}

// keepPolicies remembers the policies of the scope, all of which are in place.
func (r *Reconciler) keepPolicies(s *scope, owners []metav1.OwnerReference, kept []apply.Kept) {
	known := r.kept.of(s.stack)
	known.policies = &keptPolicies{from: policyInputs{known.inputs(s.stack), s.places}, graph: s.graph, owners: owners, kept: kept}
}

// workloadInputs returns what the workloads are made from. It reports false when they depend on more than that: while the stack is
// suspended, while something of the spec is refused or does not resolve, while a component has no revision or the gateway no Deployment,
// while OpenIM is checked, and while an image may not read the multi-login policy of the spec (hotStack).
func (r *Reconciler) workloadInputs(s *scope) (workloadInputs, bool) {
	if s.suspended() || !s.sealed || !s.resolved() || !s.proposed || len(s.unexposed) > 0 || s.podsRefused() || s.heldHot() ||
		s.planned == nil || s.planned.Check != "" {
		return workloadInputs{}, false
	}
	if refused, unknown := s.unreadMultiLogin(r.options.WrapperImage, false); s.multiLogin() != nil && (refused || unknown) {
		return workloadInputs{}, false
	}
	for _, c := range graph.DeploymentsOf(s.stack) {
		if s.planned.Assignments[c.Name] == "" || c.Name == v1alpha1.ComponentGateway && s.deployments[c.Name] == nil {
			return workloadInputs{}, false
		}
	}
	certificate, _ := s.certificate(nil)
	return workloadInputs{
		specInputs: r.kept.of(s.stack).inputs(s.stack), facts: s.facts, assignments: s.planned.Assignments,
		routes: s.wantsRoute && s.routing.ready, certificate: certificate, routePolicies: s.routePolicies,
	}, true
}

// unchangedWorkloads reports whether all workloads are as desired, without making them, and sets those of the scope to the cache's own
// objects.
func (r *Reconciler) unchangedWorkloads(ctx context.Context, s *scope) bool {
	known := r.kept.of(s.stack).workloads
	inputs, all := r.workloadInputs(s)
	if known == nil || !all || !reflect.DeepEqual(known.from, inputs) {
		return false
	}
	objects, same := r.applier.Unchanged(ctx, known.kept)
	if !same {
		return false
	}
	known.from = inputs // equal, and shared with what else remembers the facts
	s.workloads = objects
	for _, object := range objects {
		s.generations[kindOf(object)+"/"+object.GetName()] = object.GetGeneration()
	}
	return true
}

// keepWorkloads remembers the workloads of the scope, all of which are as desired. A Deployment whose old pods go first is made anew each
// time: whether they do depends on its pods.
func (r *Reconciler) keepWorkloads(s *scope, kept []apply.Kept) {
	known := r.kept.of(s.stack)
	known.workloads = nil
	inputs, all := r.workloadInputs(s)
	recreated := slices.ContainsFunc(s.workloads, func(o client.Object) bool {
		d, deployment := o.(*appsv1.Deployment)
		return deployment && componentOf(d) == string(openim.RPCAuth) && d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType
	})
	if all && !recreated && len(kept) == len(s.workloads) { // a Deployment is left out while the stack is not sealed
		known.workloads = &keptWorkloads{inputs, kept}
	}
}

// sealIsRecorded reports whether the ControllerRevision with the places of a number is as it was when it had the right content, and returns
// it.
func (r *Reconciler) sealIsRecorded(ctx context.Context, s *scope, sequence int64) (*appsv1.ControllerRevision, bool, error) {
	known := r.kept.of(s.stack).seal
	if known.version == "" || known.sequence != sequence {
		return nil, false, nil
	}
	var live appsv1.ControllerRevision
	err := r.client.Get(ctx, types.NamespacedName{Namespace: s.stack.Namespace, Name: known.name}, &live, apply.Shared)
	if client.IgnoreNotFound(err) != nil {
		return nil, false, fmt.Errorf("reading ControllerRevision %s: %w", known.name, err)
	}
	return &live, err == nil && versionOf(&live) == known.version, nil
}
