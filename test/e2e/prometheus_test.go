//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/hack/environment/setup"
)

const (
	// monitoringNamespace holds Prometheus, as in docs/metrics.md.
	monitoringNamespace = "monitoring"
	prometheusPort      = 9090
	// maxAnswer bounds an answer of Prometheus, in bytes.
	maxAnswer = 4 << 20
)

// monitors are the Prometheus Operator's objects that the project ships.
var monitors = []string{"config/monitoring/rules.yaml", "config/monitoring/pod_monitor.yaml", "config/prometheus/service_monitor.yaml"}

// prometheus is a running Prometheus.
type prometheus struct{ address string }

// configuration returns what the Prometheus Operator makes of the project's objects, with the targets that are there now, and the alerts.
// Debian's Prometheus is built without the discovery of Kubernetes (promtool: "field kubernetes_sd_configs not found"), so that its part is
// played by targetsOf.
func configuration(ctx context.Context) map[string]string {
	GinkgoHelper()
	version, err := exec.CommandContext(ctx, "prometheus", "--version").Output()
	Expect(err).NotTo(HaveOccurred())
	words := strings.Fields(string(version)) // prometheus, version 2.42.0+ds (...)
	Expect(len(words)).To(BeNumerically(">", 2))
	number, _, _ := strings.Cut(words[2], "+")
	rules := GinkgoT().TempDir()
	args := []string{"run", "-C", "hack/scrapeconfig", ".", "--version", number, "--rules", rules}
	for _, path := range monitors {
		args = append(args, filepath.Join(environment.Root, path))
	}
	command := exec.CommandContext(ctx, "go", args...)
	command.Dir, command.Stderr = environment.Root, GinkgoWriter
	made, err := command.Output()
	Expect(err).NotTo(HaveOccurred())
	var config map[string]any
	// The Prometheus Operator's sidecar replaces these variables.
	variables := strings.NewReplacer("$(SHARD)", "0", "$(POD_NAME)", "prometheus")
	Expect(yaml.Unmarshal([]byte(variables.Replace(string(made))), &config)).To(Succeed())
	for _, job := range config["scrape_configs"].([]any) {
		job := job.(map[string]any)
		job["static_configs"] = targetsOf(ctx, job["kubernetes_sd_configs"].([]any)[0].(map[string]any))
		delete(job, "kubernetes_sd_configs")
	}
	config["rule_files"] = []string{"/etc/prometheus/*.rules.yaml"}
	content, err := yaml.Marshal(config)
	Expect(err).NotTo(HaveOccurred())
	files := map[string]string{"prometheus.yaml": string(content)}
	written, err := filepath.Glob(filepath.Join(rules, "*.yaml"))
	Expect(err).NotTo(HaveOccurred())
	Expect(written).To(HaveLen(1))
	groups, err := os.ReadFile(written[0])
	Expect(err).NotTo(HaveOccurred())
	files["openim.rules.yaml"] = string(groups)
	return files
}

// startPrometheus starts Prometheus in a namespace of its own and returns it once it is ready.
func startPrometheus(ctx SpecContext, image string, files map[string]string) prometheus {
	GinkgoHelper()
	labels := map[string]string{"app.kubernetes.io/name": "prometheus"}
	meta := metav1.ObjectMeta{Namespace: monitoringNamespace, Name: "prometheus", Labels: labels}
	pod := &corev1.Pod{ObjectMeta: meta, Spec: corev1.PodSpec{
		AutomountServiceAccountToken: ptr.To(false),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: ptr.To(true), RunAsUser: ptr.To[int64](65532), FSGroup: ptr.To[int64](65532),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Containers: []corev1.Container{{
			Name: "prometheus", Image: image, ImagePullPolicy: corev1.PullIfNotPresent,
			Args: []string{"--config.file=/etc/prometheus/prometheus.yaml", "--storage.tsdb.path=/data"},
			ReadinessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{
				HTTPGet: &corev1.HTTPGetAction{Path: "/-/ready", Port: intstr.FromInt32(prometheusPort)},
			}, PeriodSeconds: 1},
			SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: ptr.To(false), ReadOnlyRootFilesystem: ptr.To(true),
				Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			},
			VolumeMounts: []corev1.VolumeMount{{Name: "config", MountPath: "/etc/prometheus"}, {Name: "data", MountPath: "/data"}},
		}},
		Volumes: []corev1.Volume{
			{Name: "config", VolumeSource: corev1.VolumeSource{
				ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: meta.Name}},
			}},
			{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
		},
	}}
	for _, object := range []client.Object{&corev1.ConfigMap{ObjectMeta: meta, Data: files}, pod} {
		Expect(environment.Cluster.Create(ctx, object)).To(Succeed())
	}
	Eventually(ctx, func(g Gomega) {
		g.Expect(environment.Cluster.Get(ctx, client.ObjectKeyFromObject(pod), pod)).To(Succeed())
		g.Expect(pod.Status.ContainerStatuses).To(ContainElement(HaveField("Ready", true)), "%v", pod.Status.ContainerStatuses)
	}).WithTimeout(2 * time.Minute).Should(Succeed())
	address, err := environment.Cluster.Forward(ctx, client.ObjectKeyFromObject(pod), prometheusPort)
	Expect(err).NotTo(HaveOccurred())
	return prometheus{address: address}
}

// monitoringNamespaceExists creates Prometheus's namespace, which is labelled as docs/metrics.md says, until the spec ends.
func monitoringNamespaceExists(ctx SpecContext) {
	GinkgoHelper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: monitoringNamespace, Labels: map[string]string{"openimstack.dev/metrics": "enabled"},
	}}
	Expect(environment.Cluster.Remove(ctx, namespace, &corev1.NamespaceList{})).To(Succeed())
	Expect(environment.Cluster.Create(ctx, namespace)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) {
		err := environment.Cluster.Delete(ctx, namespace)
		Expect(err == nil || apierrors.IsNotFound(err)).To(BeTrue(), "%v", err)
	}, NodeTimeout(time.Minute))
}

// get asks Prometheus's HTTP API and decodes the member data of the answer.
func (p prometheus) get(ctx context.Context, path string, query url.Values, data any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.address+path+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return err
	}
	var answer struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.Unmarshal(content, &answer); err != nil || answer.Status != "success" {
		return fmt.Errorf("prometheus answered %s: %.300s", response.Status, content)
	}
	return json.Unmarshal(answer.Data, data)
}

// series is a series of a query's answer.
type series struct {
	Metric map[string]string `json:"metric"`
}

// query evaluates an expression now.
func (p prometheus) query(ctx context.Context, expr string) ([]series, error) {
	var data struct {
		Result []series `json:"result"`
	}
	err := p.get(ctx, "/api/v1/query", url.Values{"query": {expr}}, &data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", expr, err)
	}
	return data.Result, nil
}

// firing returns the names of the alerts that fire for the suite's stack or the operator, each once.
func (p prometheus) firing(ctx context.Context) ([]string, error) {
	var data struct {
		Alerts []struct {
			Labels map[string]string `json:"labels"`
			State  string            `json:"state"`
		} `json:"alerts"`
	}
	if err := p.get(ctx, "/api/v1/alerts", nil, &data); err != nil {
		return nil, err
	}
	var names []string
	for _, a := range data.Alerts {
		if a.State != "firing" || slices.Contains(names, a.Labels["alertname"]) {
			continue
		}
		if of := a.Labels["namespace"]; of != "" && of != setup.StackNamespace {
			return nil, fmt.Errorf("alert %v: its namespace is not the stack's", a.Labels)
		}
		names = append(names, a.Labels["alertname"])
	}
	return names, nil
}
