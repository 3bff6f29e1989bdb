package boundary

import (
	"fmt"
	"slices"
	"strings"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/lockdown/audit"
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

// Isolated is the condition NetworkIsolated. What is worse comes first: a packet or an object that passes the boundary, policies that
// nothing enforces, policies that are missing; only then what is not known.
func Isolated(e Evidence) metav1.Condition {
	breaches := e.breaches()
	switch {
	case len(breaches) > 0:
		return condition(metav1.ConditionFalse, v1alpha1.ReasonBreached, describe(breaches))
	case e.probed(v1alpha1.ReasonBreached):
		return condition(metav1.ConditionFalse, v1alpha1.ReasonBreached, e.Probe.Message)
	case e.probed(v1alpha1.ReasonNotEnforcedByCNI):
		return condition(metav1.ConditionFalse, v1alpha1.ReasonNotEnforcedByCNI, e.Probe.Message)
	case !e.PoliciesInPlace:
		return condition(metav1.ConditionFalse, v1alpha1.ReasonPoliciesNotInPlace, "not all NetworkPolicies of the stack are in place"+e.missing())
	case e.probed(v1alpha1.ReasonEnforced) && !e.Outdated:
		return condition(metav1.ConditionTrue, v1alpha1.ReasonEnforced, e.Probe.Message)
	default:
		return condition(metav1.ConditionUnknown, v1alpha1.ReasonIsolationUnverified, "all NetworkPolicies of the stack are in place; "+e.unverified())
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
		if ours(f) {
			names = append(names, f.Object.Name)
		}
	}
	slices.Sort(names)
	if names = slices.Compact(names); len(names) == 0 {
		return ""
	}
	return ": " + some(names)
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

// breaches are findings of objects that open a sealed port. While policies of the stack are known to be missing, that is what is said,
// not each consequence of it.
func (e Evidence) breaches() []audit.Finding {
	var found []audit.Finding
	for _, f := range e.Findings {
		if !opens(f) || !e.PoliciesInPlace && ours(f) {
			continue
		}
		found = append(found, f)
	}
	return found
}

// opens tells whether a finding is an object that lets somebody through to a port of the stack.
func opens(f audit.Finding) bool {
	return f.Severity != audit.Low && len(f.Ports) > 0 && slices.Contains(openings, f.Kind)
}

// openings are the kinds of findings that let somebody in. The others are about stores, ways out, or what nobody knows.
var openings = []string{
	audit.ForeignPolicyWidens, audit.MetricsUnsealed, audit.OwnPolicyMissing, audit.OwnPolicyChanged, audit.ReservedLabels, audit.ServiceExposes,
	audit.IngressExposes, audit.RouteExposes, audit.HostPort, audit.HostNetwork, audit.Unexplained,
}

// ours tells whether a finding is about a policy of the stack's own.
func ours(f audit.Finding) bool {
	return f.Kind == audit.OwnPolicyMissing || f.Kind == audit.OwnPolicyChanged
}

func describe(findings []audit.Finding) string {
	var sentences []string
	for _, f := range findings[:min(len(findings), 3)] {
		sentences = append(sentences, fmt.Sprintf("%s opens %s: %s", name(f.Object), some(f.Ports), f.Reason))
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
			Kind: f.Kind, Severity: string(f.Severity), Object: cut(name(f.Object), 400), Message: cut(strings.TrimSuffix(f.Reason, ".")+": "+f.Lets, maxText),
		})
	}
	for _, x := range a.Exceptions {
		if text := cut(x.Name+": "+x.Lets+". "+x.Risk, maxText); !slices.Contains(b.Exceptions, text) && len(b.Exceptions) < 32 {
			b.Exceptions = append(b.Exceptions, text)
		}
	}
}

func name(o audit.Object) string {
	if o.Namespace == "" {
		return o.Kind + " " + o.Name
	}
	return o.Kind + " " + o.Namespace + "/" + o.Name
}

// cut shortens a text to so many bytes, at a character's edge.
func cut(text string, longest int) string {
	const dots = "..."
	if len(text) <= longest {
		return text
	}
	return strings.ToValidUTF8(text[:longest-len(dots)], "") + dots
}

func condition(status metav1.ConditionStatus, reason, message string) metav1.Condition {
	return metav1.Condition{Type: v1alpha1.ConditionNetworkIsolated, Status: status, Reason: reason, Message: cut(message, maxMessage)}
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
	return apimeta.IsStatusConditionTrue(conditions, v1alpha1.ConditionOpenIMAvailable) && !apimeta.IsStatusConditionFalse(conditions, v1alpha1.ConditionWrapperAvailable)
}
