//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// targetsOf stands in for Prometheus's discovery of Kubernetes for the roles pod and endpoints: one target for each port, with the meta
// labels that the Prometheus Operator's relabelings use (Prometheus, documentation of kubernetes_sd_config).
func targetsOf(ctx context.Context, discovery map[string]any) []any {
	GinkgoHelper()
	var found []any
	for _, namespace := range namespacesOf(discovery) {
		switch discovery["role"] {
		case "pod":
			var list corev1.PodList
			Expect(environment.Cluster.List(ctx, &list, client.InNamespace(namespace))).To(Succeed())
			for _, pod := range list.Items {
				found = append(found, podTargets(&pod)...)
			}
		case "endpoints":
			var list corev1.ServiceList
			Expect(environment.Cluster.List(ctx, &list, client.InNamespace(namespace))).To(Succeed())
			for _, service := range list.Items {
				found = append(found, serviceTargets(ctx, &service)...)
			}
		default:
			Fail(fmt.Sprintf("the Prometheus Operator wrote the role %v, which this test does not know", discovery["role"]))
		}
	}
	return found
}

// namespacesOf returns the namespaces to search; "" is all.
func namespacesOf(discovery map[string]any) []string {
	limited, ok := discovery["namespaces"].(map[string]any)
	if !ok {
		return []string{""}
	}
	var names []string
	for _, name := range limited["names"].([]any) {
		names = append(names, name.(string))
	}
	return names
}

func podTargets(pod *corev1.Pod) []any {
	var found []any
	for _, container := range pod.Spec.Containers {
		for _, port := range container.Ports {
			meta := podMeta(pod)
			meta["__meta_kubernetes_pod_container_name"] = container.Name
			meta["__meta_kubernetes_pod_container_port_name"] = port.Name
			found = append(found, target(pod.Status.PodIP, port.ContainerPort, meta))
		}
	}
	return found
}

func serviceTargets(ctx context.Context, service *corev1.Service) []any {
	GinkgoHelper()
	var slices discoveryv1.EndpointSliceList
	Expect(environment.Cluster.List(ctx, &slices, client.InNamespace(service.Namespace),
		client.MatchingLabels{discoveryv1.LabelServiceName: service.Name})).To(Succeed())
	var found []any
	for _, slice := range slices.Items {
		for _, endpoint := range slice.Endpoints {
			for _, port := range slice.Ports {
				meta := map[string]string{"__meta_kubernetes_namespace": service.Namespace, "__meta_kubernetes_service_name": service.Name}
				addLabels(meta, "service", service.Labels)
				meta["__meta_kubernetes_endpoint_port_name"] = *port.Name
				if endpoint.TargetRef != nil {
					meta["__meta_kubernetes_endpoint_address_target_kind"] = endpoint.TargetRef.Kind
					meta["__meta_kubernetes_endpoint_address_target_name"] = endpoint.TargetRef.Name
					meta["__meta_kubernetes_pod_name"] = endpoint.TargetRef.Name
				}
				found = append(found, target(endpoint.Addresses[0], *port.Port, meta))
			}
		}
	}
	return found
}

func podMeta(pod *corev1.Pod) map[string]string {
	meta := map[string]string{
		"__meta_kubernetes_namespace": pod.Namespace,
		"__meta_kubernetes_pod_name":  pod.Name,
		"__meta_kubernetes_pod_phase": string(pod.Status.Phase),
	}
	addLabels(meta, "pod", pod.Labels)
	return meta
}

// addLabels adds the labels of an object, and that they are present.
func addLabels(meta map[string]string, of string, labels map[string]string) {
	for name, value := range labels {
		name = strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
				return r
			}
			return '_'
		}, name)
		meta["__meta_kubernetes_"+of+"_label_"+name] = value
		meta["__meta_kubernetes_"+of+"_labelpresent_"+name] = "true"
	}
}

func target(address string, port int32, labels map[string]string) any {
	return map[string]any{"targets": []string{net.JoinHostPort(address, strconv.Itoa(int(port)))}, "labels": labels}
}
