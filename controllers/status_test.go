package controllers

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/eventkind"
	"github.com/openimstack/openim-operator/controllers/outcome"
	"github.com/openimstack/openim-operator/controllers/prober"
	"github.com/openimstack/openim-operator/controllers/rollout"
	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/graph"
)

// running returns a scope in which everything is as desired, after the changes of a case.
func running(change ...func(*scope)) *scope {
	const run = "chat-run-0"
	s := &scope{
		stack: &v1alpha1.OpenIMStack{
			ObjectMeta: metav1.ObjectMeta{Name: "chat", Namespace: "im", Generation: 7},
			Spec:       v1alpha1.OpenIMStackSpec{Version: "v3.8.3"},
		},
		referencesRead: true, policiesInPlace: true, applied: true, proposed: true, deployments: map[string]*appsv1.Deployment{},
		wanted: run, planned: &rollout.Plan{State: rollout.State{Current: run}},
		history: []runRevision{{Revision: rollout.Revision{Name: run, Hashes: map[string]string{}}}},
	}
	for _, c := range graph.Components() {
		s.history[0].Hashes[c.Name] = "hash"
		s.deployments[c.Name] = &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Generation: 2, Annotations: map[string]string{v1alpha1.AnnotationRevision: run}},
			Spec:       appsv1.DeploymentSpec{Replicas: ptr.To[int32](1)},
			Status:     appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 1, UpdatedReplicas: 1, AvailableReplicas: 1},
		}
	}
	for _, c := range change {
		c(s)
	}
	return s
}

// Each case is a situation and the conditions that it shows. A condition that is not named is not checked; "" means absent.
func TestConditions(t *testing.T) {
	stalled := dependencies.Problem{Reason: v1alpha1.ReasonPeersNeeded, Field: "spec.x", Message: "m", Stalled: true}
	waiting := dependencies.Problem{Reason: v1alpha1.ReasonSecretNotFound, Field: "spec.x", Message: "m"}
	cases := []struct {
		name  string
		scope *scope
		want  map[string]string
	}{
		{"all is well", running(), map[string]string{
			"Ready": "True/Ready", "DependenciesReady": "True/Resolved", "OpenIMAvailable": "True/Available", "WrapperAvailable": "True/Available",
			"NetworkIsolated": "Unknown/NotVerified", "Reconciling": "", "Stalled": "", "Paused": "",
		}},
		{"a process is missing", running(func(s *scope) { delete(s.deployments, "push") }), map[string]string{
			"Ready": "False/Waiting", "OpenIMAvailable": "False/Waiting", "WrapperAvailable": "True/Available",
			"Reconciling": "True/Progressing", "Stalled": "",
		}},
		{"a rollout is under way", running(func(s *scope) { s.deployments["api"].Status.UpdatedReplicas = 0 }), map[string]string{
			"Ready": "False/Waiting", "OpenIMAvailable": "False/Waiting", "Reconciling": "True/Progressing",
		}},
		{"an old pod is still there", running(func(s *scope) { s.deployments["api"].Status.Replicas = 2 }), map[string]string{
			"OpenIMAvailable": "False/Waiting",
		}},
		{"the Deployment controller has not observed it yet", running(func(s *scope) { s.deployments["api"].Generation = 3 }), map[string]string{
			"OpenIMAvailable": "False/Waiting",
		}},
		{"the backend is not ready", running(func(s *scope) { s.deployments["backend"].Status.AvailableReplicas = 0 }), map[string]string{
			"Ready": "False/Waiting", "OpenIMAvailable": "True/Available", "WrapperAvailable": "False/Waiting",
		}},
		{"only the user can solve it", running(func(s *scope) { s.problems = []dependencies.Problem{stalled} }), map[string]string{
			"Ready": "False/PeersNeeded", "DependenciesReady": "False/PeersNeeded", "Stalled": "True/PeersNeeded", "Reconciling": "",
		}},
		{"something may still appear", running(func(s *scope) { s.problems = []dependencies.Problem{waiting} }), map[string]string{
			"Ready": "False/SecretNotFound", "DependenciesReady": "False/SecretNotFound", "Stalled": "", "Reconciling": "True/Progressing",
		}},
		{"a policy could not be written", running(func(s *scope) {
			s.policiesInPlace, s.applied, s.faults = false, false, busy()
		}), map[string]string{
			"Ready": "False/ApplyFailed", "NetworkIsolated": "False/PoliciesNotInPlace", "DependenciesReady": "True/Resolved",
			"Reconciling": "True/Progressing",
		}},
		{"a name is taken", running(func(s *scope) { s.fail(outcome.NewTerminal(outcome.ReasonNameConflict, "m")) }), map[string]string{
			"Ready": "False/NameConflict", "Stalled": "True/NameConflict", "Reconciling": "",
		}},
		{"references could not be read", running(func(s *scope) { s.referencesRead, s.faults = false, busy() }),
			map[string]string{
				"DependenciesReady": "Unknown/ApplyFailed", "Reconciling": "True/Progressing",
			}},
		{"a proxy before the users' port, and none is trusted", running(behindAProxy), map[string]string{
			"Ready": "True/Ready", "SettingsAccepted": "True/ProxyNotTrusted", "Stalled": "", "Reconciling": "",
		}},
		{"a proxy that is trusted", running(behindAProxy, func(s *scope) {
			s.stack.Spec.Wrapper.Auth.Users.TrustedProxies = []v1alpha1.CIDR{"10.0.0.0/8"}
		}), map[string]string{"SettingsAccepted": "True/Accepted"}},
		{"no audit yet", running(behindAProxy, func(s *scope) { s.assessment = prober.Assessment{} }), map[string]string{
			"SettingsAccepted": "True/Accepted",
		}},
		{"no audit since the operator restarted", running(behindAProxy, func(s *scope) {
			s.updateStatus()
			s.assessment = prober.Assessment{}
		}), map[string]string{"SettingsAccepted": "True/ProxyNotTrusted"}},
		{"the proxy is gone", running(behindAProxy, func(s *scope) {
			s.updateStatus()
			s.assessment.Proxies = nil
		}), map[string]string{"SettingsAccepted": "True/Accepted"}},
		{"suspended", running(func(s *scope) { s.stack.Spec.Suspend, s.pending = ptr.To(true), []string{"Service/chat-api"} }), map[string]string{
			"Paused": "True/Suspended", "Reconciling": "", "Stalled": "",
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.scope.updateStatus()
			for kind, want := range c.want {
				got := ""
				if condition := apimeta.FindStatusCondition(c.scope.stack.Status.Conditions, kind); condition != nil {
					got = string(condition.Status) + "/" + condition.Reason
					NewWithT(t).Expect(condition.ObservedGeneration).To(Equal(int64(7)))
				}
				NewWithT(t).Expect(got).To(Equal(want), kind)
			}
		})
	}
}

// behindAProxy lets users log in, and adds an Ingress to the users' port.
func behindAProxy(s *scope) {
	s.stack.Spec.Wrapper.Auth.Users = &v1alpha1.UserAuth{}
	s.assessment = prober.Assessment{Audited: true, Proxies: []audit.Object{{Kind: "Ingress", Namespace: "im", Name: "web"}}}
}

func TestAProxyThatIsNotTrustedIsNamedAndWarnedOf(t *testing.T) {
	g := NewWithT(t)
	s := running(behindAProxy)
	turned := s.updateStatus()
	c := apimeta.FindStatusCondition(s.stack.Status.Conditions, v1alpha1.ConditionSettingsAccepted)
	g.Expect(c.Message).To(And(ContainSubstring("Ingress im/web"), ContainSubstring("spec.wrapper.auth.users.trustedProxies")))
	g.Expect(turned).To(ContainElement(*c))
	g.Expect(eventkind.OfCondition(*c).Type()).To(Equal(corev1.EventTypeWarning))
	g.Expect(s.updateStatus()).To(BeEmpty())
}

// busy returns the fault of an API server that answers later.
func busy() []*outcome.Fault { return outcome.Of(apierrors.NewTooManyRequests("wait", 1)) }

func TestObservedGenerationMovesWhenTheSpecWasAppliedOrRefused(t *testing.T) {
	terminal := outcome.NewTerminal(v1alpha1.ReasonForbidden, "m")
	for name, c := range map[string]struct {
		scope *scope
		moves bool
	}{
		"applied":                 {running(), true},
		"refused":                 {running(func(s *scope) { s.faults = []*outcome.Fault{terminal} }), true},
		"refused in part":         {running(func(s *scope) { s.faults = append(busy(), terminal) }), true},
		"the API server is busy":  {running(func(s *scope) { s.faults = busy() }), false},
		"the namespace goes away": {running(func(s *scope) { s.fail(outcome.NewWaiting("W", "m", time.Second)) }), false},
		"a reference cannot be used": {running(func(s *scope) {
			s.problems = []dependencies.Problem{{Reason: v1alpha1.ReasonPeersNeeded, Stalled: true}}
		}), true},
		"a Secret is not there yet": {running(func(s *scope) {
			s.problems = []dependencies.Problem{{Reason: v1alpha1.ReasonSecretNotFound}}
		}), false},
		"suspended": {running(func(s *scope) { s.stack.Spec.Suspend, s.applied = ptr.To(true), false }), true},
	} {
		t.Run(name, func(t *testing.T) {
			c.scope.stack.Status.ObservedGeneration = 6
			c.scope.updateStatus()
			want := int64(6)
			if c.moves {
				want = 7
			}
			NewWithT(t).Expect(c.scope.stack.Status.ObservedGeneration).To(Equal(want))
		})
	}
}

func TestATerminalFaultIsStalledWithItsReason(t *testing.T) {
	g := NewWithT(t)
	s := running(func(s *scope) {
		s.applied, s.faults = false, append(busy(), outcome.NewTerminal(v1alpha1.ReasonQuotaExceeded, "a: raise it"))
	})
	s.updateStatus()
	for _, kind := range []string{v1alpha1.ConditionStalled, v1alpha1.ConditionReady} {
		c := apimeta.FindStatusCondition(s.stack.Status.Conditions, kind)
		g.Expect(c).NotTo(BeNil(), kind)
		g.Expect(c.Reason+": "+c.Message).To(Equal("QuotaExceeded: a: raise it"), "the transient fault is not what a user must solve")
	}
	g.Expect(apimeta.FindStatusCondition(s.stack.Status.Conditions, v1alpha1.ConditionReconciling)).To(BeNil())
	s.faults, s.applied = nil, true
	s.updateStatus()
	g.Expect(apimeta.FindStatusCondition(s.stack.Status.Conditions, v1alpha1.ConditionStalled)).To(BeNil())
}

func TestOnlyMessagesDiffer(t *testing.T) {
	g := NewWithT(t)
	s := running()
	s.updateStatus()
	before := *s.stack.Status.DeepCopy()
	s.stack.Status.Conditions[0].Message = "another"
	s.stack.Status.Processes[0].Message = "another"
	g.Expect(onlyMessages(before, s.stack.Status)).To(BeTrue())
	s.stack.Status.Conditions[0].Reason = "Another"
	g.Expect(onlyMessages(before, s.stack.Status)).To(BeFalse())
	s.stack.Status = *before.DeepCopy()
	s.stack.Status.ObservedGeneration++
	g.Expect(onlyMessages(before, s.stack.Status)).To(BeFalse())
	g.Expect(before.Conditions[0].Message).NotTo(BeEmpty(), "the comparison changes nothing")
}

func TestAResultOfTheProbeExpires(t *testing.T) {
	g := NewWithT(t)
	s := running()
	noon := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	s.now = noon
	s.updateStatus()
	g.Expect(s.resultExpires()).To(BeZero(), "there is none")
	s.stack.Status.Boundary = &v1alpha1.Boundary{LastProbe: &v1alpha1.ProbeResult{
		Time: metav1.NewTime(noon.Add(-time.Minute)), Outcome: v1alpha1.ReasonEnforced,
	}}
	isolated := func() string {
		s.updateStatus()
		c := apimeta.FindStatusCondition(s.stack.Status.Conditions, v1alpha1.ConditionNetworkIsolated)
		return string(c.Status) + "/" + c.Reason
	}
	g.Expect(isolated()).To(Equal("True/Enforced"))
	wait := s.resultExpires()
	g.Expect(wait).To(Equal(9*time.Minute), "two intervals of five minutes")
	s.now = s.now.Add(wait - time.Nanosecond)
	g.Expect(isolated()).To(Equal("True/Enforced"))
	s.now = s.now.Add(time.Nanosecond)
	g.Expect(isolated()).To(Equal("Unknown/NotVerified"), "it is woken up when there is something to write")
	g.Expect(s.resultExpires()).To(BeZero())
}

func TestTheReasonsOfFaultsAreThoseOfTheAPI(t *testing.T) {
	for reason, api := range map[string]string{
		outcome.ReasonTransient: v1alpha1.ReasonApplyFailed, outcome.ReasonNamespaceTerminating: v1alpha1.ReasonNamespaceTerminating,
		outcome.ReasonRefusedByAdmission: v1alpha1.ReasonRefusedByAdmission, outcome.ReasonInvalid: v1alpha1.ReasonInvalidSpec,
		outcome.ReasonForbidden: v1alpha1.ReasonForbidden, outcome.ReasonQuotaExceeded: v1alpha1.ReasonQuotaExceeded,
		outcome.ReasonTooLarge: v1alpha1.ReasonTooLarge, outcome.ReasonKindNotServed: v1alpha1.ReasonKindNotServed,
		outcome.ReasonNameConflict: v1alpha1.ReasonNameConflict,
	} {
		NewWithT(t).Expect(reason).To(Equal(api))
	}
}

func TestTheVersionIsWhatRunsNotWhatIsWanted(t *testing.T) {
	s := running(func(s *scope) {
		s.stack.Status.Version = "v3.8.3"
		s.stack.Spec.Version = "v3.8.3-patch.16"
		s.deployments["rpc-msg"].Status.AvailableReplicas = 0
	})
	s.updateStatus()
	NewWithT(t).Expect(s.stack.Status.Version).To(Equal("v3.8.3"))
}

func TestTheSameSituationGivesTheSameStatus(t *testing.T) {
	s := running(func(s *scope) { delete(s.deployments, "push") })
	s.updateStatus()
	before := s.stack.Status.DeepCopy()
	turned := s.updateStatus()
	NewWithT(t).Expect(&s.stack.Status).To(Equal(before), "a status that changes by itself would be written for ever")
	NewWithT(t).Expect(turned).To(BeEmpty())
}

// The first status of a stack has some nine conditions. What comes later is news, good or bad.
func TestTheFirstConditionsMakeAnEventWhenTheyAreBad(t *testing.T) {
	g := NewWithT(t)
	types := func(changed []metav1.Condition) (names []string) {
		for _, c := range changed {
			names = append(names, c.Type)
		}
		return names
	}
	g.Expect(types(running().updateStatus())).To(ConsistOf(v1alpha1.ConditionReady))
	broken := running(func(s *scope) {
		s.problems = []dependencies.Problem{{Reason: v1alpha1.ReasonServiceNotFound, Field: "spec.dependencies.redis", Message: "is gone"}}
	})
	g.Expect(types(broken.updateStatus())).To(ContainElements(v1alpha1.ConditionReady, v1alpha1.ConditionDependenciesReady))

	known := running()
	known.updateStatus()
	known.proposed, known.outdated = true, []string{"backend"}
	g.Expect(types(known.updateStatus())).To(ContainElement(v1alpha1.ConditionUpdateAvailable))
}

func TestAMessageOfProgressMakesNoEvent(t *testing.T) {
	s := running(func(s *scope) { delete(s.deployments, "push"); delete(s.deployments, "api") })
	s.updateStatus()
	s.deployments["api"] = running().deployments["api"]
	NewWithT(t).Expect(s.updateStatus()).To(BeEmpty())
}

// An update that was found stays available until a reconciliation finds out that it is not.
func TestUpdateStaysAvailableWhileNothingIsProposed(t *testing.T) {
	g := NewWithT(t)
	found := running(func(s *scope) { s.proposed, s.outdated = true, []string{"backend"} })
	found.updateStatus()
	before := apimeta.FindStatusCondition(found.stack.Status.Conditions, v1alpha1.ConditionUpdateAvailable)
	g.Expect(before).NotTo(BeNil())

	failed := running(func(s *scope) { s.stack.Status, s.proposed = found.stack.Status, false })
	failed.updateStatus()
	g.Expect(apimeta.FindStatusCondition(failed.stack.Status.Conditions, v1alpha1.ConditionUpdateAvailable)).To(Equal(before))

	updated := running(func(s *scope) { s.stack.Status, s.proposed = failed.stack.Status, true })
	updated.updateStatus()
	g.Expect(apimeta.FindStatusCondition(updated.stack.Status.Conditions, v1alpha1.ConditionUpdateAvailable)).To(BeNil())
}

// Each start of the operator would write the status twice otherwise, and an event each time.
func TestExposedKeepsItsWarningsUntilTheFirstAudit(t *testing.T) {
	g := NewWithT(t)
	s := running(func(s *scope) {
		s.stack.Spec.Wrapper.Gateway = &v1alpha1.GatewaySpec{Expose: []v1alpha1.Exposure{{
			Listener: v1alpha1.ListenerAdmins, Service: &v1alpha1.ExposedService{Type: v1alpha1.ExposedNodePort},
		}}}
		s.stack.Spec.Network = &v1alpha1.Network{Clients: []v1alpha1.Peer{{PodSelector: &v1alpha1.Selector{}}}}
		s.assessment = prober.Assessment{Audited: true, PeersSelectNothing: []string{"spec.network.clients"}}
	})
	s.updateStatus()
	exposed := func() metav1.Condition {
		return *apimeta.FindStatusCondition(s.stack.Status.Conditions, v1alpha1.ConditionExposed)
	}
	before := exposed()
	g.Expect(before.Reason).To(Equal(v1alpha1.ReasonPeersSelectNothing))

	s.assessment = prober.Assessment{} // another process
	g.Expect(s.updateStatus()).To(BeEmpty(), "no event")
	g.Expect(exposed()).To(Equal(before))

	s.assessment = prober.Assessment{Audited: true} // the pods are there now
	s.updateStatus()
	g.Expect(exposed().Reason).To(Equal(v1alpha1.ReasonExposed))

	s.assessment = prober.Assessment{Audited: true, PeersSelectNothing: []string{"spec.network.clients"}}
	s.updateStatus()
	s.assessment = prober.Assessment{}
	s.stack.Generation++
	s.updateStatus()
	g.Expect(exposed().Reason).To(Equal(v1alpha1.ReasonExposed), "the warning was about an earlier spec")
}
