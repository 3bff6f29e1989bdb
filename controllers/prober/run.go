package prober

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/probe"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

const (
	// startTimeout bounds the start of a run's pods: the first time the image has to be pulled.
	startTimeout = 60 * time.Second
	// runTimeout bounds a whole run. It is less than the lifetime of the pods.
	runTimeout = 150 * time.Second
)

// run is one probe of one stack, from its first pod to its result.
type run struct {
	id        string
	startedAt time.Time
	trigger   v1alpha1.ProbeTrigger
	request   string
	// intent that the plan was made for. The outcomes say nothing about another intent.
	intent *intent
	plan   plan
	// onlyOneIntruder explains why there is no intruder outside of the stack's namespace.
	onlyOneIntruder string
	// controls are known when the listeners have addresses. The intruders start then.
	controls []control
	// intrudersStarted is when the intruders were made; zero before.
	intrudersStarted time.Time
}

// startRun creates the listeners.
func (p *Prober) startRun(ctx context.Context, stack *v1alpha1.OpenIMStack, s *stackState, r *run) (ctrl.Result, error) {
	if err := p.deletePods(ctx, client.ObjectKeyFromObject(stack), ""); err != nil { // leftovers of an earlier run or process
		return ctrl.Result{}, err
	}
	s.lastRunStarted = p.now()
	r.startedAt = s.lastRunStarted
	s.run = r
	log.FromContext(ctx).V(1).Info("probe started", "trigger", r.trigger, "targets", len(r.plan.targets))
	if len(r.plan.targets) == 0 {
		return p.finish(ctx, stack, s, unverified("no pod of the stack is ready: nothing can be probed"))
	}
	switch {
	case p.options.Namespace == "":
		r.onlyOneIntruder = "there was no intruder in another namespace: the operator does not know its own namespace"
	case len(r.plan.namespaces) == 1:
		r.onlyOneIntruder = "there was no intruder in another namespace: the operator runs in the stack's namespace"
	}
	for i, namespace := range slices.Clone(r.plan.namespaces) {
		err := p.client.Create(ctx, p.listenerPod(stack, namespace, r.id))
		if err == nil {
			continue
		}
		if i > 0 && lacksRight(err) {
			r.plan.namespaces, r.plan.cells = r.plan.namespaces[:1], r.plan.cells[:1]
			r.onlyOneIntruder = "there was no intruder in another namespace: the operator is not permitted to create pods in " + namespace
			break
		}
		return p.podRefused(ctx, stack, s, namespace, err)
	}
	return ctrl.Result{RequeueAfter: pollInterval}, nil
}

// lacksRight reports whether the operator lacks the right to create pods, as opposed to a quota or an admission rule that refuses this pod.
func lacksRight(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), "cannot create resource")
}

// podRefused ends a run whose pod was not created. When the API server does not answer, the run has no result, and the probe starts again.
func (p *Prober) podRefused(
	ctx context.Context, stack *v1alpha1.OpenIMStack, s *stackState, namespace string, err error,
) (ctrl.Result, error) {
	_, answered := errors.AsType[*apierrors.StatusError](err)
	if !answered || apierrors.IsServerTimeout(err) || apierrors.IsTooManyRequests(err) || apierrors.IsInternalError(err) {
		s.run = nil
		p.keepDirty(s, true)
		return ctrl.Result{}, fmt.Errorf("creating a pod of the probe in namespace %s: %w", namespace, err)
	}
	message := fmt.Sprintf("the API server refused a pod of the probe in namespace %s: %s", namespace, oneLine(err.Error()))
	return p.finish(ctx, stack, s, unverified(message))
}

// advance checks the pods of a run, and does the next step that is possible.
func (p *Prober) advance(ctx context.Context, stack *v1alpha1.OpenIMStack, s *stackState) (ctrl.Result, error) {
	r := s.run
	pods, err := p.podsOf(ctx, client.ObjectKeyFromObject(stack), r)
	if err != nil {
		return ctrl.Result{}, err
	}
	if reason := r.failure(pods, stack.Name, p.now()); reason != "" {
		return p.finish(ctx, stack, s, unverified(reason))
	}
	if r.intrudersStarted.IsZero() {
		if !r.listening(pods, stack.Name) {
			return ctrl.Result{RequeueAfter: pollInterval}, nil
		}
		return p.startIntruders(ctx, stack, s)
	}
	seen, done, err := r.outcomes(pods, stack.Name)
	if err != nil {
		return p.finish(ctx, stack, s, unverified(err.Error()))
	}
	if !done {
		return ctrl.Result{RequeueAfter: pollInterval}, nil
	}
	return p.evaluateRun(ctx, stack, s, pods, seen)
}

// startIntruders creates the intruders.
func (p *Prober) startIntruders(ctx context.Context, stack *v1alpha1.OpenIMStack, s *stackState) (ctrl.Result, error) {
	r := s.run
	for i, namespace := range r.plan.namespaces {
		if err := p.client.Create(ctx, p.intruderPod(stack, namespace, r.id, r.attempts(i))); err != nil && !apierrors.IsAlreadyExists(err) {
			return p.podRefused(ctx, stack, s, namespace, err)
		}
	}
	r.intrudersStarted = p.now()
	return ctrl.Result{RequeueAfter: pollInterval}, nil
}

// attempts returns the attempts of one intruder, the controls first.
func (r *run) attempts(intruder int) []probe.Attempt {
	var all []probe.Attempt
	for _, c := range r.controls {
		all = append(all, probe.Attempt{Address: c.address, Open: true})
	}
	for i, t := range r.plan.targets {
		// A connection that the live policies permit is expected to open: the prober does not wait until it is blocked.
		all = append(all, probe.Attempt{Address: t.address, Open: r.plan.cells[intruder][i].open})
	}
	return all
}

// listening reports whether all listeners run, and records their addresses.
func (r *run) listening(pods []corev1.Pod, stack string) bool {
	var controls []control
	for _, namespace := range r.plan.namespaces {
		pod := byName(pods, r.key(namespace, stack, roleListener))
		if pod == nil || len(pod.Status.PodIPs) == 0 || len(pod.Status.ContainerStatuses) == 0 ||
			pod.Status.ContainerStatuses[0].State.Running == nil {
			return false
		}
		for _, address := range addresses(pod) {
			controls = append(controls, control{pod: pod, address: netip.AddrPortFrom(address, probe.ListenPort)})
		}
	}
	r.controls = controls
	return true
}

func (r *run) key(namespace, stack, role string) types.NamespacedName {
	return types.NamespacedName{Namespace: namespace, Name: podName(stack, r.id, role)}
}

// outcomes returns the outcomes by intruder. done is false until every intruder has ended.
func (r *run) outcomes(pods []corev1.Pod, stack string) (seen [][]probe.Outcome, done bool, err error) {
	for _, namespace := range r.plan.namespaces {
		pod := byName(pods, r.key(namespace, stack, roleIntruder))
		if pod == nil || len(pod.Status.ContainerStatuses) == 0 || pod.Status.ContainerStatuses[0].State.Terminated == nil {
			return nil, false, nil
		}
		outcomes, err := probe.ParseMessage(pod.Status.ContainerStatuses[0].State.Terminated.Message, len(r.controls)+len(r.plan.targets))
		if err != nil {
			return nil, false, fmt.Errorf("the intruder in namespace %s has no result: %w", namespace, err)
		}
		seen = append(seen, outcomes)
	}
	return seen, true, nil
}

// failure explains why a run cannot succeed: a pod cannot run, is gone, or takes too long. It returns "" when the run can continue.
func (r *run) failure(pods []corev1.Pod, stack string, now time.Time) string {
	roles := []string{roleListener}
	late := now.Sub(r.startedAt) > startTimeout
	if !r.intrudersStarted.IsZero() {
		roles = append(roles, roleIntruder)
		late = now.Sub(r.startedAt) > runTimeout
	}
	for _, namespace := range r.plan.namespaces {
		for _, role := range roles {
			pod := byName(pods, r.key(namespace, stack, role))
			if pod == nil {
				if late {
					return fmt.Sprintf("a pod of the probe in namespace %s was deleted or evicted before the probe ended", namespace)
				}
				continue
			}
			if text, final := podFailure(pod); text != "" && (final || late) {
				return fmt.Sprintf("the probe's %s in namespace %s cannot run: %s", role, namespace, text)
			}
		}
	}
	if late {
		return fmt.Sprintf("the probe's pods took longer than %s: check the pods labelled %s=%s",
			now.Sub(r.startedAt).Round(time.Second), v1alpha1.LabelName, v1alpha1.NameProbe)
	}
	return ""
}

// finalReasons are the reasons for which a container waits until somebody changes the pod or the node.
var finalReasons = []string{"InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError"}

// podFailure explains why a pod does not run, and whether the reason is final.
func podFailure(pod *corev1.Pod) (text string, final bool) {
	for _, status := range pod.Status.ContainerStatuses {
		if t := status.State.Terminated; t != nil && t.ExitCode != 0 {
			return fmt.Sprintf("its container exited with code %d, %s", t.ExitCode, t.Reason), true
		}
		if w := status.State.Waiting; w != nil && w.Reason != "" && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" {
			return strings.TrimSuffix(w.Reason+": "+oneLine(w.Message), ": "), slices.Contains(finalReasons, w.Reason)
		}
	}
	if pod.Status.Phase == corev1.PodFailed {
		return strings.TrimSuffix(pod.Status.Reason+": "+oneLine(pod.Status.Message), ": "), true
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return c.Reason + ": " + oneLine(c.Message), false
		}
	}
	return "", false
}

// evaluateRun reads the live objects again and evaluates the outcomes.
func (p *Prober) evaluateRun(
	ctx context.Context, stack *v1alpha1.OpenIMStack, s *stackState, pods []corev1.Pod, seen [][]probe.Outcome,
) (ctrl.Result, error) {
	r := s.run
	w, err := p.read(ctx, s, r.intent)
	if errors.Is(err, errOutdated) {
		return p.abandon(ctx, stack, s)
	}
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("reading the live objects after the probe: %w", err)
	}
	var intruders []*corev1.Pod
	for _, namespace := range r.plan.namespaces {
		intruder := byName(pods, r.key(namespace, stack.Name, roleIntruder)).DeepCopy()
		intruder.Status.Phase = corev1.PodRunning // as during its attempts: policies do not apply to pods that have ended
		intruders = append(intruders, intruder)
	}
	after, err := newPlan(r.intent.graph, w, intruders)
	if err != nil {
		return ctrl.Result{}, err
	}
	j := evaluateTrial(trial{
		before: r.plan, after: after, controls: r.controls, seen: seen,
		blockedBy: blockedByIn(w, intruders), onlyOneIntruder: r.onlyOneIntruder,
	})
	if j.outcome == v1alpha1.ReasonBreached && !suspended(stack) && ownPoliciesDiffer(r.intent.graph, w) {
		return p.abandon(ctx, stack, s) // the operator is about to restore its own policies: the next probe counts
	}
	return p.finish(ctx, stack, s, j)
}

func suspended(stack *v1alpha1.OpenIMStack) bool {
	return stack.Spec.Suspend != nil && *stack.Spec.Suspend
}

// ownPoliciesDiffer reports whether a policy of the stack is missing in a snapshot or has another meaning there.
func ownPoliciesDiffer(g graph.Graph, w *snapshot.Snapshot) bool {
	live := map[string]networkingv1.NetworkPolicySpec{}
	for _, p := range w.Policies {
		if p.Namespace == g.Namespace {
			live[p.Name] = p.Spec
		}
	}
	return slices.ContainsFunc(graph.Policies(g), func(wanted *networkingv1.NetworkPolicy) bool {
		is, there := live[wanted.Name]
		return !there || !audit.SameMeaning(is, wanted.Spec)
	})
}

// abandon ends a run without a result, because the desired graph changed. The next audit starts a new run.
func (p *Prober) abandon(ctx context.Context, stack *v1alpha1.OpenIMStack, s *stackState) (ctrl.Result, error) {
	r, key := s.run, client.ObjectKeyFromObject(stack)
	s.run = nil
	log.FromContext(ctx).V(1).Info("probe aborted: the desired graph changed", "trigger", r.trigger)
	p.markDirty(key, 0)
	return ctrl.Result{}, p.deletePods(ctx, key, r.id)
}

// finish stores the result and deletes the pods.
func (p *Prober) finish(ctx context.Context, stack *v1alpha1.OpenIMStack, s *stackState, j result) (ctrl.Result, error) {
	r, key := s.run, client.ObjectKeyFromObject(stack)
	took := p.now().Sub(r.startedAt)
	result := &v1alpha1.ProbeResult{
		Time: metav1.NewTime(r.startedAt.Truncate(time.Second)), DurationMilliseconds: count(int(took.Milliseconds())),
		Trigger: r.trigger, Request: r.request, Outcome: j.outcome, Message: truncate(j.message, maxMessage), Digest: r.plan.digest,
		Attempted: count(j.attempted), Blocked: count(j.blocked), Allowed: count(j.allowed), Unexpected: count(j.unexpected),
	}
	s.run, s.unproven = nil, s.unproven+1
	if j.outcome != v1alpha1.ReasonNotVerified {
		s.unproven = 0
	}
	metrics.observe(key, result, took)
	log.FromContext(ctx).Info("probe finished", "trigger", r.trigger, "outcome", j.outcome,
		"attempted", j.attempted, "unexpected", j.unexpected, "took", took.Round(time.Millisecond).String())
	p.updateAssessment(s, key, func(a *Assessment) { a.Probe, a.Outdated = result, a.Outdated && s.intent != r.intent })
	p.ownQueue.requeue(key, minAuditInterval) // covers changes during the run
	return ctrl.Result{}, p.deletePods(ctx, key, r.id)
}

func count(n int) *int32 {
	return ptr.To(int32(max(0, min(n, math.MaxInt32))))
}

func unverified(message string) result {
	return result{outcome: v1alpha1.ReasonNotVerified, message: message}
}

// podsOf returns the pods of a run.
func (p *Prober) podsOf(ctx context.Context, key types.NamespacedName, r *run) ([]corev1.Pod, error) {
	var all []corev1.Pod
	for _, namespace := range r.plan.namespaces {
		var list corev1.PodList
		if err := p.live.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabels(podLabels(key, r.id))); err != nil {
			return nil, fmt.Errorf("listing the probe's pods in namespace %s: %w", namespace, err)
		}
		all = append(all, list.Items...)
	}
	return all, nil
}

// deletePods deletes the pods of a stack's probe: those of one run, or of all runs when id is empty.
func (p *Prober) deletePods(ctx context.Context, key types.NamespacedName, id string) error {
	wanted := podLabels(key, id)
	if id == "" {
		delete(wanted, v1alpha1.LabelProbeRun)
	}
	namespaces := []string{key.Namespace, p.options.Namespace}
	if p.options.Namespace == "" || p.options.Namespace == key.Namespace {
		namespaces = namespaces[:1]
	}
	var failures []error
	for i, namespace := range namespaces {
		var list corev1.PodList
		err := p.live.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabels(wanted))
		if i > 0 && apierrors.IsForbidden(err) {
			continue // then the operator could not have created any there
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("listing the probe's pods in namespace %s: %w", namespace, err))
		}
		for j := range list.Items {
			if err := p.client.Delete(ctx, &list.Items[j], client.GracePeriodSeconds(0)); client.IgnoreNotFound(err) != nil {
				failures = append(failures, fmt.Errorf("deleting a pod of the probe: %w", err))
			}
		}
	}
	return errors.Join(failures...)
}

// deleteOrphans deletes probe pods of earlier processes in the operator's own namespace, where the garbage collector knows no owner.
func (p *Prober) deleteOrphans(ctx context.Context) error {
	if p.options.Namespace == "" {
		return nil
	}
	born := p.now()
	var list corev1.PodList
	err := p.live.List(ctx, &list, client.InNamespace(p.options.Namespace), client.MatchingLabels{v1alpha1.LabelName: v1alpha1.NameProbe})
	if err != nil {
		log.FromContext(ctx).V(1).Info("listing leftover probe pods failed", "reason", err.Error())
		return nil
	}
	for i := range list.Items {
		if !list.Items[i].CreationTimestamp.Time.Before(born) {
			continue
		}
		if err := p.client.Delete(ctx, &list.Items[i], client.GracePeriodSeconds(0)); client.IgnoreNotFound(err) != nil {
			log.FromContext(ctx).Error(err, "deleting a leftover probe pod failed", "pod", list.Items[i].Name)
		}
	}
	return nil
}

func newID() string {
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails (crypto/rand)
	return hex.EncodeToString(random[:])
}

// oneLine returns an error text of the API server or the kubelet on one line, truncated.
func oneLine(text string) string {
	return truncate(strings.Join(strings.Fields(text), " "), maxText)
}
