package main

// operatorAlerts are about the operator itself, and need its own metrics.
func operatorAlerts() []alert {
	return []alert{
		{
			Name: "OpenIMOperatorAbsent", Severity: critical, For: "5m",
			Expr:    `absent(controller_runtime_active_workers{controller="openimstack"})`,
			Summary: "no operator of OpenIMStacks can be scraped",
			Meaning: "Prometheus finds no running operator. Stacks serve on, and their NetworkPolicies hold. But nothing repairs " +
				"a policy that is " +
				"deleted, no probe runs, no change of a spec is applied, and no alert about stacks can fire.",
			Look: []string{
				"kubectl get deployment,pods -A -l app.kubernetes.io/name=openim-operator",
				"kubectl logs -n openim-operator-system deployment/openim-operator --previous --tail=50",
				"kubectl get namespace monitoring --show-labels   # Prometheus's namespace needs openimstack.dev/metrics=enabled",
			},
			Do: "Start the operator again. When it runs, the way of Prometheus is shut: label Prometheus's namespace, and " +
				"compare the selectors of " +
				"the ServiceMonitor.",
		},
		{
			Name: "OpenIMOperatorReconcileErrors", Severity: warning, For: "30m",
			Expr:    `sum(rate(controller_runtime_reconcile_errors_total{controller="openimstack"}[10m])) > 0.02`,
			Summary: "reconciliations of OpenIMStacks have failed for half an hour",
			Meaning: "The operator meets a fault that it tries again and again: the API server cannot be reached or answers with " +
				"errors. A fault that " +
				"only a person can end is not among them: that is OpenIMStackStalled.",
			Look: []string{
				"kubectl logs -n openim-operator-system deployment/openim-operator --tail=200 | grep -i error",
				"kubectl get openimstacks -A",
			},
			Do: "The log names the object and the API server's answer. Timeouts and 429 are the API server's load.",
		},
	}
}
