package main

// boundaryAlerts are about the lockdown.
func boundaryAlerts() []alert {
	return []alert{
		{
			Name: "OpenIMStackBreached", Severity: critical, For: "0m",
			Expr:    holds("NetworkIsolated", `status="False", reason!="PoliciesNotInPlace"`),
			Summary: "the lockdown of stack " + aboutStack + " does not hold",
			Meaning: "A probe reached what must be closed, the network does not enforce the policies, or the audit found an object " +
				"that opens the stack. Whoever reaches an rpc port of OpenIM is its administrator without a password.",
			Look: []string{
				"kubectl openimstack audit STACK -n NAMESPACE   # which object opens what, and to whom",
				"kubectl openimstack probe STACK -n NAMESPACE   # attempts every connection again",
			},
			Do: "Remove or narrow the object that the audit names. With NotEnforcedByCNI the cluster's network plugin is at fault: " +
				"docs/probes.md. When it is closed again, look into OpenIM's data for what was done meanwhile, and rotate `share.secret`.",
		},
		{
			Name: "OpenIMStackPoliciesMissing", Severity: critical, For: "2m",
			Expr:    holds("NetworkIsolated", `reason="PoliciesNotInPlace"`),
			Summary: "NetworkPolicies of stack " + aboutStack + " have been missing for 2 minutes",
			Meaning: "A NetworkPolicy is deleted or differs from what the operator wrote, and is not restored: the stack is suspended, " +
				"or the write is refused. Until then pods that must not may reach OpenIM.",
			Look: []string{describeStack, "kubectl get networkpolicies -n NAMESPACE -l app.kubernetes.io/instance=STACK"},
			Do:   "Resume the stack, or remove what refuses the write: the conditions Ready and Stalled name it.",
		},
		{
			Name: "OpenIMStackIsolationUnknown", Severity: warning, For: "30m",
			Expr:    unlessPaused(holds("NetworkIsolated", `status="Unknown"`)),
			Summary: "the lockdown of stack " + aboutStack + " has not been verified for 30 minutes",
			Meaning: "No probe could show that the policies are enforced: its pods could not start, or reached not even what is open. " +
				"The policies exist.",
			Look: []string{describeStack, "kubectl get pods -A -l openimstack.dev/probe   # the probe's own pods, and why they wait"},
			Do:   "The condition names what kept the probe: a quota, an admission policy, a missing image. docs/probes.md has the reasons.",
		},
		{
			Name: "OpenIMStackProbeOld", Severity: warning, For: "10m",
			Expr: unlessPaused("time() - " + byStack("openim_operator_probe_last_timestamp_seconds") + " > 3 * " +
				byStack("openim_operator_probe_interval_seconds") + " + 600"),
			Summary: "the last probe of stack " + aboutStack + " is more than three intervals old",
			Meaning: "Probes run at an interval, and after each change. None has run for long, so the verdict is old.",
			Look: []string{describeStack, "kubectl logs -n openim-operator-system deployment/openim-operator | grep -i probe | tail " +
				"-20"},
			Do: "Request one: `kubectl openimstack probe STACK -n NAMESPACE`. Its answer tells what prevents it.",
		},
		{
			Name: "OpenIMStackFindings", Severity: warning, For: "10m",
			Expr:    byStack("openim_operator_boundary_findings") + " > 0",
			Summary: "the audit has {{ $value }} findings about stack " + aboutStack,
			Meaning: "Live objects weaken the lockdown, or open more than the spec names.",
			Look:    []string{"kubectl openimstack audit STACK -n NAMESPACE"},
			Do:      "Each finding says what to do (docs/lockdown.md). What is meant to be open, belongs to the spec, where it is an exception.",
		},
	}
}
