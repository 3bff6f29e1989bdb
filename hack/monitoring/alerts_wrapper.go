package main

// wrapperAlerts are about gateway and backend, and need their metrics: spec.network.monitoring must permit Prometheus, and the PodMonitor
// sets the labels stack and component.
func wrapperAlerts() []alert {
	logs := func(component string) string {
		return "kubectl logs -n NAMESPACE -l app.kubernetes.io/instance=STACK,app.kubernetes.io/component=" + component + " --tail=100"
	}
	return []alert{
		{
			Name: "OpenIMTargetDown", Severity: warning, For: "5m",
			Expr: `min by (namespace, stack, component, pod) (up{stack!="", component!=""}) == 0 and on (namespace, stack) ` +
				byStack("openim_operator_stack_monitored") + ` == 1`,
			Summary: "{{ $labels.pod }} of stack " + aboutStack + " cannot be scraped",
			Meaning: "Prometheus knows a pod of the stack and gets no metrics from it: the pod does not answer, or Prometheus is no " +
				"peer of `spec.network.monitoring`. Alerts about this pod cannot fire.",
			Look: []string{describeStack, "kubectl openimstack explain monitoring COMPONENT telemetry -n NAMESPACE --stack STACK   # " +
				"is it permitted?"},
			Do: "Name Prometheus's pods in `spec.network.monitoring`, or repair the pod.",
		},
		{
			Name: "OpenIMWrapperErrors", Severity: critical, For: "5m",
			Expr: `sum by (namespace, stack) (rate(openim_wrapper_requests_total{component="gateway", status=~"5.."}[5m])) / ` +
				`sum by (namespace, stack) (rate(openim_wrapper_requests_total{component="gateway"}[5m])) > 0.05`,
			Summary: "more than 5 % of the calls to stack " + aboutStack + " end with a fault of the server",
			Meaning: "Users see errors: OpenIM, a store of the wrapper, or the backend does not answer.",
			Look: []string{
				"sum by (route, status) (rate(openim_wrapper_requests_total{status=~\"5..\"}[5m]))   # in Prometheus: which routes",
				logs("backend"),
			},
			Do: "docs/failures.md has what each dependency's loss looks like.",
		},
		{
			Name: "OpenIMWrapperSlow", Severity: warning, For: "10m",
			Expr: `histogram_quantile(0.99, sum by (namespace, stack, le) (` +
				`rate(openim_wrapper_request_duration_seconds_bucket{component="gateway"}[5m]))) > 2`,
			Summary: "1 % of the calls to stack " + aboutStack + " take more than 2 seconds",
			Meaning: "Users wait. The wrapper itself adds milliseconds, so OpenIM or a store is slow, or a container is at its CPU limit.",
			Look: []string{
				"histogram_quantile(0.99, sum by (le, component) (rate(openim_wrapper_request_duration_seconds_bucket[5m])))   # " +
					"gateway or backend?",
				"openim_wrapper_openim_calls_in_flight   # many: OpenIM is slow",
			},
			Do: "Look at MongoDB and Redis of OpenIM first. More replicas of the api help when its CPU is used up.",
		},
		{
			Name: "OpenIMWrapperDependencyDown", Severity: critical, For: "1m",
			Expr:    `min by (namespace, stack, dependency) (openim_wrapper_dependency_up) == 0`,
			Summary: "{{ $labels.dependency }} of the wrapper of stack " + aboutStack + " does not answer",
			Meaning: "Without its Redis no session can be checked beyond what is remembered, and logins fail; without MongoDB logins " +
				"and enrolments fail.",
			Look: []string{logs("backend"), describeStack},
			Do:   "Restore the store. Nothing needs a restart: docs/failures.md has what works meanwhile.",
		},
		{
			Name: "OpenIMWrapperAuditLog", Severity: critical, For: "0m",
			Expr: `min by (namespace, stack, pod) (openim_wrapper_audit_good) == 0 or ` +
				`sum by (namespace, stack, pod) (increase(openim_wrapper_audit_lost_total[10m])) > 0`,
			Summary: "the audit log of {{ $labels.pod }} of stack " + aboutStack + " cannot be written, or lost events",
			Meaning: "Administrators' writes and private reads are refused while the log cannot be written. Events wait in memory, and " +
				"are lost when they are too many.",
			Look: []string{logs("gateway"), "openim_wrapper_audit_waiting_bytes"},
			Do:   "docs/audit-log.md: the sink is full or does not answer. Lost events are a gap that the verification of the log shows.",
		},
		{
			Name: "OpenIMWrapperFileRefused", Severity: warning, For: "5m",
			Expr:    `min by (namespace, stack, component, file) (openim_wrapper_file_good) == 0`,
			Summary: "{{ $labels.component }} of stack " + aboutStack + " refuses the content of {{ $labels.file }}",
			Meaning: "A mounted file is invalid: keys, rules, limits or certificates. The last valid content stays in force, also when " +
				"it should have been replaced.",
			Look: []string{logs("gateway"), describeStack},
			Do:   "The log names the line. Correct the Secret or the spec.",
		},
		{
			Name: "OpenIMWrapperRevocationsLate", Severity: critical, For: "1m",
			Expr: `max by (namespace, stack, pod) (openim_wrapper_revocation_view_age_seconds) > 10 or ` +
				`min by (namespace, stack, pod) (openim_wrapper_revocation_channel_up) == 0`,
			Summary: "{{ $labels.pod }} of stack " + aboutStack + " does not hear of revocations",
			Meaning: "The replica cannot know whether it missed a revocation, so each call asks Redis, and is refused when Redis does " +
				"not answer. Sockets of a revoked device may stay open until the view is current again.",
			Look: []string{logs("gateway"), "openim_wrapper_dependency_up"},
			Do:   "The wrapper's Redis is slow, full or unreachable: docs/sessions.md.",
		},
		{
			Name: "OpenIMWrapperLimitsDegraded", Severity: warning, For: "5m",
			Expr:    `max by (namespace, stack) (openim_wrapper_limit_degraded) == 1`,
			Summary: "replicas of stack " + aboutStack + " count limits each by itself",
			Meaning: "Redis is slow or down, so a user may call as often at each replica as the limit allows in all.",
			Look:    []string{logs("gateway"), "openim_wrapper_dependency_up"},
			Do:      "Restore the wrapper's Redis.",
		},
		{
			Name: "OpenIMWrapperUntrustedProxy", Severity: warning, For: "0m",
			Expr:    `sum by (namespace, stack) (increase(openim_wrapper_untrusted_proxy_requests_total[10m])) > 0`,
			Summary: "calls to stack " + aboutStack + " come through a proxy that it does not know",
			Meaning: "All users behind the proxy share the limits of one address, and are refused with 429 when they are many.",
			Look:    []string{logs("gateway") + " | grep proxy   # the line names its address"},
			Do:      "Add the proxy's range to `wrapper.auth.users.trustedProxies`, if the proxy is yours.",
		},
		{
			Name: "OpenIMWrapperNoToken", Severity: critical, For: "1m",
			Expr: `sum by (namespace, stack, pod) (increase(openim_wrapper_openim_token_requests_total{result="failed"}[10m])) > 0 unless ` +
				`sum by (namespace, stack, pod) (increase(openim_wrapper_openim_token_requests_total{result="ok"}[5m])) > 0`,
			Summary: "{{ $labels.pod }} of stack " + aboutStack + " gets no administrator token of OpenIM",
			Meaning: "The backend asked OpenIM for a token in the last ten minutes, was refused or got no answer, and has got none " +
				"since. An earlier token is used until it ends; then no call of an administrator and no login succeeds.",
			Look: []string{"openim_wrapper_openim_token_expiry_timestamp_seconds - time()   # seconds that are left", logs("backend")},
			Do:   "OpenIM's api is down, or `share.secret` differs between OpenIM and the backend.",
		},
	}
}
