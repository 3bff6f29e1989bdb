package pods_test

import (
	"encoding/json"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim/pods"
)

// rpcAuth returns a template as the operator builds it, with a part of each kind.
func rpcAuth() corev1.PodTemplateSpec {
	labels := map[string]string{v1alpha1.LabelName: "openim", v1alpha1.LabelInstance: "chat", v1alpha1.LabelComponent: "rpc-auth"}
	own := corev1.Container{
		Name: "openim-rpc-auth", Image: "openim:1", Command: []string{"/run/supervisor/supervisor"}, Args: []string{"--", "openim-rpc-auth"},
		Ports:          []corev1.ContainerPort{{Name: "grpc", ContainerPort: 10200, Protocol: corev1.ProtocolTCP}},
		Env:            []corev1.EnvVar{{Name: "IMENV_SHARE_SECRET", Value: "x"}, {Name: "POD_IP", Value: "y"}},
		VolumeMounts:   []corev1.VolumeMount{{Name: "config", MountPath: "/etc/openim", ReadOnly: true}},
		ReadinessProbe: &corev1.Probe{PeriodSeconds: 5},
	}
	prepare := corev1.Container{Name: "prepare", Image: "supervisor:1", Command: []string{"/preflight"}}
	pods.Harden(&own)
	pods.Harden(&prepare)
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: map[string]string{v1alpha1.AnnotationCredentials: "x"}},
		Spec: corev1.PodSpec{
			ServiceAccountName: "chat-rpc-auth", AutomountServiceAccountToken: ptr.To(false), EnableServiceLinks: ptr.To(false),
			SecurityContext: pods.SecurityContext(v1alpha1.UserIDsFixed),
			InitContainers:  []corev1.Container{prepare}, Containers: []corev1.Container{own},
			Volumes: []corev1.Volume{
				{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{DefaultMode: ptr.To[int32](0o444)}}},
				{Name: "supervisor", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: quantity("16Mi")}}},
			},
			TopologySpreadConstraints: []corev1.TopologySpreadConstraint{{
				MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.ScheduleAnyway,
				LabelSelector: &metav1.LabelSelector{MatchLabels: labels},
			}},
		},
	}
}

func quantity(text string) *resource.Quantity { return ptr.To(resource.MustParse(text)) }

func TestTemplatesAreMergedFromTheWidestToTheNarrowest(t *testing.T) {
	g := NewWithT(t)
	spec := &v1alpha1.Pods{
		Template: template(t, "metadata: {labels: {a: all, b: all, c: all, d: all}}"),
		Components: []v1alpha1.ComponentPods{
			{Name: "rpc-auth", Template: template(t, "metadata: {labels: {d: rpc-auth}}")},
			{Name: "rpc", Template: template(t, "metadata: {labels: {c: rpc, d: rpc}}")},
			{Name: "openim", Template: template(t, "metadata: {labels: {b: openim, c: openim, d: openim}}")},
			{Name: "wrapper", Template: template(t, "metadata: {labels: {a: wrapper}}")},
		},
	}
	of := func(component string) map[string]string {
		merged, err := pods.Merge(spec, component, corev1.PodTemplateSpec{})
		g.Expect(err).NotTo(HaveOccurred())
		return merged.Labels
	}
	g.Expect(of("rpc-auth")).To(Equal(map[string]string{"a": "all", "b": "openim", "c": "rpc", "d": "rpc-auth"}))
	g.Expect(of("rpc-user")).To(Equal(map[string]string{"a": "all", "b": "openim", "c": "rpc", "d": "rpc"}))
	g.Expect(of("push")).To(Equal(map[string]string{"a": "all", "b": "openim", "c": "openim", "d": "openim"}))
	g.Expect(of("gateway")).To(Equal(map[string]string{"a": "wrapper", "b": "all", "c": "all", "d": "all"}))
}

func TestATemplateIsMergedIntoWhatTheOperatorBuilds(t *testing.T) {
	g := NewWithT(t)
	merged, err := pods.Merge(&v1alpha1.Pods{Template: template(t, everything)}, "rpc-auth", rpcAuth())
	g.Expect(err).NotTo(HaveOccurred())
	names := func(containers []corev1.Container) (all []string) {
		for _, c := range containers {
			all = append(all, c.Name)
		}
		return all
	}
	g.Expect(names(merged.Spec.Containers)).To(Equal([]string{"openim-rpc-auth", "agent"}))
	g.Expect(names(merged.Spec.InitContainers)).To(Equal([]string{"first", "prepare"}), "the stores are checked last")
	own, agent := merged.Spec.Containers[0], merged.Spec.Containers[1]
	g.Expect(own.Env).To(ContainElements(HaveField("Name", "IMENV_SHARE_SECRET"), HaveField("Name", "GOMEMLIMIT")))
	g.Expect(own.Resources.Limits.Cpu().String()).To(Equal("2"))
	g.Expect(own.SecurityContext.RunAsUser).To(HaveValue(BeEquivalentTo(1000)))
	g.Expect(own.SecurityContext.Capabilities.Drop).To(ConsistOf(corev1.Capability("ALL")))
	g.Expect(agent.SecurityContext.AllowPrivilegeEscalation).To(HaveValue(BeFalse()), "other containers are hardened, too")
	g.Expect(merged.Spec.TopologySpreadConstraints).To(HaveLen(2))
	g.Expect(merged.Spec.Tolerations).To(HaveLen(1))
	g.Expect(merged.Spec.SecurityContext.FSGroup).To(HaveValue(BeEquivalentTo(2000)))
	g.Expect(merged.Spec.SecurityContext.RunAsNonRoot).To(HaveValue(BeTrue()))
	sealed(t, rpcAuth(), merged, nil)

	unchanged, err := pods.Merge(&v1alpha1.Pods{}, "rpc-auth", rpcAuth())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(unchanged).To(Equal(rpcAuth()))
}

func TestTheCheckIsScheduledAsItsGroupAndGetsNothingElse(t *testing.T) {
	g := NewWithT(t)
	base := rpcAuth()
	base.Spec.InitContainers[0].Name, base.Spec.Containers[0].Name = "check", "idle"
	merged, err := pods.Merge(&v1alpha1.Pods{Template: template(t, everything)}, v1alpha1.ComponentCheck, base)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(merged.Spec.Tolerations).To(HaveLen(1))
	g.Expect(merged.Spec.Containers).To(HaveLen(1))
	g.Expect(merged.Spec.InitContainers).To(HaveLen(1))
	g.Expect(merged.Spec.Volumes).To(HaveLen(2))
}

// sealed checks that a merged template has all that no template may change, and the hardening unless an exception tells of its loss.
func sealed(t *testing.T, base, merged corev1.PodTemplateSpec, exceptions []pods.Exception) {
	t.Helper()
	g := NewWithT(t)
	for key, value := range base.Labels {
		g.Expect(merged.Labels).To(HaveKeyWithValue(key, value))
	}
	for key, value := range base.Annotations {
		g.Expect(merged.Annotations).To(HaveKeyWithValue(key, value))
	}
	spec := merged.Spec
	g.Expect(spec.HostNetwork || spec.HostPID || spec.HostIPC || spec.ShareProcessNamespace != nil || spec.NodeName != "").To(BeFalse())
	g.Expect(spec.ServiceAccountName).To(Equal(base.Spec.ServiceAccountName))
	g.Expect(spec.AutomountServiceAccountToken).To(HaveValue(BeFalse()))
	g.Expect(spec.Containers[0].Name).To(Equal(base.Spec.Containers[0].Name), "code finds the component's container there")
	g.Expect(spec.InitContainers[len(spec.InitContainers)-1].Name).To(Equal("prepare"))
	for _, pair := range [][2]corev1.Container{
		{base.Spec.Containers[0], spec.Containers[0]}, {base.Spec.InitContainers[0], spec.InitContainers[len(spec.InitContainers)-1]},
	} {
		want, got := pair[0], pair[1]
		g.Expect(got.Image).To(Equal(want.Image))
		g.Expect(got.Command).To(Equal(want.Command))
		g.Expect(got.Args).To(Equal(want.Args))
		g.Expect(got.Ports).To(Equal(want.Ports))
		g.Expect(got.ReadinessProbe).To(Equal(want.ReadinessProbe))
		g.Expect(got.LivenessProbe).To(Equal(want.LivenessProbe))
		g.Expect(got.StartupProbe).To(Equal(want.StartupProbe))
		for _, env := range want.Env {
			g.Expect(got.Env).To(ContainElement(env))
		}
		for _, mount := range want.VolumeMounts {
			g.Expect(got.VolumeMounts).To(ContainElement(mount))
		}
	}
	for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
		g.Expect(ptr.Deref(c.SecurityContext.Privileged, false)).To(BeFalse(), c.Name)
		g.Expect(ptr.Deref(c.SecurityContext.ProcMount, corev1.DefaultProcMount)).To(Equal(corev1.DefaultProcMount), c.Name)
		g.Expect(c.SecurityContext.Capabilities.Add).To(Or(BeEmpty(), HaveEach(corev1.Capability("NET_BIND_SERVICE"))), c.Name)
	}
	for _, volume := range spec.Volumes {
		g.Expect(volume.HostPath).To(BeNil())
		if i := slices.IndexFunc(base.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == volume.Name }); i >= 0 {
			g.Expect(volume.VolumeSource.ConfigMap).To(Equal(base.Spec.Volumes[i].ConfigMap))
		}
	}
	if slices.ContainsFunc(exceptions, func(e pods.Exception) bool { return e.Name[:10] == "PodSecurit" }) {
		return
	}
	g.Expect(spec.SecurityContext.RunAsNonRoot).To(HaveValue(BeTrue()))
	g.Expect(spec.SecurityContext.SeccompProfile.Type).NotTo(Equal(corev1.SeccompProfileTypeUnconfined))
	for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
		g.Expect(c.SecurityContext.RunAsNonRoot).To(HaveValue(BeTrue()), c.Name)
		g.Expect(c.SecurityContext.AllowPrivilegeEscalation).To(HaveValue(BeFalse()), c.Name)
		g.Expect(c.SecurityContext.Capabilities.Drop).To(ContainElement(corev1.Capability("ALL")), c.Name)
		g.Expect(c.SecurityContext.SeccompProfile.Type).NotTo(Equal(corev1.SeccompProfileTypeUnconfined), c.Name)
		g.Expect(c.SecurityContext.ReadOnlyRootFilesystem).To(HaveValue(BeTrue()), c.Name)
	}
}

// FuzzTemplates looks for a template that is taken and yet changes what no template may change.
func FuzzTemplates(f *testing.F) {
	for _, c := range refusals {
		f.Add(template(f, c.template).Raw)
	}
	for _, c := range exceptions {
		f.Add(template(f, c.template).Raw)
	}
	f.Add(template(f, everything).Raw)
	f.Add([]byte(`{"spec":{"containers":[{"name":"component","env":[{"name":"A"},{"name":"A"}]}]}}`))
	f.Add([]byte(`{"metadata":{"labels":{"a":"b"}},"metadata":{"labels":null}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		spec := &v1alpha1.Pods{
			Template:   &runtime.RawExtension{Raw: raw},
			Components: []v1alpha1.ComponentPods{{Name: "rpc-auth", Template: &runtime.RawExtension{Raw: raw}}},
		}
		refused := refusalsOf(stackOf(spec))
		merged, err := pods.Merge(spec, "rpc-auth", rpcAuth())
		if len(refused) > 0 {
			return
		}
		if err != nil {
			t.Fatalf("nothing is refused, and it is not merged: %v", err)
		}
		sealed(t, rpcAuth(), merged, pods.Exceptions(spec))
		if _, err := json.Marshal(merged); err != nil {
			t.Fatal(err)
		}
	})
}

// The stores are checked by the way by which the component reaches them, and prepare gets no other variable of the component's.
func TestTheCheckOfTheStoresGetsTheProxyOfItsComponent(t *testing.T) {
	g := NewWithT(t)
	const private = "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7,.svc"
	spec := &v1alpha1.Pods{Template: template(t, `{spec: {containers: [{name: component, env: [{name: HTTPS_PROXY, value: "http://p:1"},
		{name: no_proxy, value: "`+private+`"}, {name: APP_SECRET, value: z}]}, {name: agent, image: "agent:1", env: [{name: HTTP_PROXY, value: x}]}]}}`)}
	merged, err := pods.Merge(spec, "rpc-auth", rpcAuth())
	g.Expect(err).NotTo(HaveOccurred())
	prepare := merged.Spec.InitContainers[len(merged.Spec.InitContainers)-1]
	g.Expect(prepare.Name).To(Equal(pods.Prepare))
	g.Expect(prepare.Env).To(ConsistOf(
		corev1.EnvVar{Name: "HTTPS_PROXY", Value: "http://p:1"}, corev1.EnvVar{Name: "no_proxy", Value: private}))
	merged, err = pods.Merge(&v1alpha1.Pods{Template: template(t, "metadata: {labels: {a: b}}")}, "rpc-auth", rpcAuth())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(merged.Spec.InitContainers[0].Env).To(BeEmpty())
}
