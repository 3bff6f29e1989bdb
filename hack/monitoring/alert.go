package main

// severity tells how soon a person must look.
type severity string

const (
	// critical: at once. The lockdown, the audit log or the service is at stake.
	critical severity = "critical"
	// warning: within the working day.
	warning severity = "warning"
)

// alert is an alert of Prometheus and its page.
type alert struct {
	// Name is the name of the alert, and of its page.
	Name string
	// Expr is the condition in PromQL.
	Expr string
	// For is how long Expr must hold, in Prometheus's format, for example 5m.
	For      string
	Severity severity
	// Summary is one sentence for the notification, a template of Prometheus.
	Summary string
	// Meaning says what is wrong, and what users notice.
	Meaning string
	// Look are commands or queries that tell more, each with a comment.
	Look []string
	// Do says what ends it.
	Do string
}

// group is a group of alerts that are evaluated together.
type group struct {
	Name   string
	Alerts []alert
}

// Texts that several alerts use.
const (
	describeStack = "kubectl openimstack status STACK -n NAMESPACE   # conditions, components, what prevents readiness"
	aboutStack    = "{{ $labels.namespace }}/{{ $labels.stack }}"
)

// byStack aggregates over replicas of the operator, of which each serves the same.
func byStack(expr string) string { return "max by (namespace, stack) (" + expr + ")" }

// groups are all alerts.
func groups() []group {
	return []group{
		{Name: "openim-operator", Alerts: operatorAlerts()},
		{Name: "openim-stack", Alerts: stackAlerts()},
		{Name: "openim-boundary", Alerts: boundaryAlerts()},
		{Name: "openim-wrapper", Alerts: wrapperAlerts()},
	}
}
