package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/load"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/plugintest"
	"github.com/openimstack/openim-operator/controllers/manifests"
)

// hidden is in each place that could give a secret or a message away. It must be in no file.
const hidden = "hunter2-is-hidden"

// cluster is a source with logs by pod and container. It has no Secrets to give.
type cluster struct {
	client.Client

	t       *testing.T
	logs    map[string]string
	refused func(client.ObjectList) error
}

func (c cluster) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	if _, secrets := list.(*corev1.SecretList); secrets {
		c.t.Error("Secrets are read")
	}
	if c.refused != nil {
		if err := c.refused(list); err != nil {
			return err
		}
	}
	return c.Client.List(ctx, list, options...)
}

func (c cluster) Logs(_ context.Context, _, pod string, options *corev1.PodLogOptions) (io.ReadCloser, error) {
	name := pod + "/" + options.Container
	if options.Previous {
		name += "-previous"
	}
	content, ok := c.logs[name]
	if !ok {
		return nil, errors.New("the container has not started")
	}
	return io.NopCloser(strings.NewReader(content)), nil
}

func (c cluster) ServerVersion() (string, error) { return "v1.36.3", nil }

// running is a cluster with a stack, one pod of each kind, and hidden wherever somebody may have put it.
func running(t *testing.T) cluster {
	labels := func(name, component string) map[string]string {
		all := manifests.CommonLabels("chat")
		all[v1alpha1.LabelName], all[v1alpha1.LabelComponent] = name, component
		return all
	}
	annotations := map[string]string{
		"kubectl.kubernetes.io/last-applied-configuration": hidden, v1alpha1.AnnotationRevision: "chat-run-1",
	}
	spec := func(containers ...string) (s corev1.PodSpec) {
		for _, name := range containers {
			command := []string{"/bin/" + name, "--key=" + hidden}
			s.Containers = append(s.Containers, corev1.Container{
				Name: name, Env: []corev1.EnvVar{{Name: "SIDECAR_KEY", Value: hidden}}, Command: command, Args: []string{hidden},
				LivenessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: command}}},
				Lifecycle:     &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: command}}},
			})
		}
		for _, c := range s.Containers {
			c.Name += "-debugger"
			s.EphemeralContainers = append(s.EphemeralContainers, corev1.EphemeralContainer{
				EphemeralContainerCommon: corev1.EphemeralContainerCommon(c)})
		}
		return s
	}
	pod := func(namespace, name string, l map[string]string, s corev1.PodSpec) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: l, Annotations: annotations}, Spec: s}
	}
	api := pod("im", "chat-api-1", labels(v1alpha1.NameOpenIM, "api"), spec("openim-api", "istio-proxy"))
	api.Spec.InitContainers = spec("prepare").Containers
	api.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "openim-api", Image: "openim:v3.8.3", ImageID: "sha256:1", RestartCount: 1}}
	event := func(name, regarding, note string) *eventsv1.Event {
		return &eventsv1.Event{
			ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: name}, Regarding: corev1.ObjectReference{Name: regarding}, Note: note,
		}
	}
	ingress := func(namespace, name string) *networkingv1.Ingress {
		backend := networkingv1.IngressServiceBackend{Name: "chat-gateway", Port: networkingv1.ServiceBackendPort{Number: 8082}}
		return &networkingv1.Ingress{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Annotations: map[string]string{"snippet": hidden}},
			Spec:       networkingv1.IngressSpec{DefaultBackend: &networkingv1.IngressBackend{Service: &backend}},
		}
	}
	template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Annotations: maps.Clone(annotations)}, Spec: spec("openim-api")}
	template.Spec.InitContainers = spec("prepare").Containers
	objects := []client.Object{
		api, pod("im", "chat-backend-1", labels(v1alpha1.NameWrapper, "backend"), spec("backend")),
		pod("im", "other-1", map[string]string{v1alpha1.LabelInstance: "other"}, spec("other")),
		pod("openim-operator-system", "openim-operator-1", map[string]string{v1alpha1.LabelName: "openim-operator"}, spec("manager")),
		&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: "chat-api", Labels: labels(v1alpha1.NameOpenIM, "api")},
			Spec: appsv1.DeploymentSpec{Template: template}},
		&networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: "somebodys"}},
		ingress("im", "somebodys"), ingress("elsewhere", "elsewheres"), ingress("openim-operator-system", "operators"),
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: "chat-login", Labels: labels("openim", "backend")},
			Data: map[string][]byte{"key": []byte(hidden)}},
		event("e1", "chat-api-7d9", "Created"), event("e2", "db", hidden), event("e3", "chat-two-api", hidden),
		&appsv1.ControllerRevision{ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: "chat-run-1", Labels: labels("", "")},
			Data: runtime.RawExtension{Raw: []byte(`{"env":"` + hidden + `"}`)}},
		&appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: "chat-api-7d9", Labels: labels(v1alpha1.NameOpenIM, "api")},
			Spec: appsv1.ReplicaSetSpec{Template: template}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: "somebodys", Labels: labels("", "")},
			Data: map[string]string{"application.yml": "dsn: " + hidden}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: "release", Labels: map[string]string{
			v1alpha1.LabelInstance: "chat"}}, Data: map[string]string{"a": hidden}},
	}
	return cluster{
		Client: fake.NewClientBuilder().WithScheme(load.Scheme()).WithObjects(objects...).Build(), t: t,
		logs: map[string]string{
			"openim-operator-1/manager":          `{"msg":"probe finished","dsn":"mongodb://openim:` + hidden + `@db:27017/x"}` + "\n",
			"chat-backend-1/backend":             `{"msg":"request","authorization":"Bearer ` + hidden + `","password":"` + hidden + `"}` + "\n",
			"chat-api-1/openim-api":              "supervisor: ready\nsend message " + hidden + "\n",
			"chat-api-1/openim-api-previous":     "supervisor: ended\n",
			"chat-api-1/prepare":                 "redis: Unreachable: connections are refused\n",
			"chat-api-1/istio-proxy":             hidden + "\n",
			"chat-api-1/istio-proxy-previous":    hidden + "\n",
			"other-1/other":                      hidden + "\n",
			"openim-operator-1/manager-previous": hidden + "\n",
		},
	}
}

func collected(t *testing.T, source cluster) (*collection, map[string]string) {
	t.Helper()
	stack := plugintest.Observed(t)
	stack.Name, stack.Namespace = "chat", "im"
	stack.Annotations = map[string]string{"note": hidden}
	stack.Spec.Settings = &v1alpha1.Settings{Overrides: []v1alpha1.SettingsFile{{File: "redis.yml", Values: map[string]v1alpha1.SettingValue{
		"poolSize": "50", "key": hidden, "password": hidden,
	}}}}
	c := newCollection(source, stack, "openim-operator-system", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	c.collect(t.Context())
	c.addAudit(func() (*load.Subject, error) { return nil, errors.New("no rights") })
	return c, unpacked(t, c)
}

func unpacked(t *testing.T, c *collection) map[string]string {
	t.Helper()
	g := NewWithT(t)
	var archive bytes.Buffer
	g.Expect(c.write(&archive)).To(Succeed())
	zipped, err := gzip.NewReader(&archive)
	g.Expect(err).NotTo(HaveOccurred())
	files := map[string]string{}
	for reader := tar.NewReader(zipped); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		g.Expect(err).NotTo(HaveOccurred())
		content, err := io.ReadAll(reader)
		g.Expect(err).NotTo(HaveOccurred())
		files[header.Name] = string(content)
	}
}

func TestTheArchiveHoldsWhatHelps(t *testing.T) {
	g := NewWithT(t)
	_, files := collected(t, running(t))
	g.Expect(slices.Sorted(maps.Keys(files))).To(Equal([]string{
		"chat/README.txt", "chat/logs/chat-api-1/openim-api-previous.log", "chat/logs/chat-api-1/openim-api.log",
		"chat/logs/chat-api-1/prepare.log", "chat/logs/chat-backend-1/backend.log", "chat/objects/controllerrevisions.yaml",
		"chat/objects/deployments.yaml", "chat/objects/events.yaml", "chat/objects/ingresses.yaml", "chat/objects/networkpolicies.yaml",
		"chat/objects/pods.yaml",
		"chat/objects/replicasets.yaml", "chat/operator/logs/openim-operator-1/manager.log",
		"chat/operator/pods.yaml", "chat/stack.yaml", "chat/status.txt", "chat/versions.json",
	}))
	g.Expect(files["chat/objects/pods.yaml"]).To(And(
		ContainSubstring("kind: Pod"), ContainSubstring("openimstack.dev/revision: chat-run-1"), ContainSubstring("name: SIDECAR_KEY"),
		Not(ContainSubstring("other-1"))))
	g.Expect(files["chat/logs/chat-api-1/openim-api.log"]).To(Equal("supervisor: ready\n"))
	g.Expect(files["chat/versions.json"]).To(And(ContainSubstring("v1.36.3"), ContainSubstring("openim:v3.8.3 sha256:1")))
	g.Expect(files["chat/stack.yaml"]).To(And(ContainSubstring("kind: OpenIMStack"), ContainSubstring(`poolSize: "50"`)))
	g.Expect(files["chat/logs/chat-api-1/prepare.log"]).To(ContainSubstring("redis: Unreachable"))
	g.Expect(files["chat/objects/events.yaml"]).To(ContainSubstring("chat-api-7d9"), "of a ReplicaSet that may be gone")
	g.Expect(files["chat/objects/ingresses.yaml"]).To(And(
		ContainSubstring("kind: Ingress"), ContainSubstring("name: somebodys"), ContainSubstring("name: chat-gateway"),
		Not(ContainSubstring("elsewheres")), Not(ContainSubstring("operators"))), "those of others may lead to the stack, too")
	g.Expect(files["chat/README.txt"]).To(And(
		ContainSubstring("logs/chat-api-1/openim-api.log: 1 lines that OpenIM wrote itself"),
		ContainSubstring("logs/chat-api-1/istio-proxy.log: the container is none of the operator's"),
		ContainSubstring("audit.json: no rights")))
}

func TestNoSecretAndNoMessageIsInTheArchive(t *testing.T) {
	_, files := collected(t, running(t))
	for name, content := range files {
		NewWithT(t).Expect(content).NotTo(ContainSubstring(hidden), name)
	}
}

// docs/plugin.md shows this line.
func TestTheSummaryNamesTheFile(t *testing.T) {
	g := NewWithT(t)
	c, _ := collected(t, running(t))
	streams, out, _ := plugintest.Streams()
	packageFolder, err := os.Getwd()
	g.Expect(err).NotTo(HaveOccurred())
	t.Chdir(t.TempDir())
	g.Expect(streams.PublishPrivately(c.fileName(), c.write, c.summary)).To(Succeed())
	g.Expect(c.fileName()).To(BeARegularFile())
	printed := out.String()
	t.Chdir(packageFolder)
	plugintest.Golden(t, "bundle.txt", printed)
}

func TestWhatMayNotBeReadIsListed(t *testing.T) {
	g := NewWithT(t)
	source := running(t)
	source.refused = func(list client.ObjectList) error {
		if _, events := list.(*eventsv1.EventList); events {
			return apierrors.NewForbidden(schema.GroupResource{Group: "events.k8s.io", Resource: "events"}, "", errors.New("jane cannot list them"))
		}
		return nil
	}
	delete(source.logs, "chat-backend-1/backend")
	c, files := collected(t, source)
	g.Expect(files).NotTo(HaveKey("chat/objects/events.yaml"))
	g.Expect(files["chat/README.txt"]).To(And(
		ContainSubstring("objects/events.yaml: events.events.k8s.io is forbidden: jane cannot list them"),
		ContainSubstring("logs/chat-backend-1/backend.log: the container has not started")))
	g.Expect(c.summary()).To(MatchRegexp(`^\d+ files, \d+ things left out: objects/events\.yaml, .*, and \d+ more; see README\.txt in it$`))
}

func TestTheArchiveIsBoundedAndSaysSo(t *testing.T) {
	g := NewWithT(t)
	c := &collection{maxFile: 100, maxTotal: 300}
	c.add("large", bytes.Repeat([]byte("x"), 101))
	for range 4 {
		c.add("full", bytes.Repeat([]byte("x"), 100))
	}
	g.Expect(c.files).To(HaveLen(3))
	g.Expect(c.omitted).To(Equal([]omission{
		{"large", "it has 101 bytes, and a file may have 100"}, {"full", "the archive may hold 300 bytes"},
	}))
}

// Of a log that is too long the end is kept: it tells of the fault.
func TestTheEndOfALongLogIsKept(t *testing.T) {
	g := NewWithT(t)
	source := running(t)
	source.logs["chat-backend-1/backend"] = strings.Repeat("an earlier line\n", 100) + "token=a\nthe last line\n"
	stack := plugintest.Observed(t)
	stack.Name, stack.Namespace = "chat", "im"
	c := newCollection(source, stack, "openim-operator-system", time.Now())
	c.maxFile = 100
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: "chat-backend-1"}}
	c.addLog(t.Context(), "backend.log", pod, &corev1.PodLogOptions{Container: "backend"}, func(string) bool { return true })
	g.Expect(c.files).To(HaveLen(1))
	g.Expect(string(c.files[0].content)).To(And(HavePrefix("an earlier line\n"), HaveSuffix("token=<redacted>\nthe last line\n")))
	g.Expect(c.omitted).To(Equal([]omission{{"backend.log", "what is before the last 5000 lines, or before the last 100 bytes"}}))
}

func TestTheSameContentIsTheSameArchive(t *testing.T) {
	g := NewWithT(t)
	var archives [2]bytes.Buffer
	for i := range archives {
		c, _ := collected(t, running(t))
		g.Expect(c.write(&archives[i])).To(Succeed())
	}
	g.Expect(archives[0].Bytes()).To(Equal(archives[1].Bytes()))
}

func TestRedact(t *testing.T) {
	for text, want := range map[string]string{
		"dial mongodb://u:p@db:27017/x":                                           "dial mongodb://<redacted>@db:27017/x",
		"Authorization: Bearer abc.def":                                           "Authorization: Bearer <redacted>",
		`{"password":"p","user":"u"}`:                                             `{"password":"<redacted>","user":"u"}`,
		`{"accessKeySecret" : "p"}`:                                               `{"accessKeySecret" : "<redacted>"}`,
		"GET /ws?token=abc&platform=1":                                            "GET /ws?token=<redacted>&platform=1",
		"t eyJhbGciOiJI.eyJzdWIiOiJh.x":                                           "t <redacted>",
		"-----BEGIN EC PRIVATE KEY-----\nAAA\n-----END EC PRIVATE KEY-----\nrest": "<redacted>\nrest",
		"secretKeyRef:\n  key: password\n  name: redis":                           "secretKeyRef:\n  key: password\n  name: redis",
		"https://im.example.com/path":                                             "https://im.example.com/path",
		"a: 1\n    password: hunter2 # x\nb: 2":                                   "a: 1\n    password: <redacted>\nb: 2",
		"- token: abc":                                                            "- token: <redacted>",
		"{'password': 'p'}":                                                       "{'password': '<redacted>'}",
		`{"body":"{\"token\":\"abc\",\"a\":1}"}`:                                  `{"body":"{\"token\":\"<redacted>\",\"a\":1}"}`,
		`{"password":"a\\b"}`:                                                     `{"password":"<redacted>"}`,
		`{"password":"a\u0026b"}`:                                                 `{"password":"<redacted>"}`,
		`{"token":"x\ny\"z"}`:                                                     `{"token":"<redacted>"}`,
		`password=a\b`:                                                            `password=<redacted>`,
		"adminPassword: x":                                                        "adminPassword: <redacted>",
		`secret: ""`:                                                              `secret: ""`,
		`password: ""`:                                                            `password: ""`,
		`rotateShareSecret: "2026-01-02T03:04:05Z"`:                               `rotateShareSecret: "2026-01-02T03:04:05Z"`,
		`{"msg":"dial: password: \"hunter2\" refused"}`:                           `{"msg":"dial: password: \"<redacted>\" refused"}`,
		`{"msg":"password=\"hunter two\" x"}`:                                     `{"msg":"password=\"<redacted>\" x"}`,
		`{"msg":"password=hunter2\" x"}`:                                          `{"msg":"password=<redacted>\" x"}`,
		`{"secret":"openIM123","userID":"imAdmin"}`:                               `{"secret":"<redacted>","userID":"imAdmin"}`,
		"secret=openIM123":                                                        "secret=<redacted>",
		`{"body":"{\"password\":\"a\\\"b\"}"}`:                                    `{"body":"{\"password\":\"<redacted>\"}"}`,
		"password: \"a\n  b\"":                                                    "password: \"<redacted>\"",
		"automountServiceAccountToken: false":                                     "automountServiceAccountToken: false",
		"secret: ''chat''":                                                        "secret: ''chat''",
		"secretRef: {name: redis}\nsecret:\n  secretName: redis":                  "secretRef: {name: redis}\nsecret:\n  secretName: redis",
	} {
		NewWithT(t).Expect(redact(text)).To(Equal(want))
	}
}
