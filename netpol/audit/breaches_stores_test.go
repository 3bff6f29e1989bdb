package audit_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/netpol/audit"
)

// storeBreaches let other pods than the stack's reach its stores.
var storeBreaches = []breach{
	{
		name: "a policy lets anyone in to Redis",
		add: `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: redis-open, namespace: infra}
spec: {podSelector: {matchLabels: {app.kubernetes.io/name: redis}}, ingress: [{ports: [{port: 6379}]}]}`,
		kind: audit.StoreReachable, object: "Service/infra/redis", severity: audit.High, only: true,
		lets: []string{"redis:6379", "any pod in any other namespace", "any IPv6 address",
			"infra/redis-open"}, fix: []string{"rule 0 of NetworkPolicy infra/redis-open"},
	},
	{
		name: "no policy selects Kafka's pods",
		change: func(t *testing.T, in *audit.Input) {
			values := &policy(t, in, "infra", "openim").Spec.PodSelector.MatchExpressions[0].Values
			*values = []string{"etcd", "mongodb", "redis"}
			policy(t, in, "infra", "nobody").Spec.PodSelector.MatchLabels = map[string]string{"app": "other"}
		},
		kind: audit.StoreReachable, object: "Service/infra/kafka", severity: audit.High, only: true,
		lets: []string{"kafka:9092", "no policy selects"}, fix: []string{"kind: NetworkPolicy", "- msgtransfer",
			"kubernetes.io/metadata.name: im", "port: 9092"},
	},
	{
		name: "etcd lets its own namespace in",
		add: `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: etcd-here, namespace: infra}
spec: {podSelector: {matchLabels: {app.kubernetes.io/name: etcd}}, ingress: [{from: [{podSelector: {}}]}]}`,
		kind: audit.StoreReachable, object: "Service/infra/etcd", severity: audit.Medium, only: true,
		lets: []string{"any pod in namespace infra: etcd:2379"},
	},
	{
		name: "a foreign tool is let in to MongoDB",
		add: `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: mongo-shell, namespace: infra}
spec:
  podSelector: {matchLabels: {app.kubernetes.io/name: mongodb}}
  ingress:
  - from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: tools}}, podSelector: {matchLabels: {app: shell}}}]`,
		kind: audit.StoreReachable, object: "Service/infra/mongodb", severity: audit.Medium, only: true, lets: []string{"pod tools/shell",
			"mongodb:27017"},
	},
	{
		name: "a backup job beside the store",
		add: `
apiVersion: v1
kind: Pod
metadata: {name: backup, namespace: infra, labels: {app: backup}}
spec: {containers: [{name: backup, image: backup}]}
status: {phase: Running, podIP: 10.1.0.77}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: backup, namespace: infra}
spec:
  podSelector: {matchLabels: {app.kubernetes.io/name: mongodb}}
  ingress: [{from: [{podSelector: {matchLabels: {app: backup}}}], ports: [{port: 27017}]}]`,
		kind: audit.StoreReachable, object: "Service/infra/mongodb", severity: audit.Low, only: true, lets: []string{"pod infra/backup"},
	},
	{
		name: "a pod with OpenIM's name alone, which the stores' policies let in from the stack's namespace",
		add: `
apiVersion: v1
kind: Pod
metadata: {name: half, namespace: im, labels: {app.kubernetes.io/name: openim-wrapper}}
spec: {containers: [{name: half, image: half}]}
status: {phase: Running, podIP: 10.3.0.9}`,
		kind: audit.StoreReachable, object: "Service/infra/redis-wrapper", severity: audit.Medium, only: true, lets: []string{"pod im/half",
			"wrapper-redis:6379"},
	},
	{
		name: "Redis by a NodePort",
		change: func(t *testing.T, in *audit.Input) {
			service(t, in, "infra", "redis").Spec.Type = corev1.ServiceTypeNodePort
		},
		kind: audit.StoreExposed, object: "Service/infra/redis", severity: audit.High, only: true, lets: []string{"redis:6379"},
		fix: []string{"kubectl -n infra patch service redis"},
	},
}
