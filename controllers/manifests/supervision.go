package manifests

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/openim/pods"
)

const (
	// supervisorDir is the volume that the init container fills and that OpenIM's container only reads.
	supervisorDir    = "/run/supervisor"
	supervisorVolume = "supervisor"
	supervisorPath   = supervisorDir + "/supervisor"
	attemptsPath     = supervisorDir + "/attempts"
	// PrepareContainer is the name of the init container.
	PrepareContainer = pods.Prepare

	// startTimeout bounds a start: the supervisor ends a process that is not ready by then, and says which store is away.
	startTimeout = "5m0s"
	// restoreAfter is how long a release that registers again by itself is given to do so.
	restoreAfter = "15s"
)

// supervisorSize limits the volume: the supervisor has 11 MB.
var supervisorSize = resource.MustParse("16Mi")

// supervised reports whether OpenIM's processes of the stack run under the supervisor.
func (b *builder) supervised() bool { return b.stack.Spec.Supervision != v1alpha1.SupervisionDisabled }

// supervise makes the supervisor process 1 of a container, which answers the kubelet's probes.
func (b *builder) supervise(p openim.Process, container *corev1.Container) {
	program := append([]string{program(b.image(), p.Binary)}, arguments...)
	container.Command = []string{supervisorPath}
	container.Args = append(append(b.supervisorArguments(p), "--"), program...)
	container.ReadinessProbe = supervisorProbe("/readyz", 5, 2)
	container.LivenessProbe = supervisorProbe("/livez", 10, 3)
	container.VolumeMounts = append(container.VolumeMounts,
		corev1.VolumeMount{Name: supervisorVolume, MountPath: supervisorDir, ReadOnly: true})
}

func supervisorProbe(path string, period, timeout int32) *corev1.Probe {
	probe := httpProbe(path, string(openim.Health), period, 3)
	probe.TimeoutSeconds = timeout
	return probe
}

// supervisorArguments returns the supervisor's flags, all of which follow from the catalogue and the facts.
func (b *builder) supervisorArguments(p openim.Process) []string {
	settings := b.facts.Settings
	key := settings.EtcdRoot
	var args []string
	if p.Registered != "" {
		key += "/" + p.Registered
		args = append(args, "--host=$(POD_IP)")
		if settings.Release.BracketsIPv6() {
			args = append(args, "--bracket-ipv6")
		}
		if settings.Release.RegistersAgain() {
			args = append(args, "--restore-after="+restoreAfter)
		}
	}
	for _, port := range p.Ports {
		if port.Kind == openim.Health {
			args = append(args, fmt.Sprintf("--health=:%d", port.Number))
			continue
		}
		args = append(args, fmt.Sprintf("--listen=%s:%d", port.Kind, port.Number))
	}
	for _, endpoint := range settings.EtcdAddresses() {
		args = append(args, "--etcd="+endpoint)
	}
	for _, store := range p.Dependencies {
		for _, address := range addresses(settings, store) {
			args = append(args, fmt.Sprintf("--store=%s=%s", store, address))
		}
	}
	return append([]string{"--key=" + key, "--start-timeout=" + startTimeout}, args...)
}

// addresses returns host:port of a store other than etcd, as far as they are not secret: a connection string is.
func addresses(s openim.Settings, store openim.Dependency) []string {
	switch store {
	case openim.Kafka:
		return s.Brokers
	case openim.Redis:
		return s.RedisAddresses
	case openim.MongoDB:
		return s.MongoDB.Addresses
	case openim.ObjectStorage:
		if s.ObjectStorage != nil {
			return hostPort(s.ObjectStorage.URL())
		}
	}
	return nil
}

// hostPort returns the address behind a URL.
func hostPort(text string) []string {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return nil
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return []string{net.JoinHostPort(u.Hostname(), port)}
}

// prepare returns the init container, which copies the supervisor and checks the stores with the settings and credentials of the process.
func (b *builder) prepare(p openim.Process, process corev1.Container) corev1.Container {
	var stores []string
	for _, d := range p.Dependencies {
		stores = append(stores, string(d))
	}
	var env []corev1.EnvVar // the stores' credentials, and not share.secret
	for _, d := range p.Dependencies {
		env = append(env, b.facts.Credentials[d]...)
	}
	env = append(env, b.trust(p)...)
	topics := b.newTopics(p)
	mounts := slices.Clone(process.VolumeMounts)
	for i := range mounts {
		mounts[i].ReadOnly = mounts[i].Name != supervisorVolume
	}
	container := corev1.Container{
		Name:            PrepareContainer,
		Image:           b.options.SupervisorImage,
		ImagePullPolicy: process.ImagePullPolicy,
		Command: append([]string{
			"/preflight", "--install=" + supervisorPath, "--stores=" + strings.Join(stores, ","),
			"--config=" + openim.ConfigDir, "--attempts=" + attemptsPath,
		}, topics...),
		Env:          env,
		VolumeMounts: mounts,
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("32Mi")},
			Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("128Mi")},
		},
	}
	pods.Harden(&container)
	return container
}

// newTopics returns the flags of the topics that a process makes, none for a process without Kafka. Every process that uses Kafka makes
// them, because none may start before they exist: a broker may make a topic with one partition for whoever asks first.
func (b *builder) newTopics(p openim.Process) []string {
	topics := b.facts.Settings.NewTopics
	if topics == nil || !slices.Contains(p.Dependencies, openim.Kafka) {
		return nil
	}
	flags := []string{fmt.Sprintf("--topic-partitions=%d", topics.Partitions)}
	if topics.Replication > 0 {
		flags = append(flags, fmt.Sprintf("--topic-replication=%d", topics.Replication))
	}
	return flags
}

// supervisorEmptyDir returns the volume, which lives as long as the pod.
func supervisorEmptyDir() corev1.Volume {
	return corev1.Volume{Name: supervisorVolume, VolumeSource: corev1.VolumeSource{
		EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: ptr.To(supervisorSize)},
	}}
}
