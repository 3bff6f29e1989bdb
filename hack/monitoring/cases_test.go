package main

// situation is what Prometheus has scraped each minute, and whether an alert fires then.
type situation struct {
	// Series in the notation of promtool's unit tests: a series, and its values minute by minute.
	Series map[string]string
	// After is the time at which the alert is looked at, for example 5m.
	After string
}

// tried has for each alert a situation in which it fires, and one that is near it in which it does not.
type tried struct{ fires, quiet situation }

const (
	stackLabels = `namespace="im",stack="chat"`
	gatewayPod  = `namespace="im",stack="chat",component="gateway",pod="chat-gateway-1"`
)

// conditionIs returns the series of a condition.
func conditionIs(kind, status, reason string) string {
	return `openim_operator_stack_condition{` + stackLabels + `,type="` + kind + `",status="` + status + `",reason="` + reason + `"}`
}

func one(series, values, after string) situation {
	return situation{Series: map[string]string{series: values}, After: after}
}

// cases are the situations of every alert.
func cases() map[string]tried {
	unready, paused := conditionIs("Ready", "False", "Progressing"), conditionIs("Paused", "True", "Suspended")
	requests := func(status string) string {
		return `openim_wrapper_requests_total{` + gatewayPod + `,status="` + status + `"}`
	}
	bucket := func(le string) string {
		return `openim_wrapper_request_duration_seconds_bucket{` + gatewayPod + `,le="` + le + `"}`
	}
	tokens := func(result string) string {
		return `openim_wrapper_openim_token_requests_total{` + gatewayPod + `,result="` + result + `"}`
	}
	workers := `controller_runtime_active_workers{controller="openimstack"}`
	generation, observed := `openim_operator_stack_generation{`+stackLabels+`}`, `openim_operator_stack_observed_generation{`+stackLabels+`}`
	probed, every := `openim_operator_probe_last_timestamp_seconds{`+stackLabels+`,outcome="Enforced"}`,
		`openim_operator_probe_interval_seconds{`+stackLabels+`}`
	monitored := `openim_operator_stack_monitored{` + stackLabels + `}`
	restarts := `openim_operator_component_restarts{` + stackLabels + `,component="api"}`
	repaired := func(action string) string {
		return `openim_operator_child_writes_total{` + stackLabels + `,kind="NetworkPolicy",action="` + action + `"}`
	}
	return map[string]tried{
		"OpenIMOperatorAbsent": {
			fires: one(workers, "0 _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _", "14m"),
			quiet: one(workers, "0x20", "14m"),
		},
		"OpenIMStackNotReady": {
			fires: one(unready, "1x20", "16m"),
			quiet: situation{Series: map[string]string{unready: "1x20", paused: "1x20"}, After: "16m"},
		},
		"OpenIMStackApplyFails": {
			fires: one(conditionIs("Ready", "False", "ApplyFailed"), "1x20", "12m"),
			quiet: one(conditionIs("Ready", "False", "Progressing"), "1x20", "12m"),
		},
		"OpenIMStackUnavailable": {
			fires: one(conditionIs("OpenIMAvailable", "False", "CrashLoop"), "1x20", "6m"),
			quiet: one(conditionIs("WrapperAvailable", "True", "Available"), "1x20", "6m"),
		},
		"OpenIMStackPoliciesMissing": {
			fires: one(conditionIs("NetworkIsolated", "False", "PoliciesNotInPlace"), "1x5", "3m"),
			quiet: one(conditionIs("NetworkIsolated", "False", "PoliciesNotInPlace"), "1 stale", "3m"),
		},
		"OpenIMStackStalled": {
			fires: one(conditionIs("Stalled", "True", "InvalidSpec"), "1x20", "3m"),
			quiet: one(conditionIs("Stalled", "False", "Ready"), "1x20", "3m"),
		},
		"OpenIMStackRolloutFailed": {
			fires: one(`openim_operator_rollout_failure{`+stackLabels+`,component="api",reason="ImagePull"}`, "1x20", "2m"),
			quiet: one(`openim_operator_rollout_wave{`+stackLabels+`}`, "2x20", "2m"),
		},
		"OpenIMStackSpecNotApplied": {
			fires: situation{Series: map[string]string{generation: "3x20", observed: "2x20"}, After: "16m"},
			quiet: situation{Series: map[string]string{generation: "3x20", observed: "2x10 3x10"}, After: "16m"},
		},
		"OpenIMStackRestarts": {
			fires: one(restarts, "0 1 2 4 5 6 6", "6m"),
			quiet: one(restarts, "7 7 8 8 0 0 1", "6m"), // a pod was replaced
		},
		"OpenIMStackRepairedOften": {
			fires: one(repaired("Repaired"), "0+1x30", "20m"),
			quiet: one(repaired("Created"), "0+1x30", "20m"),
		},
		"OpenIMStackSuspended": {
			fires: one(paused, "1x1500", "24h5m"),
			quiet: one(paused, "1x600 0x10 1x900", "24h5m"),
		},
		"OpenIMStackBreached": {
			fires: one(conditionIs("NetworkIsolated", "False", "Breached"), "1x5", "1m"),
			quiet: one(conditionIs("NetworkIsolated", "False", "PoliciesNotInPlace"), "1x5", "1m"),
		},
		"OpenIMStackIsolationUnknown": {
			fires: one(conditionIs("NetworkIsolated", "Unknown", "NotVerified"), "1x40", "31m"),
			quiet: one(conditionIs("NetworkIsolated", "Unknown", "NotVerified"), "1x20 _x40", "31m"),
		},
		"OpenIMStackProbeOld": {
			fires: situation{Series: map[string]string{probed: "0x60", every: "300x60"}, After: "40m"},
			quiet: situation{Series: map[string]string{probed: "0+60x60", every: "300x60"}, After: "40m"},
		},
		"OpenIMStackFindings": {
			fires: one(`openim_operator_boundary_findings{`+stackLabels+`}`, "2x20", "11m"),
			quiet: one(`openim_operator_boundary_findings{`+stackLabels+`}`, "0x20", "11m"),
		},
		"OpenIMTargetDown": {
			fires: situation{Series: map[string]string{`up{` + gatewayPod + `}`: "0x20", monitored: "1x20"}, After: "6m"},
			quiet: situation{Series: map[string]string{`up{` + gatewayPod + `}`: "0x20", monitored: "0x20"}, After: "6m"},
		},
		"OpenIMWrapperErrors": {
			fires: situation{Series: map[string]string{requests("503"): "0+10x20", requests("200"): "0+100x20"}, After: "15m"},
			quiet: situation{Series: map[string]string{requests("503"): "0+3x20", requests("200"): "0+100x20"}, After: "15m"},
		},
		"OpenIMWrapperSlow": {
			fires: situation{Series: map[string]string{bucket("1"): "0+90x30", bucket("5"): "0+100x30", bucket("+Inf"): "0+100x30"}, After: "20m"},
			quiet: situation{Series: map[string]string{bucket("1"): "0+100x30", bucket("5"): "0+100x30", bucket("+Inf"): "0+100x30"}, After: "20m"},
		},
		"OpenIMWrapperDependencyDown": {
			fires: one(`openim_wrapper_dependency_up{`+gatewayPod+`,dependency="redis"}`, "0x10", "2m"),
			quiet: one(`openim_wrapper_dependency_up{`+gatewayPod+`,dependency="redis"}`, "1x10", "2m"),
		},
		"OpenIMWrapperAuditLog": {
			fires: one(`openim_wrapper_audit_lost_total{`+gatewayPod+`}`, "0 0 5 5 5", "4m"),
			quiet: situation{Series: map[string]string{
				`openim_wrapper_audit_good{` + gatewayPod + `}`: "1x10", `openim_wrapper_audit_lost_total{` + gatewayPod + `}`: "5x10",
			}, After: "4m"},
		},
		"OpenIMWrapperFileRefused": {
			fires: one(`openim_wrapper_file_good{`+gatewayPod+`,file="jwks"}`, "0x10", "6m"),
			quiet: one(`openim_wrapper_file_good{`+gatewayPod+`,file="jwks"}`, "0 0 1x10", "6m"),
		},
		"OpenIMWrapperRevocationsLate": {
			fires: one(`openim_wrapper_revocation_channel_up{`+gatewayPod+`}`, "0x10", "2m"),
			quiet: situation{Series: map[string]string{
				`openim_wrapper_revocation_channel_up{` + gatewayPod + `}`:       "1x10",
				`openim_wrapper_revocation_view_age_seconds{` + gatewayPod + `}`: "0.5x10",
			}, After: "2m"},
		},
		"OpenIMWrapperLimitsDegraded": {
			fires: one(`openim_wrapper_limit_degraded{`+gatewayPod+`}`, "1x10", "6m"),
			quiet: one(`openim_wrapper_limit_degraded{`+gatewayPod+`}`, "0x10", "6m"),
		},
		"OpenIMWrapperUntrustedProxy": {
			fires: one(`openim_wrapper_untrusted_proxy_requests_total{`+gatewayPod+`}`, "0 0 3 3", "3m"),
			quiet: one(`openim_wrapper_untrusted_proxy_requests_total{`+gatewayPod+`}`, "3x10", "3m"),
		},
		"OpenIMWrapperNoToken": {
			fires: situation{Series: map[string]string{tokens("failed"): "0 0 1 2 3 4 5 6 7", tokens("ok"): "3x10"}, After: "8m"},
			quiet: situation{Series: map[string]string{tokens("failed"): "0 0 1 2 3 4 5 6 7", tokens("ok"): "3 3 3 3 3 4 4 4 4"}, After: "8m"},
		},
	}
}
