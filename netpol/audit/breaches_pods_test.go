package audit_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/netpol/audit"
)

// podBreaches are foreign pods that look like the stack's, and pods of the stack on which policies have no effect.
var podBreaches = []breach{
	{
		name: "a second network interface",
		change: func(t *testing.T, in *audit.Input) {
			pod(t, in, "api").Annotations = map[string]string{"k8s.v1.cni.cncf.io/networks": "macvlan-conf"}
		},
		kind: audit.SecondInterface, object: "Pod/im/chat-api-5d9c7b6f4-00000", severity: audit.High, ports: []string{"api:10002"},
		fix: []string{"k8s.v1.cni.cncf.io/networks"},
	},
	{
		name: "a label for another network",
		change: func(t *testing.T, in *audit.Input) {
			pod(t, in, "api").Labels["kubernetes.azure.com/pod-network"] = "other"
		},
		kind: audit.SecondInterface, object: "Pod/im/chat-api-5d9c7b6f4-00000", severity: audit.High, ports: []string{"api:10002"},
		fix: []string{"label kubernetes.azure.com/pod-network"},
	},
	{
		name: "ports that are open to a cluster's default network",
		change: func(t *testing.T, in *audit.Input) {
			pod(t, in, "api").Annotations = map[string]string{"k8s.ovn.org/open-default-ports": "- {protocol: tcp, port: 10002}"}
		},
		kind: audit.SecondInterface, object: "Pod/im/chat-api-5d9c7b6f4-00000", severity: audit.Medium, ports: []string{"api:10002"},
		fix: []string{"annotation k8s.ovn.org/open-default-ports"},
	},
	{
		name: "a store with a second network interface",
		change: func(_ *testing.T, in *audit.Input) {
			for i := range in.Snapshot.Pods {
				if p := &in.Snapshot.Pods[i]; p.Namespace == "infra" && p.Labels["app.kubernetes.io/name"] == "redis-wrapper" {
					p.Annotations = map[string]string{"k8s.v1.cni.cncf.io/networks": "macvlan-conf"}
				}
			}
		},
		kind: audit.SecondInterface, object: "Pod/infra/redis-wrapper-0", severity: audit.High, only: true, lets: []string{"wrapper-redis:6379"},
	},
	{
		name: "a pod with the backend's labels",
		add: `
apiVersion: v1
kind: Pod
metadata:
  name: lookalike
  namespace: im
  labels: {app.kubernetes.io/name: openim-wrapper, app.kubernetes.io/instance: chat, app.kubernetes.io/component: backend}
spec: {containers: [{name: shell, image: shell}]}
status: {phase: Running, podIP: 10.3.0.1}`,
		kind: audit.ReservedLabels, object: "Pod/im/lookalike", severity: audit.Critical,
		ports: []string{"api:10002"}, only: true, lets: []string{"receives the traffic of backend", "api:10002",
			"mongodb"}, fix: []string{"kubectl -n im delete pod lookalike"},
	},
	{
		name: "a pod of a foreign Deployment with the labels of an rpc service",
		add: `
apiVersion: v1
kind: Pod
metadata:
  name: tool-5f6d-x1
  namespace: im
  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: tool-5f6d, uid: u1, controller: true}]
  labels: {app.kubernetes.io/name: openim, app.kubernetes.io/instance: chat, app.kubernetes.io/component: rpc-msg, pod-template-hash: 5f6d}
spec: {containers: [{name: tool, image: tool}]}
status: {phase: Running, podIP: 10.3.0.2}`,
		kind: audit.ReservedLabels, object: "Pod/im/tool-5f6d-x1", severity: audit.Critical,
		ports: []string{"rpc-conversation:10220", "rpc-user:10320"}, lets: []string{"kafka", "redis"},
	},
	{
		name: "an owner that looks like the stack's, and another service account",
		add: `
apiVersion: v1
kind: Pod
metadata:
  name: chat-gateway-5d9c7b6f4-fake
  namespace: im
  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: chat-gateway-5d9c7b6f4, uid: u2, controller: true}]
  labels: {app.kubernetes.io/name: openim-wrapper, app.kubernetes.io/instance: chat, app.kubernetes.io/component: gateway, pod-template-hash: 5d9c7b6f4}
spec: {serviceAccountName: default, containers: [{name: gateway, image: gateway}]}
status: {phase: Running, podIP: 10.3.0.3}`,
		kind: audit.ReservedLabels, object: "Pod/im/chat-gateway-5d9c7b6f4-fake", severity: audit.Critical,
		ports: []string{"backend:8080", "msggateway:10001"}, only: true,
	},
	{
		name: "the labels are removed from a pod of the API, which keeps running",
		change: func(t *testing.T, in *audit.Input) {
			p := pod(t, in, "api").DeepCopy()
			p.Name, p.Labels, p.OwnerReferences = "released", map[string]string{"app": "mine"}, nil
			p.Status.PodIP, p.Status.PodIPs = "10.3.0.7", nil
			in.Snapshot.Pods = append(in.Snapshot.Pods, *p)
		},
		kind: audit.StrayPod, object: "Pod/im/released", severity: audit.Critical, ports: []string{"api:10002", "api:12002", "api:12900"},
		only: true,
		lets: []string{"anyone reaches api:10002"}, fix: []string{"kubectl -n im delete pod released"},
	},
	{
		name: "the component label is removed from a pod, and other policies still deny",
		add: `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny-all, namespace: im}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}`,
		change: func(t *testing.T, in *audit.Input) {
			p := pod(t, in, "rpc-user").DeepCopy()
			p.Name, p.OwnerReferences = "half-out", nil
			delete(p.Labels, "app.kubernetes.io/component")
			p.Status.PodIP, p.Status.PodIPs = "10.3.0.8", nil
			in.Snapshot.Pods = append(in.Snapshot.Pods, *p)
		},
		kind: audit.StrayPod, object: "Pod/im/half-out", severity: audit.Medium, only: true, lets: []string{"not those of rpc-user"},
	},
	{
		name: "a pod on its node's network that receives the API's traffic",
		add: `
apiVersion: v1
kind: Pod
metadata:
  name: trap
  namespace: im
  labels: {app.kubernetes.io/name: openim, app.kubernetes.io/instance: chat, app.kubernetes.io/component: api}
spec: {hostNetwork: true, containers: [{name: trap, image: trap}]}
status: {phase: Running, podIP: 172.20.0.3}`,
		kind: audit.ReservedLabels, object: "Pod/im/trap", severity: audit.Critical, only: true,
		lets: []string{"receives the traffic of api"}, fix: []string{"kubectl -n im delete pod trap"},
	},
	{
		name: "a pod of the stack on its node's network",
		change: func(t *testing.T, in *audit.Input) {
			p := pod(t, in, "rpc-group")
			p.Spec.HostNetwork = true
		},
		kind: audit.HostNetwork, object: "Pod/im/chat-rpc-group-5d9c7b6f4-00000", severity: audit.Critical,
		ports: []string{"rpc-group:10260", "rpc-group:12260", "rpc-group:12900"}, only: true, lets: []string{"node's address",
			"connect to anything"}, fix: []string{"hostNetwork", "chat-rpc-group"},
	},
	{
		name: "a host port to the API",
		change: func(t *testing.T, in *audit.Input) {
			pod(t, in, "api").Spec.Containers[0].Ports[0].HostPort = 10002
		},
		kind: audit.HostPort, object: "Pod/im/chat-api-5d9c7b6f4-00000", severity: audit.High,
		ports: []string{"api:10002"}, only: true, lets: []string{"the node"},
	},
	{
		name: "a debug container in the backend",
		change: func(t *testing.T, in *audit.Input) {
			pod(t, in, "backend").Status.EphemeralContainerStatuses = []corev1.ContainerStatus{
				{Name: "debugger-x1", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}},
			}
		},
		kind: audit.DebugContainer, object: "Pod/im/chat-backend-5d9c7b6f4-00000", severity: audit.Medium, only: true,
		lets: []string{"api:10002"}, fix: []string{"kubectl -n im delete pod chat-backend"},
	},
}
