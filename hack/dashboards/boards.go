package main

import "strings"

// of puts the choice of stacks into expressions: $of becomes the matchers of namespace and stack.
func of(queries ...query) []query {
	for i := range queries {
		queries[i].expr = strings.ReplaceAll(queries[i].expr, "$of", `namespace=~"$namespace", stack=~"$stack"`)
	}
	return queries
}

// boards are all dashboards.
func boards() []board { return []board{chat(), boundary()} }

// chat is for whoever runs a chat: what its users do and notice.
func chat() board {
	const calls = `openim_wrapper_requests_total{component="gateway", $of}`
	quantile := func(q string) string {
		return "histogram_quantile(" + q + ", sum by (le) (rate(openim_wrapper_request_duration_seconds_bucket{component=\"gateway\", $of}" +
			"[$__rate_interval])))"
	}
	rate := func(labels, metric string) string {
		return "sum by (" + labels + ") (rate(" + metric + "[$__rate_interval]))"
	}
	return board{
		name: "openim-stack", title: "OpenIM: a chat and its users",
		about: "Logins, sockets, messages, latency and refusals of OpenIMStacks. Needs the PodMonitor and spec.network.monitoring.",
		rows: []row{
			{"Users", []panel{
				{"Open sockets", "WebSockets of users, by stack.", "short", 8, of(
					query{"sum by (namespace, stack) (openim_wrapper_sockets{$of})", "{{namespace}}/{{stack}}"})},
				{"Logins", "Sessions that began.", "reqps", 8, of(
					query{rate("namespace, stack", `openim_wrapper_sessions_created_total{$of}`), "{{namespace}}/{{stack}}"})},
				{"Frames of clients", "Frames on sockets by request and verdict: sent messages are among them.", "reqps", 8, of(
					query{rate("request, verdict", `openim_wrapper_frames_total{$of}`), "{{request}} {{verdict}}"})},
			}},
			{"Calls", []panel{
				{"Calls by status", "HTTP calls to the gateway.", "reqps", 8, of(query{rate("status", calls), "{{status}}"})},
				{"Latency", "From the end of a call's header to the end of the reply, at the gateway.", "s", 8, of(
					query{quantile("0.5"), "p50"}, query{quantile("0.95"), "p95"}, query{quantile("0.99"), "p99"})},
				{"Slowest routes, p99", "At the gateway.", "s", 8, of(query{"topk(8, histogram_quantile(0.99, sum by (route, le) (" +
					"rate(openim_wrapper_request_duration_seconds_bucket{component=\"gateway\", $of}[$__rate_interval]))))", "{{route}}"})},
			}},
			{"Refusals", []panel{
				{"Refused by the wrapper", "By reason, both roles. Attacks and wrong clients show here first.", "reqps", 8, of(
					query{rate("reason", `openim_wrapper_refusals_total{$of}`), "{{reason}}"})},
				{"Limits", "Calls that a limit refused, by class.", "reqps", 8, of(
					query{rate("class", `openim_wrapper_limit_decisions_total{verdict!="allowed", $of}`), "{{class}}"})},
				{"Sockets closed and refused", "By reason.", "reqps", 8, of(
					query{rate("reason", `openim_wrapper_sockets_closed_total{$of}`), "closed: {{reason}}"},
					query{rate("reason", `openim_wrapper_socket_refusals_total{$of}`), "refused: {{reason}}"})},
			}},
			{"What it stands on", []panel{
				{"Stores of the wrapper", "1 while the store answers the backend.", "none", 8, of(
					query{"min by (namespace, stack, dependency) (openim_wrapper_dependency_up{$of})", "{{namespace}}/{{stack}} {{dependency}}"})},
				{"Calls to OpenIM under way", "Many, and slow routes: OpenIM or its stores are slow.", "short", 8, of(
					query{"sum by (class) (openim_wrapper_openim_calls_in_flight{$of})", "{{class}}"})},
				{"Replicas that are missing", "Desired less ready, by component.", "short", 8, of(
					query{`max by (component) (openim_operator_component_replicas{state="desired", $of}) - ` +
						`max by (component) (openim_operator_component_replicas{state="ready", $of}) > 0`, "{{component}}"})},
			}},
		},
	}
}

// boundary is for administrators of the cluster: whether the lockdown holds, and what the operator does.
func boundary() board {
	const byStack = "max by (namespace, stack) "
	return board{
		name: "openim-operator", title: "OpenIM: operator and lockdown",
		about: "Whether the lockdown of each OpenIMStack holds, and what the operator does. Needs the operator's metrics alone.",
		rows: []row{
			{"The lockdown", []panel{
				{"Isolated", "1 while condition NetworkIsolated is True.", "none", 8, of(query{byStack +
					`(openim_operator_stack_condition{type="NetworkIsolated", status="True", $of}) or ` + byStack +
					`(openim_operator_stack_info{$of}) * 0`, "{{namespace}}/{{stack}}"})},
				{"Findings and exceptions", "Of the audit, and of the spec.", "short", 8, of(
					query{byStack + "(openim_operator_boundary_findings{$of})", "findings {{namespace}}/{{stack}}"},
					query{byStack + "(openim_operator_boundary_exceptions{$of})", "exceptions {{namespace}}/{{stack}}"})},
				{"Age of the last probe", "Since its start.", "s", 8, of(
					query{"time() - " + byStack + "(openim_operator_probe_last_timestamp_seconds{$of})", "{{namespace}}/{{stack}}"})},
				{"Attempts of probes", "Connections by result. unexpected is a breach, or a network that blocks too much.", "reqps", 12, of(
					query{"sum by (result) (rate(openim_operator_probe_attempts_total{$of}[$__rate_interval]))", "{{result}}"})},
				{"Duration of probes, p95", "", "s", 12, of(query{"histogram_quantile(0.95, sum by (le) " +
					"(rate(openim_operator_probe_duration_seconds_bucket{$of}[$__rate_interval])))", "p95"})},
			}},
			{"Stacks", []panel{
				{"Ready", "1 while condition Ready is True.", "none", 8, of(query{byStack +
					`(openim_operator_stack_condition{type="Ready", status="True", $of}) or ` + byStack + `(openim_operator_stack_info{$of}) * 0`,
					"{{namespace}}/{{stack}}"})},
				{"Rollouts", "The wave of each rollout under way.", "none", 8, of(
					query{byStack + "(openim_operator_rollout_wave{$of})", "{{namespace}}/{{stack}}"})},
				{"Container restarts", "Of the present pods.", "short", 8, of(
					query{"max by (namespace, stack, component) (openim_operator_component_restarts{$of}) > 0", "{{stack}} {{component}}"})},
				{"Writes to children", "By action. Repaired: someone else had changed it.", "ops", 12, of(
					query{"sum by (action) (rate(openim_operator_child_writes_total{$of}[$__rate_interval]))", "{{action}}"})},
				{"What prevents readiness", "1 for each reason.", "none", 12, of(query{
					"max by (namespace, stack, component, reason) (openim_operator_component_problem{$of})", "{{stack}} {{component}}: {{reason}}",
				})},
			}},
			{"The operator", []panel{
				{"Reconciliations", "By result.", "ops", 8, []query{
					{`sum by (result) (rate(controller_runtime_reconcile_total{controller="openimstack"}[$__rate_interval]))`, "{{result}}"}}},
				{"Duration of a reconciliation, p95", "", "s", 8, []query{{"histogram_quantile(0.95, sum by (le) " +
					`(rate(controller_runtime_reconcile_time_seconds_bucket{controller="openimstack"}[$__rate_interval])))`, "p95"}}},
				{"Requests to the API server", "By verb and code.", "reqps", 8, []query{
					{"sum by (method, code) (rate(rest_client_requests_total[$__rate_interval]))", "{{method}} {{code}}"}}},
			}},
		},
	}
}
