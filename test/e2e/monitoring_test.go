//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/setup"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
)

const (
	// monitoringLabel is the label of the specs of `make e2e-monitoring`.
	monitoringLabel = "monitoring"
	// scraped bounds the time until a change is in Prometheus: the operator's, one scrape and one evaluation.
	scraped = time.Minute
)

// absentAtRest are metrics that have no series while a stack is at rest, and why.
var absentAtRest = map[string]string{
	"openim_operator_rollout_wave":                  "exists during a rollout",
	"openim_operator_component_problem":             "exists while a replica is not available",
	"openim_operator_rollout_failure":               "exists while a rollout is held or was taken back",
	"openim_wrapper_socket_refusals_total":          "counts from the first refused socket on",
	"openim_wrapper_untrusted_proxy_requests_total": "counts from the first call through an unknown proxy on",
}

// monitored adds the spec with a real Prometheus.
func monitored() {
	It("is scraped by a real Prometheus through the lockdown, and three alerts fire and end with their faults", Label(monitoringLabel),
		func(ctx SpecContext) {
			image, err := environment.BuildImage(ctx, setup.PrometheusImage)
			Expect(err).NotTo(HaveOccurred())
			monitoringNamespaceExists(ctx)
			operatorServesMetrics(ctx)
			open := stack.DeepCopy()
			open.Spec.Network = &v1alpha1.Network{}
			if stack.Spec.Network != nil {
				open.Spec.Network = stack.Spec.Network.DeepCopy()
			}
			open.Spec.Network.Monitoring = []v1alpha1.Peer{{
				NamespaceSelector: &v1alpha1.Selector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": monitoringNamespace}},
				PodSelector:       &v1alpha1.Selector{MatchLabels: map[string]string{"app.kubernetes.io/name": "prometheus"}},
			}}
			DeferCleanup(restore, NodeTimeout(start))
			apply(ctx, open)
			deliver(ctx, "before Prometheus")

			p := startPrometheus(ctx, image, configuration(ctx))
			scrapesAll(ctx, p)
			talk(ctx, gateways(ctx)) // sockets are opened, used and closed
			hasData(ctx, p)
			Expect(p.firing(ctx)).To(BeEmpty(), "nothing is wrong")

			By("opening the stack")
			way := opening()
			Expect(environment.Cluster.Create(ctx, way)).To(Succeed())
			DeferCleanup(func(ctx SpecContext) {
				Expect(client.IgnoreNotFound(environment.Cluster.Delete(ctx, way))).To(Succeed())
			})
			Eventually(ctx, p.firing).WithTimeout(scraped).Should(ContainElement("OpenIMStackBreached"))
			Expect(environment.Cluster.Delete(ctx, way)).To(Succeed())
			Eventually(ctx, p.firing).WithTimeout(2 * scraped).Should(BeEmpty())

			By("freezing the wrapper's Redis")
			thaw, err := environment.FreezeStore(ctx, "redis-wrapper")
			Expect(err).NotTo(HaveOccurred())
			DeferCleanup(func(ctx SpecContext) { Expect(thaw(ctx)).To(Succeed()) })
			Eventually(ctx, p.firing).WithTimeout(time.Minute + scraped).Should(ContainElement("OpenIMWrapperDependencyDown"))
			Expect(thaw(ctx)).To(Succeed())
			Eventually(ctx, p.firing).WithTimeout(2 * scraped).ShouldNot(ContainElement("OpenIMWrapperDependencyDown"))
			talk(ctx, gateways(ctx))

			By("deleting a policy while the stack is suspended")
			changeStack(ctx, func(s *v1alpha1.OpenIMStack) { s.Spec.Suspend = ptr.To(true) })
			Eventually(ctx, func() *metav1.Condition { return stackCondition(ctx, v1alpha1.ConditionPaused) }).WithTimeout(soon).
				Should(HaveField("Status", metav1.ConditionTrue))
			Expect(environment.Cluster.Delete(ctx, policyOf(ctx, string(openim.RPCAuth)))).To(Succeed())
			Eventually(ctx, p.firing).WithTimeout(2*time.Minute + scraped).Should(ContainElement("OpenIMStackPoliciesMissing"))
			changeStack(ctx, func(s *v1alpha1.OpenIMStack) { s.Spec.Suspend = ptr.To(false) })
			Eventually(ctx, p.firing).WithTimeout(2 * scraped).ShouldNot(ContainElement("OpenIMStackPoliciesMissing"))
			ready(ctx, stack)
			deliver(ctx, "after the alerts")
		}, SpecTimeout(30*time.Minute))
}

// operatorServesMetrics installs the operator with config/prometheus, until the spec ends.
func operatorServesMetrics(ctx SpecContext) {
	GinkgoHelper()
	install := func(ctx SpecContext, components ...string) {
		objects, err := environment.Objects(ctx, "config/default", components...)
		Expect(err).NotTo(HaveOccurred())
		objects = slices.DeleteFunc(objects, func(o *unstructured.Unstructured) bool {
			return o.GetKind() == "ServiceMonitor" // the Prometheus Operator's CRDs are not there; scrapeconfig reads it
		})
		Expect(environment.Cluster.Apply(ctx, objects...)).To(Succeed())
		Expect(environment.Cluster.WaitForDeployment(ctx, setup.OperatorKey)).To(Succeed())
		Expect(environment.WaitForLeader(ctx)).To(Succeed())
	}
	install(ctx, "config/prometheus")
	DeferCleanup(func(ctx SpecContext) { install(ctx) }, NodeTimeout(5*time.Minute))
}

// reachesTelemetry reports whether a pod outside of the stack reaches the telemetry of a gateway.
func reachesTelemetry(ctx SpecContext, name string) bool {
	GinkgoHelper()
	gateway, _ := graph.Lookup(v1alpha1.ComponentGateway)
	pod, err := environment.ReadyPod(ctx, client.ObjectKeyFromObject(stack), gateway.Name)
	Expect(err).NotTo(HaveOccurred())
	open, err := reaches(ctx, intruderIn(ctx, name), fmt.Sprintf("%s:%d", pod.Status.PodIP, gateway.Port(graph.TelemetryPort).Number))
	Expect(err).NotTo(HaveOccurred())
	return open
}

// scrapesAll waits until Prometheus gets metrics from every port of every pod of the stack, and from the operator.
func scrapesAll(ctx SpecContext, p prometheus) {
	GinkgoHelper()
	Eventually(ctx, func(g Gomega) {
		down, err := p.query(ctx, "up == 0")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(down).To(BeEmpty())
		up, err := p.query(ctx, `up{stack="`+stack.Name+`"} == 1`)
		g.Expect(err).NotTo(HaveOccurred())
		var scraped []string
		for _, s := range up {
			scraped = append(scraped, s.Metric["pod"])
		}
		g.Expect(scraped).To(ContainElements(names(pods(ctx))))
		operators, err := p.query(ctx, `up{job="openim-operator-metrics"} == 1`)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(operators).NotTo(BeEmpty())
	}).WithTimeout(2 * scraped).WithPolling(time.Second).Should(Succeed())
	Expect(reachesTelemetry(ctx, "curious")).To(BeFalse(), "Prometheus alone was let in")
}

// metricName matches the metrics of the project and of controller-runtime in an expression.
var metricName = regexp.MustCompile(`\b(?:openim_(?:operator|wrapper|supervisor)|controller_runtime|rest_client)_[a-z_]+\b`)

// hasData checks that every metric of every alert and every panel has series, and that Prometheus evaluates all expressions.
func hasData(ctx SpecContext, p prometheus) {
	GinkgoHelper()
	expressions := append(alertExpressions(), panelExpressions()...)
	Expect(len(expressions)).To(BeNumerically(">", 40))
	Eventually(ctx, func(g Gomega) {
		missing := map[string]string{} // metric to the expression that needs it
		for _, expr := range expressions {
			_, err := p.query(ctx, expr)
			g.Expect(err).NotTo(HaveOccurred())
			for _, name := range metricName.FindAllString(expr, -1) {
				found, err := p.query(ctx, name)
				g.Expect(err).NotTo(HaveOccurred())
				if len(found) == 0 && absentAtRest[name] == "" {
					missing[name] = expr
				}
			}
		}
		g.Expect(missing).To(BeEmpty())
	}).WithTimeout(2 * scraped).WithPolling(5 * time.Second).Should(Succeed())
	AddReportEntry("expressions of alerts and panels that were evaluated", len(expressions))
}

func alertExpressions() []string {
	GinkgoHelper()
	content, err := os.ReadFile(filepath.Join(environment.Root, "config", "monitoring", "rules.yaml"))
	Expect(err).NotTo(HaveOccurred())
	var rule struct {
		Spec struct {
			Groups []struct {
				Rules []struct {
					Expr string `json:"expr"`
				} `json:"rules"`
			} `json:"groups"`
		} `json:"spec"`
	}
	Expect(yaml.Unmarshal(content, &rule)).To(Succeed())
	var found []string
	for _, group := range rule.Spec.Groups {
		for _, r := range group.Rules {
			found = append(found, r.Expr)
		}
	}
	return found
}

// panelExpressions returns the queries of all dashboards, with Grafana's variables replaced as Grafana does it.
func panelExpressions() []string {
	GinkgoHelper()
	paths, err := filepath.Glob(filepath.Join(environment.Root, "config", "monitoring", "dashboards", "*.json"))
	Expect(err).NotTo(HaveOccurred())
	variables := strings.NewReplacer("$__rate_interval", "1m", "$namespace", stack.Namespace, "$stack", stack.Name)
	var found []string
	for _, path := range paths {
		content, err := os.ReadFile(path)
		Expect(err).NotTo(HaveOccurred())
		var board struct {
			Panels []struct {
				Targets []struct{ Expr string }
			}
		}
		Expect(json.Unmarshal(content, &board)).To(Succeed())
		for _, panel := range board.Panels {
			for _, t := range panel.Targets {
				found = append(found, variables.Replace(t.Expr))
			}
		}
	}
	return found
}
