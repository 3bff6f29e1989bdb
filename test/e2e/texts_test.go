//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/setup"
)

// texts returns configuration, logs, events and status, which users may read without access to Secrets, by source.
func texts(ctx SpecContext) map[string][]byte {
	GinkgoHelper()
	found := map[string][]byte{}
	for name, list := range map[string]client.ObjectList{
		"ConfigMaps": &corev1.ConfigMapList{}, "pods": &corev1.PodList{}, "events": &corev1.EventList{}, "stacks": &v1alpha1.OpenIMStackList{},
	} {
		Expect(environment.Cluster.List(ctx, list, client.InNamespace(stack.Namespace))).To(Succeed())
		content, err := json.Marshal(list)
		Expect(err).NotTo(HaveOccurred())
		found[name] = content
	}
	var operator corev1.PodList
	Expect(environment.Cluster.List(ctx, &operator, client.InNamespace(setup.OperatorNamespace))).To(Succeed())
	for _, pod := range append(pods(ctx), operator.Items...) {
		if pod.Status.Phase != corev1.PodRunning {
			continue
		}
		log, err := environment.Cluster.Clientset.CoreV1().Pods(pod.Namespace).
			GetLogs(pod.Name, &corev1.PodLogOptions{Container: pod.Spec.Containers[0].Name}).DoRaw(ctx)
		if apierrors.IsNotFound(err) && pod.Labels[v1alpha1.LabelName] == v1alpha1.NameProbe {
			continue // the probe has ended
		}
		Expect(err).NotTo(HaveOccurred())
		found["log of "+pod.Name] = log
	}
	return found
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
