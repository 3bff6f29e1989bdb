package eventkind

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// rule tells which events about a condition ask for somebody's attention.
type rule struct {
	condition string
	// always makes each event a Warning.
	always bool
	// good is the only reason with which the condition is True without a Warning. Empty: each.
	good string
	// warning is a reason with which the condition is True and makes a Warning. Empty: none.
	warning string
	// waiting are the reasons besides those of waiting with which the condition is False without a Warning.
	waiting []string
}

// waiting are the reasons with which each condition may be False without a Warning: what it waits for comes by itself.
var waiting = []string{v1alpha1.ReasonWaiting, v1alpha1.ReasonWaitingForAddress}

// rules has each type of condition. docs/reference/events.md lists them in this order.
var rules = []rule{
	{condition: v1alpha1.ConditionReady},
	{condition: v1alpha1.ConditionReconciling},
	{condition: v1alpha1.ConditionStalled, always: true},
	{condition: v1alpha1.ConditionDependenciesReady, good: v1alpha1.ReasonResolved},
	{condition: v1alpha1.ConditionSettingsAccepted, warning: v1alpha1.ReasonProxyNotTrusted},
	{condition: v1alpha1.ConditionOpenIMAvailable},
	{condition: v1alpha1.ConditionWrapperAvailable},
	{condition: v1alpha1.ConditionNetworkIsolated},
	{condition: v1alpha1.ConditionExposed, good: v1alpha1.ReasonExposed},
	{condition: v1alpha1.ConditionRolledOut, waiting: []string{
		v1alpha1.ReasonProgressing, v1alpha1.ReasonWaitingForSlot, v1alpha1.ReasonWaitingForWindow,
	}},
	{condition: v1alpha1.ConditionUpdateAvailable},
	{condition: v1alpha1.ConditionPaused},
}

// OfCondition returns the kind of the event about a condition whose status or reason is new: its reason is the condition's, and its action
// the condition's type.
func OfCondition(c metav1.Condition) Kind {
	kind := Kind{c.Reason, corev1.EventTypeNormal, c.Type}
	i := slices.IndexFunc(rules, func(r rule) bool { return r.condition == c.Type })
	if i >= 0 && rules[i].warns(c) {
		kind.kind = corev1.EventTypeWarning
	}
	return kind
}

// warns reports whether the condition makes a Warning.
func (r rule) warns(c metav1.Condition) bool {
	switch {
	case r.always:
		return true
	case c.Status == metav1.ConditionFalse:
		return !slices.Contains(waiting, c.Reason) && !slices.Contains(r.waiting, c.Reason)
	case c.Status == metav1.ConditionTrue:
		return r.good != "" && c.Reason != r.good || r.warning != "" && c.Reason == r.warning
	}
	return false
}
