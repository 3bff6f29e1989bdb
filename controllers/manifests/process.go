package manifests

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

const (
	// upstreamDir holds the binaries in upstream's all-in-one image. The last element is the architecture, of which an image holds one.
	upstreamDir = "/openim-server/_output/bin/platforms/linux/*"
	// upstreamRepository of the image when the spec names none.
	upstreamRepository = "openim/openim-server"
)

// addProcess renders the configuration and the template of one of OpenIM's processes.
func (b *builder) addProcess(p openim.Process) error {
	component := b.component(string(p.Name))
	chosen := b.facts.Settings
	chosen.Chosen, chosen.Push, chosen.Webhooks = b.stack.Spec.Settings, b.stack.Spec.Push, b.stack.Spec.Webhooks
	chosen.Namespace = b.stack.Namespace
	files, err := openim.Render(p, chosen)
	if err != nil {
		return err
	}
	image := b.image()
	container := corev1.Container{
		Name:            p.Binary,
		Image:           reference(image, b.stack.Spec.Version),
		ImagePullPolicy: corev1.PullPolicy(image.PullPolicy),
		Ports:           containerPorts(component),
		Env:             b.environment(p),
		Resources:       resources(b.size(component).resources),
		VolumeMounts:    []corev1.VolumeMount{{Name: "config", MountPath: openim.ConfigDir, ReadOnly: true}},
	}
	stores := b.storeVolumes(p, &container)
	supervised := b.supervised()
	var first []corev1.Container
	if supervised {
		b.supervise(p, &container)
		first = []corev1.Container{b.prepare(p, container)}
	} else {
		container.Command, container.Args = command(image, p.Binary)
		bare(p, &container)
	}
	secrets := b.secretFiles(p)
	container.VolumeMounts = append(container.VolumeMounts, secrets.mounts...) // not those of prepare
	b.render(component, files, func(configMap string) corev1.PodTemplateSpec {
		volumes := slices.Concat([]corev1.Volume{configVolume(configMap)}, stores, secrets.volumes)
		if supervised {
			volumes = append(volumes, supervisorEmptyDir())
		}
		return b.template(workload{
			component:   component,
			container:   container,
			init:        first,
			volumes:     volumes,
			pullSecrets: image.PullSecrets,
			credentials: b.credentials(p),
			version:     b.stack.Spec.Version,
		})
	})
	return nil
}

// ShareSecretOf returns the name of the Secret with the share.secret of openim-rpc-auth's pods, "" when they have none.
func ShareSecretOf(pod *corev1.PodSpec) string {
	for _, container := range pod.Containers {
		for _, env := range container.Env {
			if env.Name == openim.EnvName(openim.ShareFile, openim.KeySecret) && env.ValueFrom != nil && env.ValueFrom.SecretKeyRef != nil {
				return env.ValueFrom.SecretKeyRef.Name
			}
		}
	}
	return ""
}

// bare adds the probes of a container without supervisor. They say when a process has started, and little about what it can do.
func bare(p openim.Process, container *corev1.Container) {
	if _, ok := p.Port(openim.Metrics); ok {
		// The metrics port of v3.8.3 opens once the process has registered in etcd. The RPC port accepts connections before the process can
		// serve them. Without etcd a process waits for ever and logs nothing, so the startup probe bounds the start.
		container.StartupProbe = httpProbe("/metrics", string(openim.Metrics), 2, 150)
		container.ReadinessProbe = httpProbe("/metrics", string(openim.Metrics), 10, 3)
		container.LivenessProbe = httpProbe("/metrics", string(openim.Metrics), 20, 6)
	}
}

// storeVolumes mounts the files of the stores of a process and the authorities of spec.pods.trust, and returns their volumes.
func (b *builder) storeVolumes(p openim.Process, container *corev1.Container) []corev1.Volume {
	var volumes []corev1.Volume
	for _, d := range p.Dependencies {
		files := b.facts.Files[d]
		if len(files) == 0 {
			continue
		}
		name := "store-" + string(d)
		volumes = append(volumes, corev1.Volume{Name: name, VolumeSource: storeFiles(files)})
		container.VolumeMounts = append(container.VolumeMounts, corev1.VolumeMount{Name: name, MountPath: openim.StoreDir(d), ReadOnly: true})
	}
	trusted := mounts{dir: openim.SecretsDir}
	b.mountTrust(string(p.Name), &trusted)
	container.VolumeMounts = append(container.VolumeMounts, trusted.mounts...)
	return append(volumes, trusted.volumes...)
}

// environment returns the values that cannot be in a ConfigMap: secrets, and the pod's own address.
func (b *builder) environment(p openim.Process) []corev1.EnvVar {
	var env []corev1.EnvVar
	if p.ShareSecret {
		selector, _ := b.facts.ShareSecretOfOpenIM()
		env = append(env, corev1.EnvVar{
			Name: openim.EnvName(openim.ShareFile, openim.KeySecret), ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &selector},
		})
	}
	if _, ok := p.Port(openim.GRPC); ok {
		env = append(env,
			corev1.EnvVar{Name: "POD_IP", ValueFrom: &corev1.EnvVarSource{
				FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "status.podIP"},
			}},
			corev1.EnvVar{Name: openim.EnvName(p.OwnFile(), openim.KeyRegisterIP), Value: "$(POD_IP)"},
		)
	}
	for _, d := range p.Dependencies {
		env = append(env, b.facts.Credentials[d]...)
	}
	if p.PushVendor {
		env = append(env, b.facts.Push.Credentials...)
	}
	return append(env, b.trust(p)...)
}

// trust returns the variable with the folders of the authorities for stores that have no key for one, and of spec.pods.trust, none when
// there are none. OpenIM, the supervisor and the preflight read it alike.
func (b *builder) trust(p openim.Process) []corev1.EnvVar {
	var folders []string
	for _, d := range p.Dependencies {
		if openim.TrustsOfSystem(d) && len(b.facts.Files[d]) > 0 {
			folders = append(folders, openim.StoreDir(d))
		}
	}
	if b.trusts(string(p.Name)) {
		folders = append(folders, openim.TrustDir)
	}
	if len(folders) == 0 {
		return nil
	}
	return []corev1.EnvVar{{Name: openim.TrustEnv, Value: strings.Join(folders, ":")}}
}

// secretFiles mounts the files with secrets that a process reads at its start.
func (b *builder) secretFiles(p openim.Process) mounts {
	files := mounts{dir: openim.SecretsDir}
	if p.PushVendor {
		files.key(openim.FCMDir, b.facts.Push.File, openim.FCMFile)
	}
	return files
}

// credentials returns a hash of all secrets and authorities that a process reads at its start.
func (b *builder) credentials(p openim.Process) string {
	var hashes []string
	if p.ShareSecret {
		_, hash := b.facts.ShareSecretOfOpenIM()
		hashes = append(hashes, hash)
	}
	for _, d := range p.Dependencies {
		if hash, ok := b.facts.CredentialHashes[d]; ok {
			hashes = append(hashes, hash)
		}
	}
	if hash := b.facts.Push.Hash; p.PushVendor && hash != "" {
		hashes = append(hashes, hash)
	}
	if b.trusts(string(p.Name)) {
		hashes = append(hashes, b.facts.Trust.Digest)
	}
	return strings.Join(hashes, "-")
}

func (b *builder) image() v1alpha1.ImageSpec {
	var image v1alpha1.ImageSpec
	if b.stack.Spec.Image != nil {
		image = *b.stack.Spec.Image
	}
	if image.Repository == "" {
		image.Repository = upstreamRepository
	}
	if image.PullPolicy == "" {
		image.PullPolicy = v1alpha1.PullPolicy(corev1.PullIfNotPresent)
	}
	return image
}

// reference returns the reference of an image: by digest when the spec has one, because no later push can change that.
func reference(image v1alpha1.ImageSpec, tag string) string {
	if image.Digest != "" {
		return image.Repository + "@" + image.Digest
	}
	return image.Repository + ":" + tag
}

// command returns a command that runs one binary as process 1, so that the binary gets SIGTERM. Upstream's layout has the architecture in a
// path, which only a shell can expand.
func command(image v1alpha1.ImageSpec, binary string) (cmd, args []string) {
	path := program(image, binary)
	if image.BinaryDir != "" {
		return []string{path}, arguments
	}
	return []string{"/bin/sh", "-c", fmt.Sprintf(`exec %s "$@"`, path), binary}, arguments
}

// arguments of each of OpenIM's programs.
var arguments = []string{"-i", "0", "-c", openim.ConfigDir}

// program returns the path of a program. In upstream's layout it contains a *.
func program(image v1alpha1.ImageSpec, binary string) string {
	return path.Join(cmp.Or(image.BinaryDir, upstreamDir), binary)
}

func configVolume(configMap string) corev1.Volume {
	return corev1.Volume{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
		LocalObjectReference: corev1.LocalObjectReference{Name: configMap}, DefaultMode: ptr.To[int32](0o444),
	}}}
}
