package prober

import (
	"fmt"
	"slices"
	"strings"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/audit"
)

const (
	// maxMessage of a condition: an event's note, which repeats it, holds 1 kB.
	maxMessage = 1000
	// maxFindings in the status.
	maxFindings = 16
	// maxText of one finding or exception in the status.
	maxText = 512
	// staleAfter so many intervals a result counts no more.
	staleAfter = 2
	// defaultInterval between two probes.
	defaultInterval = 300 * time.Second
)

// Assessment is what is known of a stack's boundary.
type Assessment struct {
	// Audited is true when the live objects have been looked at by this process.
	Audited bool
	// Findings of the audit, the most severe first.
	Findings []audit.Finding
	// Exceptions that the spec asks for.
	Exceptions []audit.Exception
	// Unread are kinds that the cluster has and that the audit could not read. What they would say is not known: the condition says so, and
	// rests on what was read and tried.
	Unread []string
	// Proxies are the proxies before the gateway's users' port, as far as Ingresses and routes tell. They open nothing.
	Proxies []audit.Object
	// Probe is the latest result, nil when this process has none.
	Probe *v1alpha1.ProbeResult
	// Outdated is true when the stack wants something else than it did when the latest result was found.
	Outdated bool
	// Waiting says why there is no result yet. Empty when there is nothing to say.
	Waiting string
}

// Evidence is all that the condition NetworkIsolated follows from.
type Evidence struct {
	Assessment
	// PoliciesInPlace is true when all policies of the stack are as wanted. Missing names those that are known not to be.
	PoliciesInPlace bool
	Missing         []string
	// Interval between two probes.
	Interval time.Duration
	Now      time.Time
}

// Isolated is the condition NetworkIsolated. What is worse comes first: an object or a packet that passes the boundary, policies that
// nothing enforces, policies that are missing; only then what is not known. A finding comes before what a probe saw, since it names the
// object that is to blame.
func Isolated(e Evidence) metav1.Condition {
	breaches, sign := e.breaches(), e.notEnforced()
	switch {
	case len(breaches) > 0:
		return condition(metav1.ConditionFalse, v1alpha1.ReasonBreached, describe(breaches))
	case e.probed(v1alpha1.ReasonBreached):
		return condition(metav1.ConditionFalse, v1alpha1.ReasonBreached, e.Probe.Message)
	case e.probed(v1alpha1.ReasonNotEnforcedByCNI):
		return condition(metav1.ConditionFalse, v1alpha1.ReasonNotEnforcedByCNI, e.Probe.Message)
	case !e.PoliciesInPlace || slices.ContainsFunc(e.Findings, isOwnPolicy):
		return condition(metav1.ConditionFalse, v1alpha1.ReasonPoliciesNotInPlace,
			"not all NetworkPolicies of the stack are in place"+e.missing())
	case e.probed(v1alpha1.ReasonEnforced) && !e.Outdated:
		return condition(metav1.ConditionTrue, v1alpha1.ReasonEnforced, e.Probe.Message+e.notRead())
	case sign != nil && !e.probed(v1alpha1.ReasonEnforced) && (e.Probe != nil || e.Waiting != ""):
		return condition(metav1.ConditionFalse, v1alpha1.ReasonNotEnforcedByCNI, describe([]audit.Finding{*sign}))
	default:
		return condition(metav1.ConditionUnknown, v1alpha1.ReasonIsolationUnverified,
			"all NetworkPolicies of the stack are in place; "+e.unverified()+e.notRead())
	}
}

// probed tells whether the latest result has an outcome and is not too old.
func (e Evidence) probed(outcome string) bool {
	return e.Probe != nil && e.Probe.Outcome == outcome && !e.stale()
}

func (e Evidence) stale() bool { return e.Now.Sub(e.Probe.Time.Time) > staleAfter*e.Interval }

// missing names policies that are not as wanted.
func (e Evidence) missing() string {
	names := slices.Clone(e.Missing)
	for _, f := range e.Findings {
		if isOwnPolicy(f) {
			names = append(names, f.Object.Name)
		}
	}
	slices.Sort(names)
	if names = slices.Compact(names); len(names) == 0 {
		return ""
	}
	return ": " + firstThree(names)
}

// notRead names the kinds that the audit could not read. Empty when there is none.
func (e Evidence) notRead() string {
	if len(e.Unread) == 0 {
		return ""
	}
	return "; not read, for lack of the right or because it fails: " + firstThree(e.Unread)
}

func (e Evidence) unverified() string {
	const untried = "whether the cluster's network enforces them has not been tried"
	since := ""
	if e.Probe != nil {
		since = " since the spec changed them"
	}
	switch {
	case e.Probe != nil && e.stale():
		return fmt.Sprintf("the last probe is older than %d intervals of %s: look at the operator's log", staleAfter, e.Interval)
	case e.Probe != nil && e.Probe.Outcome != v1alpha1.ReasonEnforced:
		return e.Probe.Message
	case e.Waiting != "":
		return untried + since + ": " + e.Waiting
	default:
		return untried + " yet" + since
	}
}

// breaches are findings of objects that let something in or out. The stack's own policies are not among them: the operator puts them
// back, and until it has done so the reason is PoliciesNotInPlace, which needs nobody's help.
func (e Evidence) breaches() []audit.Finding {
	var found []audit.Finding
	for _, f := range e.Findings {
		if opensAccess(f) && !isOwnPolicy(f) {
			found = append(found, f)
		}
	}
	return found
}

// notEnforced returns a finding that says that nobody enforces policies, nil when there is none. It is read off the network plugin's own pods:
// a recent probe that found the policies enforced refutes it, since another plugin may do what this one does not.
func (e Evidence) notEnforced() *audit.Finding {
	i := slices.IndexFunc(e.Findings, func(f audit.Finding) bool { return f.Kind == audit.NotEnforced })
	if i < 0 {
		return nil
	}
	return &e.Findings[i]
}

// opensAccess reports whether a finding is an object that lets something in or out: each of severity Critical or High, and of Medium those that
// open a port of the stack.
func opensAccess(f audit.Finding) bool {
	switch f.Severity {
	case audit.Critical, audit.High:
		return f.Kind != audit.NotEnforced
	case audit.Medium:
		return len(f.Ports) > 0 && slices.Contains(openingKinds, f.Kind)
	default:
		return false
	}
}

// openingKinds are the kinds of findings that let somebody in even when they are of severity Medium: to metrics, or to a door that is opened
// wider than the spec says.
var openingKinds = []string{
	audit.ForeignPolicyWidens, audit.MetricsUnsealed, audit.OwnPolicyMissing, audit.OwnPolicyChanged, audit.ReservedLabels,
	audit.ServiceExposes,
	audit.IngressExposes, audit.RouteExposes, audit.HostPort, audit.HostNetwork, audit.Unexplained,
}

// isOwnPolicy reports whether a finding is about a policy of the stack's own, which the operator puts back.
func isOwnPolicy(f audit.Finding) bool {
	return f.Kind == audit.OwnPolicyMissing || f.Kind == audit.OwnPolicyChanged
}

// describe names the culprits, the worst first, as the audit does.
func describe(findings []audit.Finding) string {
	var sentences []string
	for _, f := range findings[:min(len(findings), 3)] {
		if len(f.Ports) > 0 {
			sentences = append(sentences, fmt.Sprintf("%s opens %s: %s", objectName(f.Object), firstThree(f.Ports), f.Reason))
			continue
		}
		sentences = append(sentences, fmt.Sprintf("%s: %s: %s", objectName(f.Object), f.Reason, f.Lets))
	}
	text := strings.Join(sentences, "; ")
	if more := len(findings) - len(sentences); more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

// Fill writes what is known into the status. What this process does not know yet stays as it is there.
func (a Assessment) Fill(b *v1alpha1.Boundary) {
	if a.Probe != nil {
		b.LastProbe = a.Probe.DeepCopy()
	}
	if !a.Audited {
		return
	}
	b.Findings, b.Exceptions = nil, nil
	b.FindingsTotal = count(len(a.Findings))
	for _, f := range a.Findings[:min(len(a.Findings), maxFindings)] {
		b.Findings = append(b.Findings, v1alpha1.BoundaryFinding{
			Kind: f.Kind, Severity: string(f.Severity), Object: truncate(objectName(f.Object), 400),
			Message: truncate(strings.TrimSuffix(f.Reason, ".")+": "+f.Lets, maxText),
		})
	}
	for _, x := range a.Exceptions {
		if text := truncate(x.Name+": "+x.Lets+". "+x.Risk, maxText); !slices.Contains(b.Exceptions, text) && len(b.Exceptions) < 32 {
			b.Exceptions = append(b.Exceptions, text)
		}
	}
}

// ProxiesText names the proxies before the users' port, some of many. Empty when there is none.
func (a Assessment) ProxiesText() string {
	const some = 3
	var names []string
	for _, front := range a.Proxies[:min(len(a.Proxies), some)] {
		names = append(names, objectName(front))
	}
	text := strings.Join(names, ", ")
	if more := len(a.Proxies) - some; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func objectName(o audit.Object) string {
	if o.Namespace == "" {
		return o.Kind + " " + o.Name
	}
	return o.Kind + " " + o.Namespace + "/" + o.Name
}

// truncate shortens a text to so many bytes, at a character's edge.
func truncate(text string, longest int) string {
	const dots = "..."
	if len(text) <= longest {
		return text
	}
	return strings.ToValidUTF8(text[:longest-len(dots)], "") + dots
}

func condition(status metav1.ConditionStatus, reason, message string) metav1.Condition {
	return metav1.Condition{Type: v1alpha1.ConditionNetworkIsolated, Status: status, Reason: reason, Message: truncate(message, maxMessage)}
}

// Interval between two probes of a stack.
func Interval(stack *v1alpha1.OpenIMStack) time.Duration {
	if n := stack.Spec.Network; n != nil && n.Probe != nil && n.Probe.IntervalSeconds != nil {
		return time.Duration(*n.Probe.IntervalSeconds) * time.Second
	}
	return defaultInterval
}

// settled tells whether everything that the stack wants runs. Until then its pods come and go, and their coming is no reason to probe.
func settled(stack *v1alpha1.OpenIMStack) bool {
	conditions := stack.Status.Conditions
	return apimeta.IsStatusConditionTrue(conditions, v1alpha1.ConditionOpenIMAvailable) &&
		!apimeta.IsStatusConditionFalse(conditions, v1alpha1.ConditionWrapperAvailable)
}
