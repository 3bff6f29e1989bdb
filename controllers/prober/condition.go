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
	// maxMessage bounds the message of a condition: the note of an event, which repeats the message, holds 1 kB.
	maxMessage = 1000
	// maxFindings bounds the findings in the status.
	maxFindings = 16
	// maxText bounds one finding or exception in the status.
	maxText = 512
	// staleAfter is the number of intervals after which a result no longer counts.
	staleAfter = 2
	// defaultInterval between two probes.
	defaultInterval = 300 * time.Second
)

// Assessment is what is known of a stack's lockdown.
type Assessment struct {
	// Audited is true when this process has audited the live objects.
	Audited bool
	// Findings of the audit, the most severe first.
	Findings []audit.Finding
	// Exceptions that the spec permits.
	Exceptions []audit.Exception
	// Unread are kinds that the cluster has and that the audit could not read. The condition names them; it is based on what was read and
	// probed.
	Unread []string
	// Proxies are the Ingresses and routes that lead to the gateway's users' port. They open nothing.
	Proxies []audit.Object
	// PeersOnHostNetwork are fields of the spec whose peers of the gateway select only pods on their nodes' network, PeersSelectNothing those
	// whose peers select no pod.
	PeersOnHostNetwork, PeersSelectNothing []string
	// Probe is the latest result, nil when this process has none.
	Probe *v1alpha1.ProbeResult
	// Outdated is true when the desired graph differs from the one of the latest result.
	Outdated bool
	// Waiting explains why there is no result yet. It may be empty.
	Waiting string
}

// Evidence is everything that decides the condition NetworkIsolated.
type Evidence struct {
	Assessment
	// PoliciesInPlace is true when all policies of the stack are as desired. Missing names policies that are known to differ.
	PoliciesInPlace bool
	Missing         []string
	// Undecided is why it is not known which policies the stack needs. Empty when it is known. The live policies then stay as they are.
	Undecided string
	// Interval between two probes.
	Interval time.Duration
	Now      time.Time
}

// Isolated returns the condition NetworkIsolated. The worst cause comes first: an object that opens the stack or a connection that
// succeeded, then policies that the network does not enforce, then missing policies, and last a state that is not known. A finding comes
// before the result of a probe, because it names the object that is to blame.
func Isolated(e Evidence) metav1.Condition {
	breaches, sign := e.breaches(), e.notEnforced()
	switch {
	case len(breaches) > 0:
		return condition(metav1.ConditionFalse, v1alpha1.ReasonBreached, describe(breaches))
	case e.probed(v1alpha1.ReasonBreached):
		return condition(metav1.ConditionFalse, v1alpha1.ReasonBreached, e.Probe.Message)
	case e.probed(v1alpha1.ReasonNotEnforcedByCNI):
		return condition(metav1.ConditionFalse, v1alpha1.ReasonNotEnforcedByCNI, e.Probe.Message)
	case e.Undecided != "":
		return condition(metav1.ConditionUnknown, v1alpha1.ReasonNotVerified,
			"the NetworkPolicies of the stack stay as they are, because it is not known which it needs: "+e.Undecided)
	case !e.PoliciesInPlace || slices.ContainsFunc(e.Findings, isOwnPolicy):
		return condition(metav1.ConditionFalse, v1alpha1.ReasonPoliciesNotInPlace,
			"not all NetworkPolicies of the stack are in place"+e.missing())
	case e.probed(v1alpha1.ReasonEnforced) && !e.Outdated:
		return condition(metav1.ConditionTrue, v1alpha1.ReasonEnforced, e.Probe.Message+e.notRead())
	case sign != nil && !e.probed(v1alpha1.ReasonEnforced) && (e.Probe != nil || e.Waiting != ""):
		return condition(metav1.ConditionFalse, v1alpha1.ReasonNotEnforcedByCNI, describe([]audit.Finding{*sign}))
	default:
		return condition(metav1.ConditionUnknown, v1alpha1.ReasonNotVerified,
			"all NetworkPolicies of the stack are in place; "+e.unverified()+e.notRead())
	}
}

// probed reports whether the latest result has this outcome and is not stale.
func (e Evidence) probed(outcome string) bool {
	return e.Probe != nil && e.Probe.Outcome == outcome && !e.stale()
}

func (e Evidence) stale() bool { return !e.Now.Before(Expiry(e.Probe, e.Interval)) }

// Expiry returns when a result of the probe no longer counts.
func Expiry(result *v1alpha1.ProbeResult, interval time.Duration) time.Time {
	return result.Time.Add(staleAfter * interval)
}

// missing names the policies that differ from the desired ones.
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

// notRead names the kinds that the audit could not read. It returns "" when all were read.
func (e Evidence) notRead() string {
	if len(e.Unread) == 0 {
		return ""
	}
	return "; some kinds could not be read, because the operator lacks the right or the read failed: " + firstThree(e.Unread)
}

func (e Evidence) unverified() string {
	const untried = "whether the cluster's network enforces them has not been probed"
	since := ""
	if e.Probe != nil {
		since = " since the spec changed them"
	}
	switch {
	case e.Probe != nil && e.stale():
		return fmt.Sprintf("the last probe is older than %d intervals of %s: check the operator's log", staleAfter, e.Interval)
	case e.Probe != nil && e.Probe.Outcome != v1alpha1.ReasonEnforced:
		return e.Probe.Message
	case e.Waiting != "":
		return untried + since + ": " + e.Waiting
	default:
		return untried + " yet" + since
	}
}

// breaches returns the findings about objects that permit connections to or from the stack. Findings about the stack's own policies are
// excluded: the operator restores these policies, and until then the reason is PoliciesNotInPlace, which needs no action.
func (e Evidence) breaches() []audit.Finding {
	var found []audit.Finding
	for _, f := range e.Findings {
		if opensAccess(f) && !isOwnPolicy(f) {
			found = append(found, f)
		}
	}
	return found
}

// notEnforced returns a finding that the cluster does not enforce policies, nil when there is none. The finding comes from the network
// plugin's own pods. A recent probe that found the policies enforced refutes it, because another plugin may enforce what this plugin does
// not.
func (e Evidence) notEnforced() *audit.Finding {
	i := slices.IndexFunc(e.Findings, func(f audit.Finding) bool { return f.Kind == audit.NotEnforced })
	if i < 0 {
		return nil
	}
	return &e.Findings[i]
}

// opensAccess reports whether a finding is about an object that permits a connection to or from the stack: every finding of severity
// Critical or High, and those of severity Medium that open a port of the stack.
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

// openingKinds are the kinds of findings that open a port even at severity Medium: of metrics, or of a listener that is opened to more
// clients than the spec names.
var openingKinds = []string{
	audit.ForeignPolicyWidens, audit.MetricsUnsealed, audit.OwnPolicyMissing, audit.OwnPolicyChanged, audit.ReservedLabels,
	audit.ServiceExposes,
	audit.IngressExposes, audit.RouteExposes, audit.HostPort, audit.HostNetwork, audit.Unexplained,
}

// isOwnPolicy reports whether a finding is about a policy of the stack itself, which the operator restores.
func isOwnPolicy(f audit.Finding) bool {
	return f.Kind == audit.OwnPolicyMissing || f.Kind == audit.OwnPolicyChanged
}

// describe names the objects of the worst findings and counts the rest.
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

// Fill writes the assessment into the status. Fields that this process has not evaluated yet keep their value.
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

// ProxiesText names the first proxies before the users' port and counts the rest. It returns "" when there is none.
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

// truncate shortens a text to longest bytes, at the edge of a character.
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

// Interval returns the time between two probes of a stack.
func Interval(stack *v1alpha1.OpenIMStack) time.Duration {
	if n := stack.Spec.Network; n != nil && n.Probe != nil && n.Probe.IntervalSeconds != nil {
		return time.Duration(*n.Probe.IntervalSeconds) * time.Second
	}
	return defaultInterval
}

// settled reports whether all components of the stack are available. Until then pods come and go, and a new pod is no reason to probe.
func settled(stack *v1alpha1.OpenIMStack) bool {
	conditions := stack.Status.Conditions
	return apimeta.IsStatusConditionTrue(conditions, v1alpha1.ConditionOpenIMAvailable) &&
		!apimeta.IsStatusConditionFalse(conditions, v1alpha1.ConditionWrapperAvailable)
}
