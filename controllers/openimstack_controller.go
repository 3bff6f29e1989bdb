package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/apply"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/prober"
)

// FieldOwner is the name under which the operator owns the fields of children.
const FieldOwner = "openim-operator"

// The operator's rights. A marker must not be part of a declaration's comment: controller-gen would overlook it.
//
// +kubebuilder:rbac:groups=openimstack.dev,resources=openimstacks,verbs=get;list;watch
// +kubebuilder:rbac:groups=openimstack.dev,resources=openimstacks/status,verbs=patch
// +kubebuilder:rbac:groups=openimstack.dev,resources=openimstacks/finalizers,verbs=update
// +kubebuilder:rbac:groups=apps,resources=deployments,verbs=get;list;watch;create;update;patch;delete
// +kubebuilder:rbac:groups="",resources=configmaps;serviceaccounts;services,verbs=get;list;watch;create;update;patch;delete
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch;create
// +kubebuilder:rbac:groups=networking.k8s.io,resources=networkpolicies,verbs=get;list;watch;create;update;patch;delete
// +kubebuilder:rbac:groups=policy,resources=poddisruptionbudgets,verbs=get;list;watch;create;update;patch;delete
// +kubebuilder:rbac:groups=discovery.k8s.io,resources=endpointslices,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconciler makes the children of each OpenIMStack agree with its spec.
type Reconciler struct {
	client     client.Client
	live       client.Reader
	applier    *apply.Applier
	events     events.EventRecorder
	options    manifests.Options
	prober     *prober.Prober
	references *references
	lastGood   *lastGood
	claims     *claimRegistry
	acceptance *acceptance
}

// NewReconciler returns a Reconciler. It passes each stack's graph to the prober, and writes the prober's results to the status. live reads
// from the API server: Secrets are never cached.
func NewReconciler(
	c client.Client, live client.Reader, recorder events.EventRecorder, loop *prober.Prober, options manifests.Options,
) *Reconciler {
	return &Reconciler{
		client: c, live: live, applier: apply.New(c, live, FieldOwner), events: recorder, options: options,
		prober: loop, references: newReferences(), lastGood: newLastGood(),
		claims: newClaimRegistry(), acceptance: newAcceptance(),
	}
}

// Reconcile makes the children of one stack agree with its spec. All phases run, also after an error, so that the status is complete. The
// status is written once, and only when it changed.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (_ ctrl.Result, err error) {
	var stack v1alpha1.OpenIMStack
	if err := r.client.Get(ctx, request.NamespacedName, &stack); err != nil {
		if client.IgnoreNotFound(err) == nil {
			r.references.forget(request.NamespacedName)
			r.lastGood.forget(request.NamespacedName)
			r.claims.forget(request.NamespacedName)
			r.acceptance.forget(request.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !stack.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil // the garbage collector deletes the children
	}
	s := &scope{stack: &stack, generations: map[string]int64{}}
	defer func() {
		r.prober.Applied(request.NamespacedName)
		s.assessment, s.now = r.prober.Latest(request.NamespacedName), time.Now()
		err = errors.Join(err, r.patchStatus(ctx, s))
	}()
	var failures []error
	for _, phase := range r.phases() {
		if failure := phase.run(ctx, s); failure != nil {
			log.FromContext(ctx).Error(failure, "phase failed", "phase", phase.name)
			failures = append(failures, failure)
			s.fail(failure)
		}
	}
	return ctrl.Result{RequeueAfter: s.certificateRecheck(time.Now())}, errors.Join(failures...)
}

// patchStatus writes the status when it differs, and an event for each condition whose status or reason changed.
func (r *Reconciler) patchStatus(ctx context.Context, s *scope) error {
	before := s.stack.DeepCopy()
	if s.applied && s.resolved() {
		r.claims.record(s.stack, s.settled())
	}
	if s.referencesRead {
		s.stack.Status.Stores = r.claims.held(s.stack)
	}
	changed := s.updateStatus()
	if equality.Semantic.DeepEqual(before.Status, s.stack.Status) {
		return nil
	}
	if err := r.client.Status().Patch(ctx, s.stack, client.MergeFrom(before), client.FieldOwner(FieldOwner)); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("writing the status of OpenIMStack %s: %w", client.ObjectKeyFromObject(s.stack), err))
	}
	for _, c := range changed {
		r.events.Eventf(s.stack, nil, eventType(c), c.Reason, c.Type, "%s", c.Message)
	}
	return nil
}

// event records an event about a write to a child.
func (r *Reconciler) event(s *scope, object runtime.Object, action, note string) {
	r.events.Eventf(s.stack, object, corev1.EventTypeNormal, action, action, "%s", note)
}
