package pods_test

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim/pods"
)

func annotated(t *testing.T, field, key, value string) *v1alpha1.OpenIMStack {
	t.Helper()
	return stackOf(&v1alpha1.Pods{Template: template(t, `{"metadata":{"`+field+`":{"`+key+`":"`+value+`"}}}`)})
}

// What the audit finds on a pod, no template can write: also in another case, and another key of the same domain.
func TestATemplateCannotWriteWhatTheAuditFinds(t *testing.T) {
	keys := []string{
		"k8s.v1.cni.cncf.io/networks-status", "ovn.kubernetes.io/logical_switch", "attachnet.default.ovn.kubernetes.io/ip_address",
		"cni.projectcalico.org/ipv4pools", "vpc.amazonaws.com/pod-ips",
	}
	for _, n := range pods.NetworkKeys() {
		keys = append(keys, n.Key)
	}
	for _, key := range keys {
		for _, field := range []string{"annotations", "labels"} {
			for _, written := range []string{key, strings.ToUpper(key)} {
				found := refusalsOf(annotated(t, field, written, "false"))
				NewWithT(t).Expect(found).To(ConsistOf(And(
					HaveField("Field", "spec.pods.template.metadata."+field), HaveField("Why", ContainSubstring("no policy seals: remove it")),
				)), written)
			}
		}
	}
}

func TestNoWebhookIsAskedForAContainer(t *testing.T) {
	for _, key := range []string{
		"sidecar.istio.io/inject", "inject.istio.io/templates", "istio.io/rev", "istio.io/dataplane-mode", "ambient.istio.io/redirection",
		"linkerd.io/inject", "config.linkerd.io/skip-inbound-ports", "viz.linkerd.io/tap-enabled", "kuma.io/sidecar-injection",
		"consul.hashicorp.com/connect-inject", "dapr.io/enabled", "vault.hashicorp.com/agent-inject", "io.cilium.proxy-visibility",
		"policy.cilium.io/proxy-visibility", "instrumentation.opentelemetry.io/inject-go", "sidecar.opentelemetry.io/inject",
	} {
		for _, field := range []string{"annotations", "labels"} {
			g := NewWithT(t)
			g.Expect(refusalsOf(annotated(t, field, key, "true"))).To(ConsistOf(HaveField("Why", ContainSubstring("no exception lists"))), key)
			for _, value := range []string{"false", "disabled", "None"} {
				g.Expect(refusalsOf(annotated(t, field, key, value))).To(BeEmpty(), "%s keeps %s away", value, key)
			}
		}
	}
}

// Keys that only look alike, and those of other tools, stay usable.
func TestOtherKeysOfPodsAreTaken(t *testing.T) {
	for _, key := range []string{
		"prometheus.io/scrape", "example.com/cni", "cni.example.com/x", "notistio.io/x", "cluster-autoscaler.kubernetes.io/safe-to-evict",
		"backup.velero.io/backup-volumes", "kubernetes.io/egress-bandwidth", "istio", "networkservicemesh", "dapr.example.com/enabled",
	} {
		for _, field := range []string{"annotations", "labels"} {
			NewWithT(t).Expect(refusalsOf(annotated(t, field, key, "true"))).To(BeEmpty(), key)
		}
	}
}
