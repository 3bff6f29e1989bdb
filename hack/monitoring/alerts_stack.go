package main

import "fmt"

// holds is an expression for a condition of a stack.
func holds(condition, matcher string) string {
	return byStack(fmt.Sprintf("openim_operator_stack_condition{type=%q, %s}", condition, matcher)) + " == 1"
}

// unlessPaused takes suspended stacks out.
func unlessPaused(expr string) string {
	return expr + " unless on (namespace, stack) " + byStack(`openim_operator_stack_condition{type="Paused", status="True"}`) + " == 1"
}

// stackAlerts are about a stack's life.
func stackAlerts() []alert {
	return []alert{
		{
			Name: "OpenIMStackUnavailable", Severity: critical, For: "5m",
			Expr: unlessPaused(`max by (namespace, stack, type) (openim_operator_stack_condition{type=~"OpenIMAvailable|WrapperAvailable", ` +
				`status!="True"}) == 1`),
			Summary: "stack " + aboutStack + ": {{ $labels.type }} has not been true for 5 minutes",
			Meaning: "A component has fewer ready pods than it should. Users notice when none of its kind is left.",
			Look:    []string{describeStack, "kubectl get pods -n NAMESPACE -l app.kubernetes.io/instance=STACK"},
			Do:      "`status.processes` names the reason for each component; docs/conditions.md has the remedies.",
		},
		{
			Name: "OpenIMStackApplyFails", Severity: warning, For: "10m",
			Expr:    holds("Ready", `reason="ApplyFailed"`),
			Summary: "the operator has failed to apply stack " + aboutStack + " for 10 minutes",
			Meaning: "The API server cannot be reached or answers with errors that may pass. The operator tries again, less and less " +
				"often.",
			Look: []string{describeStack, "kubectl logs -n openim-operator-system deployment/openim-operator --tail=200 | grep -i " +
				"error"},
			Do: "The condition Ready has the API server's answer. Timeouts and 429 come from its load; a webhook that is down is " +
				"named.",
		},
		{
			Name: "OpenIMStackNotReady", Severity: warning, For: "15m",
			Expr:    unlessPaused(holds("Ready", `status!="True"`)),
			Summary: "stack " + aboutStack + " has not been ready for 15 minutes",
			Meaning: "A component of the stack does not run as the spec wants, or the lockdown is not in place. Earlier pods may still " +
				"serve.",
			Look: []string{describeStack, "kubectl get events -n NAMESPACE --sort-by=.lastTimestamp | tail -30"},
			Do:   "The condition Ready names the reason and the remedy; docs/conditions.md has all reasons.",
		},
		{
			Name: "OpenIMStackStalled", Severity: warning, For: "2m",
			Expr:    holds("Stalled", `status="True"`),
			Summary: "stack " + aboutStack + " waits for a person",
			Meaning: "The operator met something that only a person can end: a field that is refused, an object of another owner, a " +
				"lost key, a rollout that is held. What serves, serves on.",
			Look: []string{describeStack},
			Do:   "Do what the message of the condition Stalled says. Nothing is tried again before something changes.",
		},
		{
			Name: "OpenIMStackRolloutFailed", Severity: warning, For: "1m",
			Expr:    "max by (namespace, stack, component, reason) (openim_operator_rollout_failure) == 1",
			Summary: "the rollout of stack " + aboutStack + " was stopped by {{ $labels.component }}: {{ $labels.reason }}",
			Meaning: "A rollout is held or was taken back, because a component did not become ready or the check failed. The pods that " +
				"served before serve on.",
			Look: []string{describeStack, "kubectl get openimstack STACK -n NAMESPACE -o jsonpath='{.status.rollout}'"},
			Do:   "Correct the spec, or request another attempt. docs/upgrades.md tells both.",
		},
		{
			Name: "OpenIMStackSpecNotApplied", Severity: warning, For: "15m",
			Expr: unlessPaused(byStack("openim_operator_stack_generation - openim_operator_stack_observed_generation") + " > 0"),
			Summary: "the newest spec of stack " + aboutStack +
				" has not been applied for 15 minutes",
			Meaning: "The spec was changed, and the operator has neither applied nor refused it: a reference does not resolve, or the " +
				"API server fails.",
			Look: []string{describeStack},
			Do:   "Read DependenciesReady and Ready, which name what is missing.",
		},
		{
			Name: "OpenIMStackRestarts", Severity: warning, For: "0m",
			// A fall of the number, when a pod is replaced, counts as a reset and is no restart.
			Expr:    "max by (namespace, stack, component) (increase(openim_operator_component_restarts[30m])) > 3",
			Summary: "containers of {{ $labels.component }} of stack " + aboutStack + " restarted more than three times in 30 minutes",
			Meaning: "A process ends or its probe fails again and again. While others of its kind serve, users notice little.",
			Look: []string{
				"kubectl logs -n NAMESPACE -l app.kubernetes.io/instance=STACK,app.kubernetes.io/component=COMPONENT --previous --tail=50",
				describeStack,
			},
			Do: "The container's termination message and `status.processes` name the reason: a store, memory, a configuration.",
		},
		{
			Name: "OpenIMStackRepairedOften", Severity: warning, For: "0m",
			Expr:    `sum by (namespace, stack, kind) (increase(openim_operator_child_writes_total{action="Repaired"}[30m])) > 10`,
			Summary: "{{ $labels.kind }} of stack " + aboutStack + " is changed by someone else and repaired again and again",
			Meaning: "Another controller or a person changes objects that the operator owns, and the operator changes them back. A " +
				"NetworkPolicy among them is open for the moment between.",
			Look: []string{
				"kubectl get events -n NAMESPACE --field-selector reason=Repaired",
				"kubectl get KIND -n NAMESPACE -l app.kubernetes.io/instance=STACK --show-managed-fields -o yaml | grep manager:",
			},
			Do: "Find the other writer by its field manager, and make it leave the stack's children alone. What a stack shall have, " +
				"belongs to its spec.",
		},
		{
			Name: "OpenIMStackSuspended", Severity: warning, For: "24h",
			Expr:    holds("Paused", `status="True"`),
			Summary: "stack " + aboutStack + " has been suspended for a day",
			Meaning: "While `spec.suspend` is true the operator repairs nothing: a deleted NetworkPolicy stays deleted.",
			Look:    []string{describeStack},
			Do:      "Set `spec.suspend` to false, or silence the alert with a date.",
		},
	}
}
