package manifests

import (
	"path"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/wrapper/config"
)

// addBackend adds the backend. Of the wrapper, only it and the check hold OpenIM's secret, and only it the static keys of the login.
func (b *builder) addBackend() error {
	r, _, err := b.backend()
	if err != nil {
		return err
	}
	r.trust(b)
	return b.addRole(r)
}

// backend returns the role, and its configuration file.
func (b *builder) backend() (role, config.Backend, error) {
	component := b.component(v1alpha1.ComponentBackend)
	mounts := &mounts{}
	file := config.Backend{
		Listen:               listen(component, graph.BackendPort),
		Telemetry:            config.Telemetry{Listen: listen(component, graph.TelemetryPort)},
		AssertionKeyFile:     mounts.key("assertion", &b.facts.AssertionKey, "key"),
		Debug:                config.Debug{Listen: debugListen},
		ShutdownGraceSeconds: shutdownGrace,
	}
	var err error
	if file.Tracing, err = tracing(b.stack); err != nil {
		return role{}, file, err
	}
	file.OpenIM.APIURL = "http://" + b.address(string(openim.API), string(openim.HTTP))
	file.OpenIM.AdminUserID = openim.AdminUserID
	file.OpenIM.SecretFile = mounts.key(shareVolume, &b.facts.ShareSecret, "secret")
	credentials := []string{b.facts.AssertionKeyHash, b.facts.ShareSecretHash}
	if previous := b.facts.PreviousShareSecret; previous != nil {
		file.OpenIM.PreviousSecretFile = mounts.key(previousShareVolume, previous, "secret")
		mounts.volumes[len(mounts.volumes)-1].Secret.Optional = ptr.To(true) // it may be deleted at any time
		credentials = append(credentials, b.facts.PreviousShareSecretHash)
	}
	file.Admins = b.admins(mounts)
	if users := b.stack.Spec.Wrapper.Auth.Users; users != nil {
		file.OpenIM.Release = b.stack.Spec.Version
		file.OpenIM.ExternalURL = users.Audience + userPrefix
		if storage, _, _ := openim.ObjectStorageOf(b.stack.Spec.Dependencies.ObjectStorage); storage != nil {
			file.OpenIM.ObjectURL, file.OpenIM.ObjectOnePart = storage.PublicURL(), storage.OnePart()
		}
		file.Users = b.login(mounts)
		file.Redis = b.redis(mounts)
		file.MongoDB = b.mongodb(mounts)
		if hash := b.facts.Wrapper.MongoDB.FilesHash; hash != "" {
			credentials = append(credentials, hash)
		}
		file.CustodyKeyFile = mounts.key("custody", &b.facts.Wrapper.CustodyKey, "key")
	}
	return role{component: component, config: file, mounts: mounts, credentials: credentials}, file, nil
}

// Volumes of the backend with share.secret, and with the one that is being replaced.
const (
	shareVolume         = "share"
	previousShareVolume = "previous-share"
)

// ShareSecretsOfBackend returns the names of the Secrets with a share.secret that the backend's pods know.
func ShareSecretsOfBackend(pod *corev1.PodSpec) []string {
	var names []string
	for _, volume := range pod.Volumes {
		if volume.Secret != nil && (volume.Name == shareVolume || volume.Name == previousShareVolume) {
			names = append(names, volume.Secret.SecretName)
		}
	}
	return names
}

// redis returns where the wrapper's own Redis is. Stacks that share one Redis have one key prefix each.
func (b *builder) redis(mounts *mounts) *config.Redis {
	store := b.facts.Wrapper.Redis
	file := &config.Redis{
		Addresses: store.Addresses, KeyPrefix: b.stack.Namespace + "/" + b.stack.Name + ":", Database: int(store.Number), Cluster: store.Cluster,
	}
	file.UsernameFile, file.PasswordFile = storeLogin("redis", store, mounts)
	if store.TLS {
		file.TLS = &config.RedisTLS{CAFile: mounts.key("ca-redis", store.CA, "ca.crt")}
	}
	return file
}

func (b *builder) mongodb(mounts *mounts) *config.MongoDB {
	store := b.facts.Wrapper.MongoDB
	file := &config.MongoDB{
		Addresses: store.Addresses, Database: store.Database, AuthSource: store.AuthSource,
		URIFile: mounts.key("mongodb", store.URI, "uri"), Options: store.Options,
	}
	mounts.files("ca-mongodb", store.Files) // openim.WrapperFilesDir
	file.UsernameFile, file.PasswordFile = storeLogin("mongodb", store, mounts)
	return file
}

// storeLogin mounts user name and password of a store, which are keys of one Secret, and returns their paths, "" for an absent key.
func storeLogin(name string, store openim.WrapperStore, mounts *mounts) (username, password string) {
	var items []corev1.KeyToPath
	var secret string
	for _, selector := range []*corev1.SecretKeySelector{store.Username, store.Password} {
		if selector != nil {
			secret, items = selector.Name, append(items, keyFile(selector.Key, selector.Key))
		}
	}
	if len(items) == 0 {
		return "", ""
	}
	dir := mounts.secretDir(name, secret, items...)
	if store.Username != nil {
		username = path.Join(dir, store.Username.Key)
	}
	if store.Password != nil {
		password = path.Join(dir, store.Password.Key)
	}
	return username, password
}
