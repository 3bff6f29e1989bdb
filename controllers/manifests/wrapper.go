package manifests

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/netpol/graph"
)

const (
	wrapperDir        = "/etc/wrapper"
	wrapperConfigFile = "config.yaml"
	shutdownGrace     = 20 // seconds, below the pod's termination grace period
	// stopMargin is added to the wrapper's own bound for the pod's termination grace period, in seconds.
	stopMargin = 10
	// debugListen is the address of the profiler, reachable inside the pod alone.
	debugListen = "127.0.0.1:6060"
)

// role holds the differences between gateway and backend.
type role struct {
	component graph.Component
	config    any
	mounts    *mounts
	env       []corev1.EnvVar
	// credentials are the hashes of the secrets and authorities that are read once, at start.
	credentials []string
	// graceSeconds that the pod has to stop; 0 for the default.
	graceSeconds int64
}

// addRole renders the configuration and the template of a role of the wrapper.
func (b *builder) addRole(r role) error {
	text, err := yaml.Marshal(r.config)
	if err != nil {
		return fmt.Errorf("rendering the configuration of %s: %w", r.component.Name, err)
	}
	image := b.stack.Spec.Wrapper.Image
	if image == "" {
		image = b.options.WrapperImage
	}
	configDir := path.Join(wrapperDir, "config")
	b.render(r.component, map[string]string{wrapperConfigFile: string(text)}, func(configMap string) corev1.PodTemplateSpec {
		return b.template(workload{
			component: r.component,
			container: corev1.Container{
				Name:            r.component.Name,
				Image:           image,
				ImagePullPolicy: corev1.PullPolicy(b.image().PullPolicy),
				Args:            []string{r.component.Name, "--config", path.Join(configDir, wrapperConfigFile)},
				Env:             r.env,
				Ports:           containerPorts(r.component),
				Resources:       resources(b.size(r.component).resources),
				StartupProbe:    httpProbe("/healthz", graph.TelemetryPort, 2, 30),
				ReadinessProbe:  httpProbe("/readyz", graph.TelemetryPort, 5, 3),
				LivenessProbe:   httpProbe("/healthz", graph.TelemetryPort, 20, 3),
				VolumeMounts:    append([]corev1.VolumeMount{{Name: "config", MountPath: configDir, ReadOnly: true}}, r.mounts.mounts...),
			},
			volumes:      append([]corev1.Volume{configVolume(configMap)}, r.mounts.volumes...),
			pullSecrets:  b.image().PullSecrets,
			credentials:  strings.Join(r.credentials, "-"),
			graceSeconds: r.graceSeconds,
		})
	})
	return nil
}

func listen(c graph.Component, port string) string {
	return ":" + strconv.Itoa(int(c.Port(port).Number))
}
