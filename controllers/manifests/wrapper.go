package manifests

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/lockdown"
	"github.com/openimstack/openim-operator/controllers/openim"
)

const (
	wrapperDir        = "/etc/wrapper"
	wrapperConfigFile = "config.yaml"
	shutdownGrace     = 20 // seconds, below the pod's termination grace period
)

// addBackend adds the only holder of OpenIM's secret.
func (b *builder) addBackend() error {
	role, _ := lockdown.Lookup(v1alpha1.ComponentBackend)
	mounts := &mounts{}
	config := backendConfig{
		Listen:               listen(role, lockdown.BackendPort),
		Telemetry:            listener{Listen: listen(role, lockdown.TelemetryPort)},
		AssertionKeyFile:     mounts.secret("assertion", b.facts.AssertionKey.Name, keyFile(b.facts.AssertionKey.Key, "key")),
		ShutdownGraceSeconds: shutdownGrace,
	}
	config.OpenIM.APIURL = "http://" + b.address(string(openim.API), string(openim.HTTP))
	config.OpenIM.AdminUserID = openim.AdminUserID
	config.OpenIM.SecretFile = mounts.secret("share", b.facts.ShareSecret.Name, keyFile(b.facts.ShareSecret.Key, "secret"))
	size := effective(b.stack.Spec.Wrapper.Backend, wrapperReplicas)
	return b.addRole(role, config, mounts, size, b.facts.AssertionKeyHash+"-"+b.facts.ShareSecretHash)
}

// addGateway adds the only way in.
func (b *builder) addGateway() error {
	role, _ := lockdown.Lookup(v1alpha1.ComponentGateway)
	mounts := &mounts{}
	config := gatewayConfig{
		Admin:     adminListener{Listen: listen(role, lockdown.AdminPort)},
		Telemetry: listener{Listen: listen(role, lockdown.TelemetryPort)},
		Backend: backendReference{
			URL:              "http://" + b.address(v1alpha1.ComponentBackend, lockdown.BackendPort),
			AssertionKeyFile: mounts.secret("assertion", b.facts.AssertionKey.Name, keyFile(b.facts.AssertionKey.Key, "key")),
		},
		ShutdownGraceSeconds: shutdownGrace,
	}
	for i, issuer := range b.stack.Spec.Wrapper.Auth.Admins.Issuers {
		ref := issuer.JWKS.SecretRef
		config.Admins.Issuers = append(config.Admins.Issuers, issuerConfig{
			Issuer: issuer.Issuer, Audiences: issuer.Audiences, Algorithms: algorithms(issuer),
			JWKSFile: mounts.secret("jwks-"+strconv.Itoa(i), ref.Name, keyFile(ref.Key, "jwks.json")),
			Roles:    rolesConfig{Claim: issuer.Roles.Claim, Admin: issuer.Roles.Admin},
		})
	}
	var wanted *v1alpha1.ProcessSpec
	if gateway := b.stack.Spec.Wrapper.Gateway; gateway != nil {
		wanted = &gateway.ProcessSpec
		if gateway.TLS != nil {
			config.Admin.TLS = &tlsConfig{}
			config.Admin.TLS.CertFile = mounts.secret("tls", gateway.TLS.SecretRef.Name, keyFile(corev1.TLSCertKey, corev1.TLSCertKey), keyFile(corev1.TLSPrivateKeyKey, corev1.TLSPrivateKeyKey))
			config.Admin.TLS.KeyFile = path.Join(path.Dir(config.Admin.TLS.CertFile), corev1.TLSPrivateKeyKey)
		}
	}
	return b.addRole(role, config, mounts, effective(wanted, wrapperReplicas), b.facts.AssertionKeyHash)
}

// addRole adds the configuration and the Deployment of a role of the wrapper.
func (b *builder) addRole(role lockdown.Component, config any, mounts *mounts, size v1alpha1.ProcessSpec, credentials string) error {
	text, err := yaml.Marshal(config)
	if err != nil {
		return fmt.Errorf("rendering the configuration of %s: %w", role.Name, err)
	}
	configMap, err := b.configMap(role, map[string]string{wrapperConfigFile: string(text)})
	if err != nil {
		return err
	}
	b.add(configMap)
	image := b.stack.Spec.Wrapper.Image
	if image == "" {
		image = b.options.WrapperImage
	}
	configDir := path.Join(wrapperDir, "config")
	b.add(b.deployment(workload{
		component: role,
		container: corev1.Container{
			Name:            role.Name,
			Image:           image,
			ImagePullPolicy: corev1.PullPolicy(b.image().PullPolicy),
			Args:            []string{role.Name, "--config", path.Join(configDir, wrapperConfigFile)},
			Ports:           containerPorts(role),
			Resources:       resources(size.Resources),
			StartupProbe:    httpProbe("/healthz", lockdown.TelemetryPort, 2, 30),
			ReadinessProbe:  httpProbe("/readyz", lockdown.TelemetryPort, 5, 3),
			LivenessProbe:   httpProbe("/healthz", lockdown.TelemetryPort, 20, 3),
			VolumeMounts:    append([]corev1.VolumeMount{{Name: "config", MountPath: configDir, ReadOnly: true}}, mounts.mounts...),
		},
		volumes:     append([]corev1.Volume{configVolume(configMap.Name)}, mounts.volumes...),
		replicas:    *size.Replicas,
		pullSecrets: b.image().PullSecrets,
		credentials: credentials,
	}))
	return nil
}

// Scheme of the gateway's URL.
func Scheme(stack *v1alpha1.OpenIMStack) string {
	if gateway := stack.Spec.Wrapper.Gateway; gateway != nil && gateway.TLS != nil {
		return "https"
	}
	return "http"
}

// GatewayURL is where the gateway is reached from inside the cluster.
func GatewayURL(stack *v1alpha1.OpenIMStack) string {
	b := builder{stack: stack}
	return Scheme(stack) + "://" + b.address(v1alpha1.ComponentGateway, lockdown.AdminPort)
}

func algorithms(issuer v1alpha1.Issuer) []string {
	if len(issuer.Algorithms) == 0 {
		return []string{"ES256"}
	}
	var out []string
	for _, a := range issuer.Algorithms {
		out = append(out, string(a))
	}
	return slices.Sorted(slices.Values(out))
}

func listen(c lockdown.Component, port string) string {
	return ":" + strconv.Itoa(int(c.Port(port).Number))
}

// mounts collects the Secrets that a role reads as files. Mounted files follow their Secret without a restart.
type mounts struct {
	volumes []corev1.Volume
	mounts  []corev1.VolumeMount
}

func keyFile(key, file string) corev1.KeyToPath { return corev1.KeyToPath{Key: key, Path: file} }

// secret mounts keys of a Secret and returns the path of the first.
func (m *mounts) secret(name, secret string, items ...corev1.KeyToPath) string {
	dir := path.Join(wrapperDir, strings.ReplaceAll(name, "-", "/"))
	m.volumes = append(m.volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
		SecretName: secret, Items: items, DefaultMode: ptr.To[int32](0o440),
	}}})
	m.mounts = append(m.mounts, corev1.VolumeMount{Name: name, MountPath: dir, ReadOnly: true})
	return path.Join(dir, items[0].Path)
}
