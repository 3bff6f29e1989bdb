package controllers

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/eventkind"
	"github.com/openimstack/openim-operator/controllers/observe"
	"github.com/openimstack/openim-operator/controllers/outcome"
	"github.com/openimstack/openim-operator/controllers/prober"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim/pods"
)

// maxPending is the longest list that the status takes (MaxItems of status.pendingChanges).
const maxPending = 128

// few returns a list of at most n entries, of which the last says how many are left out.
func few(all []string, n int) []string {
	if len(all) <= n {
		return all
	}
	return append(slices.Clone(all[:n-1]), fmt.Sprintf("and %d more", len(all)-n+1))
}

// updateStatus computes the status from the scope, and returns the conditions whose status or reason changed.
func (s *scope) updateStatus() []metav1.Condition {
	before := s.stack.Status.DeepCopy()
	status := &s.stack.Status
	s.components = nil // as of s.now
	if s.decided() {
		status.ObservedGeneration = s.stack.Generation
	}
	status.PendingChanges = few(s.pending, maxPending)
	status.Endpoints = s.endpoints()
	status.Version = s.version()
	status.Processes = s.processes()
	status.Boundary = s.boundary()
	if s.resolved() && s.proposed {
		status.Effective = s.effective()
	}
	if s.secretsListed {
		status.UnusedSecrets = s.unusedSecrets
	}

	if s.generated != nil {
		status.GeneratedSecrets = s.recorded()
	}
	if s.loginKeysGivenUp {
		status.LoginKeys = nil
	}
	if keys := s.facts.Wrapper.LoginKeys; s.resolved() && len(keys) > 0 {
		status.LoginKeys = keys
	}

	references, settings := s.dependenciesReady(), s.settingsAccepted()
	openIM, wrapper := s.available(v1alpha1.NameOpenIM), s.available(v1alpha1.NameWrapper)
	openIM.Type, wrapper.Type = v1alpha1.ConditionOpenIMAvailable, v1alpha1.ConditionWrapperAvailable
	isolated, rolled := s.networkIsolated(), s.rolledOut()
	others := []metav1.Condition{references, settings, openIM, wrapper, isolated, rolled}
	if s.hasFailed(rolled) {
		others = []metav1.Condition{references, settings, rolled, openIM, wrapper, isolated}
	}
	ready := s.ready(others...)
	for _, c := range append(others, ready) {
		s.set(c)
	}
	s.setOrRemove(v1alpha1.ConditionUpdateAvailable, s.updateAvailable())
	s.setOrRemove(v1alpha1.ConditionExposed, s.exposedCondition())
	s.setKstatus(ready, isolated, rolled)
	var paused metav1.Condition
	if s.suspended() {
		paused = condition(v1alpha1.ConditionPaused, metav1.ConditionTrue, v1alpha1.ReasonSuspended,
			fmt.Sprintf("spec.suspend is true: %d changes are pending", len(s.pending)))
	}
	s.setOrRemove(v1alpha1.ConditionPaused, paused)
	found := ptr.Deref(ptr.Deref(status.Boundary, v1alpha1.Boundary{}).FindingsTotal, 0)
	prober.Report(client.ObjectKeyFromObject(s.stack), isolated.Reason, int(found))
	return changedConditions(before.Conditions, status.Conditions)
}

// effective returns the values that hold although the spec may not name them. They change with the spec and its references alone.
func (s *scope) effective() []v1alpha1.EffectiveValue {
	settings := s.facts.Settings
	settings.Chosen = s.stack.Spec.Settings
	return append(settings.Effective(), pods.Effective(&s.stack.Spec, s.facts.PlatformUserIDs)...)
}

func (s *scope) dependenciesReady() metav1.Condition {
	const kind = v1alpha1.ConditionDependenciesReady
	if !s.referencesRead {
		return s.failed(kind, metav1.ConditionUnknown)
	}
	var sentences []string
	unusable := s.unusableStores()
	if len(s.problems) == 0 && len(unusable) == 0 {
		reason := v1alpha1.ReasonResolved
		for _, w := range s.warnings {
			sentences, reason = append(sentences, w.String()), s.warnings[0].Reason
		}
		return condition(kind, metav1.ConditionTrue, reason, strings.Join(append([]string{"all references resolve"}, sentences...), "; "))
	}
	reason := v1alpha1.ReasonStoreUnavailable
	for _, p := range s.problems {
		sentences, reason = append(sentences, p.String()), s.problems[0].Reason
	}
	return condition(kind, metav1.ConditionFalse, reason, strings.Join(append(sentences, unusable...), "; "))
}

// settingsAccepted lists the settings that OpenIM's release or the gateway refuses, and the templates of pods that are refused. Whoever
// reads them continues with the last ones that were accepted.
func (s *scope) settingsAccepted() metav1.Condition {
	const kind = v1alpha1.ConditionSettingsAccepted
	if !s.referencesRead {
		return s.failed(kind, metav1.ConditionUnknown)
	}
	refusals := slices.Concat(s.refusals, s.postponed, s.unexposed)
	if s.stack.Spec.Settings != nil && s.facts.Settings.Release.Tag == "" && len(refusals) == 0 {
		return condition(kind, metav1.ConditionUnknown, v1alpha1.ReasonUnsupportedVersion,
			"spec.settings is not compared, because the release of spec.version is not supported")
	}
	if len(refusals) == 0 {
		if warning := s.proxyNotTrusted(); warning != "" {
			return condition(kind, metav1.ConditionTrue, v1alpha1.ReasonProxyNotTrusted, warning)
		}
		return condition(kind, metav1.ConditionTrue, v1alpha1.ReasonAccepted,
			"OpenIM's release and the gateway accept all settings, rules, limits and origins")
	}
	var sentences []string
	for _, p := range refusals {
		sentences = append(sentences, p.String())
	}
	return condition(kind, metav1.ConditionFalse, refusals[0].Reason, strings.Join(sentences, "; "))
}

// proxyNotTrusted returns a warning when Ingresses or routes lead to the users' port while no proxy is trusted, else "". The warning of an
// earlier process stays until this process has audited the stack.
func (s *scope) proxyNotTrusted() string {
	users := s.stack.Spec.Wrapper.Auth.Users
	if users == nil || len(users.TrustedProxies) > 0 {
		return ""
	}
	if !s.assessment.Audited {
		before := apimeta.FindStatusCondition(s.stack.Status.Conditions, v1alpha1.ConditionSettingsAccepted)
		if before != nil && before.Reason == v1alpha1.ReasonProxyNotTrusted {
			return before.Message
		}
		return ""
	}
	proxies := s.assessment.ProxiesText()
	if proxies == "" {
		return ""
	}
	return "the gateway accepts all rules, limits and origins, but trusts no proxy, and clients reach the users' port through a proxy: " +
		proxies + "; so all users share the limits of the proxy's address: write the proxy's addresses to spec.wrapper.auth.users.trustedProxies"
}

// settled reports whether all Deployments run the pods of the spec, and of no earlier one. Components that wait for an update of their
// images run those of an earlier spec, which may use other stores and Secrets.
func (s *scope) settled() bool {
	return s.atRest() && len(s.keptBack) == 0 && s.available(v1alpha1.NameOpenIM).Status == metav1.ConditionTrue &&
		s.available(v1alpha1.NameWrapper).Status == metav1.ConditionTrue
}

// certificateRecheck returns the time until the state of the gateway's certificate changes, at most one day; 0 when there is no
// certificate.
func (s *scope) certificateRecheck(now time.Time) time.Duration {
	if s.facts.Wrapper.Certificate == nil {
		return 0
	}
	next := dependencies.NextChange(*s.facts.Wrapper.Certificate, now)
	if next.IsZero() {
		return 0
	}
	return min(max(next.Sub(now), time.Second), 24*time.Hour)
}

// resultExpires returns the time until the latest result of the probe is too old to count; 0 when there is none, or when it is already.
func (s *scope) resultExpires() time.Duration {
	b := s.stack.Status.Boundary
	if b == nil || b.LastProbe == nil {
		return 0
	}
	return max(prober.Expiry(b.LastProbe, prober.Interval(s.stack)).Sub(s.now), 0)
}

// available returns a condition without a type: whether all Deployments of OpenIM or of the wrapper run the pods of their current template.
func (s *scope) available(app string) metav1.Condition {
	if app == v1alpha1.NameWrapper && s.stack.Spec.Wrapper.ExternalRef != nil {
		return condition("", metav1.ConditionTrue, v1alpha1.ReasonExternal,
			"spec.wrapper.externalRef names a wrapper that the operator does not run")
	}
	var waiting []observe.Component
	for _, c := range s.state() {
		if known, _ := graph.Lookup(c.Name); known.App == app && !c.Available() {
			waiting = append(waiting, c)
		}
	}
	if len(waiting) > 0 {
		reason, message := describeWaiting(waiting)
		return condition("", metav1.ConditionFalse, reason, message)
	}
	return condition("", metav1.ConditionTrue, v1alpha1.ReasonAvailable, "all replicas are ready")
}

func (s *scope) networkIsolated() metav1.Condition {
	known := s.assessment
	if known.Probe == nil && s.stack.Status.Boundary != nil {
		known.Probe = s.stack.Status.Boundary.LastProbe // of an earlier process
	}
	return prober.Isolated(prober.Evidence{
		Assessment: known, PoliciesInPlace: s.policiesInPlace, Missing: append(s.pendingPolicies(), s.missing...), Undecided: s.undecided,
		Interval: prober.Interval(s.stack), Now: s.now,
	})
}

// ready summarises the other conditions. NetworkIsolated counts only when it is False: a stack whose policies have not been probed yet is
// ready, a stack without its policies is not.
func (s *scope) ready(others ...metav1.Condition) metav1.Condition {
	const kind = v1alpha1.ConditionReady
	if len(s.faults) > 0 && len(s.problems)+len(s.refusals)+len(s.postponed)+len(s.unexposed) == 0 {
		return s.failed(kind, metav1.ConditionFalse)
	}
	later := ""
	for _, c := range others {
		switch {
		case c.Type == v1alpha1.ConditionRolledOut && c.Reason == v1alpha1.ReasonWaitingForWindow:
			later = "; " + c.Message // as its user asked for: all components run what was completed before
		case c.Status == metav1.ConditionFalse:
			return condition(kind, metav1.ConditionFalse, c.Reason, c.Message)
		}
	}
	return condition(kind, metav1.ConditionTrue, v1alpha1.ReasonReady,
		fmt.Sprintf("OpenIM %s runs, and only the wrapper can reach it%s", cmp.Or(s.stack.Status.Version, s.stack.Spec.Version), later))
}

// setKstatus sets Reconciling and Stalled, which kstatus expects only while they are true. A breach and a network that does not enforce
// policies make the stack Stalled: the operator cannot repair them.
func (s *scope) setKstatus(ready, isolated, rolled metav1.Condition) {
	stalled, reconciling := metav1.Condition{}, metav1.Condition{}
	switch problem := s.stalled(); {
	case problem != nil:
		stalled = condition(v1alpha1.ConditionStalled, metav1.ConditionTrue, problem.Reason, problem.String())
	case s.terminal() != nil: // it says more than that the rollout is held because of it
		stalled = s.failed(v1alpha1.ConditionStalled, metav1.ConditionTrue)
	case s.hasFailed(rolled):
		stalled = condition(v1alpha1.ConditionStalled, metav1.ConditionTrue, rolled.Reason, rolled.Message)
	case isolated.Reason == v1alpha1.ReasonBreached, isolated.Reason == v1alpha1.ReasonNotEnforcedByCNI:
		stalled = condition(v1alpha1.ConditionStalled, metav1.ConditionTrue, isolated.Reason, isolated.Message)
	case ready.Status != metav1.ConditionTrue && !s.suspended():
		reconciling = condition(v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonProgressing, ready.Message)
	}
	s.setOrRemove(v1alpha1.ConditionStalled, stalled)
	s.setOrRemove(v1alpha1.ConditionReconciling, reconciling)
}

// setOrRemove sets a condition that exists only while it is true.
func (s *scope) setOrRemove(kind string, c metav1.Condition) {
	if c.Type == "" {
		apimeta.RemoveStatusCondition(&s.stack.Status.Conditions, kind)
		return
	}
	s.set(c)
}

// pendingPolicies returns the names of the policies that a suspended stack would write.
func (s *scope) pendingPolicies() []string {
	var names []string
	for _, p := range s.pending {
		if name, policy := strings.CutPrefix(p, "NetworkPolicy/"); policy {
			names = append(names, name)
		}
	}
	return names
}

// boundary returns status.boundary. Fields that were not re-evaluated keep their last value.
func (s *scope) boundary() *v1alpha1.Boundary {
	b := s.stack.Status.Boundary.DeepCopy()
	if b == nil {
		b = &v1alpha1.Boundary{}
	}
	if len(s.graph.Edges) > 0 { // it is not known what the policies say while they are undecided
		b.Policies, b.Connections = ptr.To(observe.Number(len(s.policies))), ptr.To(observe.Number(len(s.graph.Edges)))
	}
	before := b.Exceptions
	s.assessment.Fill(b)
	b.Exceptions = append(b.Exceptions, s.stillDisclosed(before, b.Exceptions)...)
	b.Exceptions = b.Exceptions[:min(len(b.Exceptions), 32)] // the bound of the API
	if equality.Semantic.DeepEqual(b, &v1alpha1.Boundary{}) {
		return nil
	}
	return b
}

// stillDisclosed returns the exceptions without an edge from before, while pods may still have them: the spec no longer asks for them, or
// asks for others, but has not reached all pods.
func (s *scope) stillDisclosed(before, now []string) []string {
	if s.resolved() && s.settled() {
		return nil
	}
	var still []string
	for _, text := range before {
		if graph.IsDisclosure(text) && !slices.Contains(now, text) {
			still = append(still, text)
		}
	}
	return still
}

// set sets a condition of the present generation, or of an earlier one when the condition says so.
func (s *scope) set(c metav1.Condition) {
	if c.ObservedGeneration == 0 {
		c.ObservedGeneration = s.stack.Generation
	}
	apimeta.SetStatusCondition(&s.stack.Status.Conditions, c)
}

func condition(kind string, status metav1.ConditionStatus, reason, message string) metav1.Condition {
	const longest = 32768 // metav1.Condition
	if len(message) > longest {
		message = message[:longest]
	}
	return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message}
}

// failed returns a condition with the reason of the worst fault, and the messages of those that are as bad.
func (s *scope) failed(kind string, status metav1.ConditionStatus) metav1.Condition {
	reason := v1alpha1.ReasonApplyFailed
	if worst := outcome.Worst(s.faults); worst != nil {
		reason = worst.Reason
	}
	return condition(kind, status, reason, outcome.Summary(s.faults))
}

// onlyMessages reports whether two statuses differ in the messages of conditions alone.
func onlyMessages(before, after v1alpha1.OpenIMStackStatus) bool {
	return equality.Semantic.DeepEqual(withoutMessages(before), withoutMessages(after))
}

func withoutMessages(status v1alpha1.OpenIMStackStatus) *v1alpha1.OpenIMStackStatus {
	silent := status.DeepCopy()
	for i := range silent.Conditions {
		silent.Conditions[i].Message = ""
	}
	for i := range silent.Processes {
		silent.Processes[i].Message = ""
	}
	return silent
}

// changedConditions returns the conditions whose status or reason is new, for events. Messages of progress change often and make no event.
// Nor do conditions of a new stack that say nothing bad: it would have one for each. Ready tells of it.
func changedConditions(before, after []metav1.Condition) []metav1.Condition {
	var out []metav1.Condition
	for _, c := range after {
		old := apimeta.FindStatusCondition(before, c.Type)
		if len(before) == 0 && c.Type != v1alpha1.ConditionReady && eventkind.OfCondition(c).Type() == corev1.EventTypeNormal {
			continue
		}
		if old == nil || old.Status != c.Status || old.Reason != c.Reason {
			out = append(out, c)
		}
	}
	return out
}
