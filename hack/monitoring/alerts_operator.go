package main

// operatorAlerts are about the operator itself, and need its own metrics.
func operatorAlerts() []alert {
	return []alert{
		{
			Name: "OpenIMOperatorAbsent", Severity: critical, For: "5m",
			Expr:    `absent(controller_runtime_active_workers{controller="openimstack"})`,
			Summary: "no operator of OpenIMStacks can be scraped",
			Meaning: "Prometheus finds no running operator. Stacks serve on, and their NetworkPolicies hold. But nothing repairs a " +
				"policy that is deleted, no probe runs, no change of a spec is applied, and no alert about stacks can fire.",
			Look: []string{
				"kubectl get deployment,pods -A -l app.kubernetes.io/name=openim-operator",
				"kubectl logs -n openim-operator-system deployment/openim-operator --previous --tail=50",
				"kubectl get namespace monitoring --show-labels   # Prometheus's namespace needs openimstack.dev/metrics=enabled",
			},
			Do: "Start the operator again. If it runs, Prometheus cannot reach it: label Prometheus's namespace, and compare the " +
				"selectors of the ServiceMonitor.",
		},
	}
}
