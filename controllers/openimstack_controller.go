package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/apply"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/eventkind"
	"github.com/openimstack/openim-operator/controllers/insight"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/outcome"
	"github.com/openimstack/openim-operator/controllers/prober"
	"github.com/openimstack/openim-operator/controllers/rollout"
)

// FieldOwner is the name under which the operator owns the fields of children.
const FieldOwner = "openim-operator"

// The operator's rights. A marker must not be part of a declaration's comment: controller-gen would overlook it.
//
// +kubebuilder:rbac:groups=openimstack.dev,resources=openimstacks,verbs=get;list;watch
// +kubebuilder:rbac:groups=openimstack.dev,resources=openimstacks/status,verbs=patch
// +kubebuilder:rbac:groups=openimstack.dev,resources=openimstacks/finalizers,verbs=update
// +kubebuilder:rbac:groups=apps,resources=deployments,verbs=get;list;watch;create;update;patch;delete
// +kubebuilder:rbac:groups=apps,resources=controllerrevisions,verbs=get;list;watch;create;update;patch;delete
// +kubebuilder:rbac:groups="",resources=configmaps;serviceaccounts;services,verbs=get;list;watch;create;update;patch;delete
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch;create
// +kubebuilder:rbac:groups=networking.k8s.io,resources=networkpolicies;ingresses,verbs=get;list;watch;create;update;patch;delete
// +kubebuilder:rbac:groups=policy,resources=poddisruptionbudgets,verbs=get;list;watch;create;update;patch;delete
// +kubebuilder:rbac:groups=autoscaling,resources=horizontalpodautoscalers,verbs=get;list;watch;create;update;patch;delete
// +kubebuilder:rbac:groups=discovery.k8s.io,resources=endpointslices,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconciler makes the children of each OpenIMStack agree with its spec.
type Reconciler struct {
	client     client.Client
	live       client.Reader
	applier    *apply.Applier
	events     events.EventRecorder
	options    manifests.Options
	access     dependencies.Access
	prober     *prober.Prober
	references *references
	lastHot    builtObjects
	accepted   *acceptedPods
	runs       *runs
	named      *namedByRuns
	slots      *rollout.Slots
	seals      *seals
	kept       *keptStacks
	claims     *claimRegistry
	acceptance *acceptance
	pacer      *pacer
	gatewayAPI *gatewayAPI
	// referencesEvery is referencesInterval.
	referencesEvery time.Duration
	// resolutions are what the references of stacks resolved to. watched returns the cache that shows whether they still do.
	resolutions *resolutions
	watched     func(schema.GroupVersionKind) client.Reader
	// indexed lists stacks without copies, nil when the cache cannot.
	indexed indexedStacks
}

// NewReconciler returns a Reconciler. It passes each stack's graph to the prober, and writes the prober's results to the status. live reads
// from the API server: Secrets are never cached. access limits the Services of other namespaces that stacks may refer to.
func NewReconciler(
	c client.Client, live client.Reader, recorder events.EventRecorder, loop *prober.Prober, options manifests.Options,
	access dependencies.Access,
) *Reconciler {
	access.Namespaced = func(o runtime.Object) (bool, error) { return c.IsObjectNamespaced(o) }
	return &Reconciler{
		client: c, live: live, applier: apply.New(c, live, applyOptions()), events: recorder, options: options, access: access,
		prober: loop, references: newReferences(), lastHot: newLastGood(), accepted: newAcceptedPods(), runs: newRuns(), named: newNamedByRuns(),
		slots: rollout.NewSlots(DefaultRollouts),
		seals: newSeals(), kept: newKeptStacks(), claims: newClaimRegistry(), acceptance: newAcceptance(), pacer: newPacer(),
		gatewayAPI: newGatewayAPI(), referencesEvery: referencesInterval, resolutions: newResolutions(), watched: watchedMetadata(nil, nil),
	}
}

func applyOptions() apply.Options {
	return apply.Options{
		Owner:           FieldOwner,
		Identity:        []string{v1alpha1.LabelInstance, v1alpha1.LabelPartOf, v1alpha1.LabelManagedBy},
		InitialReplicas: v1alpha1.AnnotationInitialReplicas,
	}
}

// DefaultRollouts is the number of stacks that are rolled out at a time unless LimitRollouts sets another.
const DefaultRollouts = 10

// LimitRollouts sets how many stacks are rolled out at a time.
func (r *Reconciler) LimitRollouts(most int) { r.slots = rollout.NewSlots(most) }

// Reconcile makes the children of one stack agree with its spec. All phases run, also after an error, so that the status is complete. The
// status is written once, and only when it changed.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var stack v1alpha1.OpenIMStack
	if err := r.client.Get(ctx, request.NamespacedName, &stack); err != nil {
		if client.IgnoreNotFound(err) == nil {
			r.references.forget(request.NamespacedName)
			r.lastHot.forget(request.NamespacedName)
			r.accepted.forget(request.NamespacedName)
			r.runs.forget(request.NamespacedName)
			r.slots.Release(request.NamespacedName)
			r.seals.forget(request.NamespacedName)
			r.kept.forget(request.NamespacedName)
			r.claims.forget(request.NamespacedName)
			r.acceptance.forget(request.NamespacedName)
			r.pacer.forget(request.NamespacedName)
			r.resolutions.forget(request.NamespacedName)
			insight.Forget(request.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !stack.DeletionTimestamp.IsZero() {
		r.slots.Release(request.NamespacedName)
		return ctrl.Result{}, nil // the garbage collector deletes the children
	}
	s := &scope{stack: &stack, generations: map[string]int64{}}
	if behind, err := r.behind(ctx, s); err != nil || behind {
		return ctrl.Result{RequeueAfter: barrierDelay}, err
	}
	for _, phase := range r.phases() {
		if failure := phase.run(ctx, s); failure != nil {
			log.FromContext(ctx).Error(failure, "phase failed", "phase", phase.name)
			s.fail(failure)
		}
	}
	r.tell(s)
	r.prober.Applied(request.NamespacedName)
	s.assessment, s.now = r.prober.Latest(request.NamespacedName), r.pacer.now()
	statusDue, err := r.patchStatus(ctx, s)
	if err != nil {
		log.FromContext(ctx).Error(err, "status not written")
		s.fail(err)
	}
	return r.result(s, statusDue)
}

// result returns when the stack is to be reconciled again, at the latest. Transient faults are an error, so that they are retried with
// backoff; the complete texts are in the log already. Of all other times the earliest wins.
func (r *Reconciler) result(s *scope, statusDue time.Duration) (ctrl.Result, error) {
	after := earliest(statusDue, s.requeueAfter(s.now), s.resultExpires(), s.routeRecheck(r.gatewayAPI.every),
		r.pacer.terminal(s.stack, s.terminal() != nil || s.podsRefused()), consentRecheck(r.access, s.stack.Namespace, s.facts.Services),
		r.referencesRecheck(s))
	var transient []error
	for _, fault := range s.faults {
		if fault.Kind == outcome.Transient {
			transient = append(transient, fault)
		} else {
			after = earliest(after, fault.After)
		}
	}
	if len(transient) > 0 {
		r.pacer.wake(client.ObjectKeyFromObject(s.stack), after)
		return ctrl.Result{}, errors.Join(transient...)
	}
	return ctrl.Result{RequeueAfter: after}, nil
}

// patchStatus writes the status when it differs, and an event for each condition whose status or reason changed. When only messages differ
// from a status that was written a moment ago, it writes nothing and returns when to write them.
func (r *Reconciler) patchStatus(ctx context.Context, s *scope) (time.Duration, error) {
	before := s.stack.DeepCopy()
	if s.applied && s.resolved() {
		r.claims.record(s.stack, s.settled())
	}
	if s.referencesRead {
		s.stack.Status.Stores = r.claims.held(s.stack)
	}
	changed := s.updateStatus()
	if equality.Semantic.DeepEqual(before.Status, s.stack.Status) {
		return 0, nil
	}
	if due := r.pacer.messagesDue(s.stack); due > 0 && !s.urgent && onlyMessages(before.Status, s.stack.Status) {
		return due, nil
	}
	// The answer may have a newer spec, which nothing of this reconciliation was decided from, and which what is remembered must not become.
	written := s.stack.DeepCopy()
	if err := r.client.Status().Patch(ctx, written, client.MergeFrom(before), client.FieldOwner(FieldOwner)); err != nil {
		return 0, client.IgnoreNotFound(fmt.Errorf("writing the status of OpenIMStack %s: %w", client.ObjectKeyFromObject(s.stack), err))
	}
	r.pacer.wrote(s.stack)
	if err := r.applier.Wrote(s.stack.UID, written); err != nil {
		return 0, err
	}
	for _, c := range changed {
		r.event(s, nil, eventkind.OfCondition(c), c.Message)
	}
	return 0, nil
}
